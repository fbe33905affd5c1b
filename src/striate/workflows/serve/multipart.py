"""The files of a form (multipart/form-data), read part by part within limits; nothing is written to disk."""

from collections.abc import Mapping
from typing import NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from striate.workflows.serve.refusals import Refusal

MOST_FILES = 64
_MOST_PARTS = 100
_MOST_HEADERS, _MOST_HEADER_BYTES, _MOST_NAME = 8, 2048, 255


class Upload(NamedTuple):
    """A file of a request."""

    name: str  # as the client calls it, without folders; empty where it has none
    content: bytes


def options_of(content_type: str) -> tuple[str, Mapping[bytes, bytes]]:
    """The media type of a Content-Type header, in lower case, and its options."""
    if len(content_type) > _MOST_HEADER_BYTES:
        raise Refusal(400, f"expected a Content-Type of at most {_MOST_HEADER_BYTES:,} bytes; got {len(content_type):,}.")
    kind, options = parse_options_header(content_type)
    return kind.decode("latin-1").lower(), options


class FormReader:
    """Takes the bytes of a form as they come in."""

    def __init__(self, options: Mapping[bytes, bytes]) -> None:
        boundary = options.get(b"boundary", b"")
        if not 1 <= len(boundary) <= 70:
            raise Refusal(400, "expected multipart/form-data with a boundary of 1 to 70 bytes.")
        self._files: list[Upload] = []
        self._parts = 0
        self._field, self._value, self._content = bytearray(), bytearray(), bytearray()
        self._disposition = ""
        self._name: str | None = None
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin, "on_header_field": self._header_field, "on_header_value": self._header_value,
                "on_header_end": self._header_end, "on_headers_finished": self._headers_finished,
                "on_part_data": self._data, "on_part_end": self._end, "on_end": self._finished,
            },
            max_header_count=_MOST_HEADERS, max_header_size=_MOST_HEADER_BYTES,
        )  # fmt: skip

    def write(self, content: bytes) -> None:
        """Take the next bytes. Raises Refusal: of 400 or 413, where they are no form, or one beyond its limits."""
        if not content:
            return
        try:
            self._parser.write(content)
        except FormParserError as error:
            raise Refusal(400, f"expected multipart/form-data; it cannot be read: {str(error)[:200]}.") from None

    def finish(self) -> list[Upload]:
        """The files, in order. Raises Refusal: of 400, where the form is cut off or has none."""
        if not self._ended:
            raise Refusal(400, "expected multipart/form-data up to its closing boundary; it is cut off.")
        if not self._files:
            raise Refusal(400, "expected at least one file in the form, as of curl -F file=@photo.jpg; got none.")
        return self._files

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise Refusal(413, f"expected a form of at most {_MOST_PARTS} parts; got more.")
        self._name, self._disposition = None, ""
        self._content = bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if bytes(self._field).lower() == b"content-disposition":
            kind, options = parse_options_header(bytes(self._value))
            self._disposition = kind.decode("latin-1").lower()
            if (name := options.get(b"filename")) is not None:
                self._name = _safe_name(name)
        self._field, self._value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        if self._disposition != "form-data":
            raise Refusal(400, "expected each part of the form to have Content-Disposition: form-data; one has not.")
        if self._name is None:
            raise Refusal(400, "expected files in the form; got a part without a filename. With curl: -F file=@photo.jpg.")
        if len(self._files) >= MOST_FILES:
            raise Refusal(413, f"expected at most {MOST_FILES} files in a request; got more. Send several requests.")

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._content += data[start:end]

    def _end(self) -> None:
        self._files.append(Upload(self._name or "", bytes(self._content)))
        self._content = bytearray()

    def _finished(self) -> None:
        self._ended = True


def _safe_name(name: bytes) -> str:
    """A file's name for the answer: no folders, no control characters."""
    if len(name) > _MOST_NAME * 4:
        raise Refusal(400, f"expected a filename of at most {_MOST_NAME} characters; got {len(name):,} bytes.")
    last = name.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in last)[:_MOST_NAME]
