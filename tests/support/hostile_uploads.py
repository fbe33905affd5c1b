"""Uploads that are to cost a server as much memory as they can; each is a whole HTTP request."""

import random
import struct
import zlib
from collections.abc import Iterable

from support.http_load import form_request, request
from support.serving import png

PATH = "/v1/embed"
_PART = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n%s\r\n'


def png_of(width: int, height: int, rows: int, chunks: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """A black gray PNG that says it is so large, and has so many of its rows."""
    compressor = zlib.compressobj(9)
    row = bytes(1 + width) if rows else b""
    content = b"".join([compressor.compress(row) for _ in range(rows)]) + compressor.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", content), (b"IEND", b"")]
    ends = [struct.pack(">I", zlib.crc32(kind + content)) for kind, content in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + end for (kind, content), end in zip(parts, ends, strict=True)
    )


def form(files: Iterable[bytes], end: bytes = b"--cut--\r\n") -> bytes:
    """A form of files; without its end it is cut off."""
    body = b"".join([_PART % content for content in files]) + end
    return request(body, PATH).replace(b"image/png", b"multipart/form-data; boundary=cut", 1)


def cheap() -> dict[str, bytes]:
    """Requests that are refused before much is computed, with what they may be answered with, by name."""
    noise = random.Random(8).randbytes(2**20)
    return {
        "an image cut off": request(png(9)[:50], PATH),
        "noise": request(noise, PATH),
        "179 megapixels": request(png_of(13_400, 13_400, 13_400), PATH),
        "sides of 2^31 - 1 pixels": request(png_of(2**31 - 1, 2**31 - 1, 0), PATH),
        "a row of 60,000 pixels": request(png_of(60_000, 1, 1), PATH),
        "a profile of 100 MB": request(png_of(4, 4, 4, [(b"iCCP", b"a\0\0" + zlib.compress(bytes(10**8), 9))]), PATH),
        "a form without its end": form([noise], end=b""),
        "a form of 65 files": form([png(9)] * 65),
        "a name of 2,000 letters": form_request("a" * 2000, png(9), PATH),
    }


def dear() -> dict[str, bytes]:
    """Requests that are computed, or take the room of a request whole."""
    largest = png_of(8000, 8000, 8000)
    noise = random.Random(9).randbytes(10 * 2**20 - 4096)
    return {
        "64 megapixels": request(largest, PATH),
        "a form of 64 files of 64 megapixels": form([largest] * 64),
        "10 MiB of noise": request(noise, PATH),
        "10 MiB of noise in a form": form([noise]),
        "10 MiB in a form without its end": form([noise], end=b""),
    }
