"""What a file says of its image beside the pixels: its format, and the camera and time of EXIF."""

import hashlib
import struct
from calendar import timegm
from time import strptime
from typing import NamedTuple

from PIL import ExifTags, Image


class FileFacts(NamedTuple):
    """Format, camera and time; empty and 0 where they are not known, as of images in memory."""

    format: str = ""  # JPEG, PNG, WEBP, BMP, GIF, TIFF, AVIF or HEIF
    camera: int = 0  # a 64-bit hash of maker, model and serial number
    taken: float = 0.0  # seconds since 1970 by the camera's clock, of the exposure


IN_MEMORY = FileFacts()  # of an image without a file


def of_image(image: Image.Image) -> FileFacts:
    """The facts of an open file; EXIF that cannot be read counts for none."""
    name = image.format or ""
    try:
        tags = image.getexif()
        inner = tags.get_ifd(ExifTags.IFD.Exif)
        makers = (tags.get(ExifTags.Base.Make), tags.get(ExifTags.Base.Model), inner.get(ExifTags.Base.BodySerialNumber))
        times = (inner.get(ExifTags.Base.DateTimeOriginal), inner.get(ExifTags.Base.DateTimeDigitized))
        taken = next((seconds for time in times if (seconds := _seconds(time))), 0.0)
        if taken:
            taken += _fraction(inner.get(ExifTags.Base.SubsecTimeOriginal))
    except (OSError, SyntaxError, LookupError, ArithmeticError, ValueError, TypeError, AttributeError, struct.error):
        return FileFacts(name)
    return FileFacts(name, _camera(makers), taken)


def _camera(makers: tuple[object, ...]) -> int:
    text = "\x1f".join("" if part is None else str(part).strip(" \0") for part in makers)
    if not text.strip("\x1f"):
        return 0
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=8).digest(), "little")


def _seconds(time: object) -> float:
    """EXIF's `2026:11:28 16:30:05` as seconds; 0 where it is none, as where a camera's clock was not set."""
    try:
        return float(max(0, timegm(strptime(str(time).strip(" \0"), "%Y:%m:%d %H:%M:%S"))))
    except ValueError:
        return 0.0


def _fraction(digits: object) -> float:
    text = str(digits).strip(" \0")
    return float(f"0.{text}") if text.isascii() and text.isdigit() else 0.0
