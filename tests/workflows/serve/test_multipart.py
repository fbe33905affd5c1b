"""Forms are read within limits, whatever pieces they come in."""

import pytest

from striate.workflows.serve.multipart import FormReader, Upload, options_of
from striate.workflows.serve.refusals import Refusal

HEAD = b'Content-Disposition: form-data; name="file"; filename="%s"\r\n'


def form(*parts: bytes, end: bytes = b"--x--\r\n") -> bytes:
    return b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + end


def part(name: bytes, content: bytes) -> bytes:
    return HEAD % name + b"Content-Type: image/png\r\n\r\n" + content


def read(content: bytes, step: int = 10_000, boundary: bytes = b"x") -> list[Upload]:
    reader = FormReader({b"boundary": boundary})
    for start in range(0, len(content), step):
        reader.write(content[start : start + step])
    return reader.finish()


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_files_are_the_same_in_whatever_pieces_they_come(step: int):
    content = b"a\r\n--not the end\r\n\x00\xff"
    files = read(form(part(b"one.png", content), part(b"two.png", b"")), step)
    assert files == [Upload("one.png", content), Upload("two.png", b"")]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (b"../../etc/passwd", "passwd"), (rb"C:\\photos\\cat.jpg", "cat.jpg"), ("fünf.png".encode(), "fünf.png"),
        (b"a\xff.png", "a\N{REPLACEMENT CHARACTER}.png"), (b"<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        (b"a\x07b", "a\N{REPLACEMENT CHARACTER}b"), (b"n" * 900, "n" * 255), (b"", ""),
    ],
)  # fmt: skip
def test_a_name_has_no_folders_and_no_control_characters(name: bytes, kept: str):
    assert read(form(part(name, b"1"))) == [Upload(kept, b"1")]


@pytest.mark.parametrize(
    ("content", "status", "sentence"),
    [
        (form(part(b"a", b"1"), end=b""), 400, "it is cut off."),
        (form(b'Content-Disposition: form-data; name="x"\r\n\r\n1'), 400, "got a part without a filename."),
        (form(b"Content-Type: image/png\r\n\r\n1"), 400, "to have Content-Disposition: form-data; one has not."),
        (form(part(b"n" * 1500, b"1")), 400, "expected a filename of at most 255 characters; got 1,500 bytes."),
        (form(part(b"n" * 50_000, b"1")), 400, "expected multipart/form-data; it cannot be read:"),
        (form(b"A: b\r\n" * 9 + part(b"a", b"1")), 400, "expected multipart/form-data; it cannot be read:"),
        (form(*[part(b"a", b"1")] * 65), 413, "expected at most 64 files in a request; got more."),
        (b"--y\r\n\r\n", 400, "expected multipart/form-data; it cannot be read:"),
        (b"", 400, "it is cut off."),
        (b"--x--\r\n", 400, ""),
    ],
)
def test_what_is_no_form_or_too_much_of_one_is_refused(content: bytes, status: int, sentence: str):
    with pytest.raises(Refusal) as refused:
        read(content)
    assert refused.value.status == status
    assert sentence in refused.value.sentence


@pytest.mark.parametrize("boundary", [b"", b"x" * 71, b"x" * 2**20])
def test_a_boundary_has_1_to_70_bytes(boundary: bytes):
    with pytest.raises(Refusal) as refused:
        FormReader({b"boundary": boundary})
    assert refused.value.sentence == "expected multipart/form-data with a boundary of 1 to 70 bytes."


def test_the_media_type_and_its_options():
    assert options_of("Multipart/Form-Data; boundary=x") == ("multipart/form-data", {b"boundary": b"x"})
    with pytest.raises(Refusal) as refused:
        options_of("a" * 2049)
    assert refused.value.sentence == "expected a Content-Type of at most 2,048 bytes; got 2,049."
