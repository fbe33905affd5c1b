"""The one decoder: survey, training, prediction and server use it and nothing else.

What it does, always: formats by allow-list, limits from the header before a pixel is decoded, the first frame, the EXIF turn,
16 bits scaled and never clipped, CMYK converted, transparency composited on a stated color. It runs in child processes with
limits (`stream`), so that whatever a file does to a C library is a verdict on that file.

Legend: H x W pixels, C channels (1 gray, 3 color).
"""

import io
import os
import stat
import struct
import warnings
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from math import floor
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard, cast

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from striate.base import worker_pool
from striate.base.child_process import Answer
from striate.base.errors import DecodeError
from striate.data import file_facts, read_ahead, shard_paths
from striate.data.file_facts import FileFacts
from striate.data.image_facts import BAND_PIXELS, CELLS, THUMB_PX, Facts, Pixels, hash_content, measure

DECODER_VERSION = 4
# A multi-image JPEG is opened as JPEG; Pillow itself makes it an MPO, whose first frame is taken.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")
MOST_PIXELS = 64_000_000
MOST_SIDE = 30_000
CHILD_MB = 1536
CHILD_SECONDS = 10.0  # of processor time; 64 megapixels take a few
_FEW_LEVELS = 17  # of 256: 12 bits in a file of 16 come out as 0 to 16
_LONG = 8  # times as long as wide
_SMALL_BYTES = THUMB_PX**2, 2 * CELLS**2  # of the small copies, which follow the pixels in what a child answers
_READY_BYTES = 2**26  # of images that lie decoded before they are taken


class InputSpec(NamedTuple):
    """How an image is brought to the size that a network sees."""

    size_px: int  # side of the square
    channels: int  # 1 gray (ITU-R 601 luma) or 3 color
    resize_mode: str  # `crop` the center, `pad` with the background, or `squash` both sides
    background: tuple[int, int, int] = (255, 255, 255)  # color behind transparent pixels and around padded images, 0..255
    # of `crop`: what is kept of the short side, 0..1; a network trained on crops of an image sees as much of it
    share: float = 1.0
    # value of gray pixels of more than 8 bits that is white; None for 65535, of floats 1 or 255, and none that is all but black
    white_level: float | None = None
    interpolation: str = "bilinear"  # or `bicubic`; both average the area where an image shrinks


class Decoded(NamedTuple):
    """The verdict on one file: facts where it was measured, and pixels where an input_spec was given; or why it is refused."""

    pixels_HWC: Pixels | None
    facts: Facts | None
    reason: str | None
    content_hash: int = 0  # of the file's bytes; 0 where it is not known
    outage: bool = False  # the machine may be the reason, and not the file: it is no verdict to keep


class DecodedFile(NamedTuple):
    """The pixels of a file, H x W x C: C = 1 where every pixel is gray, else 3; and what the file says of them."""

    levels_HWC: Pixels
    file: FileFacts


def decode_image(source: Path | bytes, background: tuple[int, int, int], white_level: float | None = None) -> Pixels:
    """The pixels of a file, H x W x C: C = 1 where every pixel is gray, else 3; `white_level` as in `InputSpec`."""
    return decode_file(source, background, white_level).levels_HWC


def decode_file(source: Path | bytes, background: tuple[int, int, int], white_level: float | None = None) -> DecodedFile:
    """The pixels of a file with its facts; `white_level` as in `InputSpec`."""
    content = read_file(source) if isinstance(source, Path) else source
    if not content:
        raise DecodeError("empty file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with _open(content) as image:
                _check_limits(image)
                levels_HWC = canonical(_levels(image, background, white_level))
                return DecodedFile(levels_HWC, file_facts.of_image(image))
        except DecodeError:
            raise
        except Image.DecompressionBombError as error:
            raise DecodeError("more than 64 megapixels") from error
        except MemoryError as error:
            raise DecodeError("needs more memory than the decoder may take") from error
        except (OSError, SyntaxError, LookupError, ArithmeticError, ValueError, TypeError, struct.error, RuntimeError) as error:
            text = " ".join(str(error).split()) or type(error).__name__
            raise DecodeError(f"cannot be decoded: {text[:200]}") from error


def is_pil(image: object) -> TypeGuard[Image.Image]:
    """Whether this is an image of Pillow's."""
    return isinstance(image, Image.Image)


def as_file(image: Image.Image) -> bytes:
    """An image of Pillow's as the bytes of a file without loss, turned as its EXIF says."""
    buffer = io.BytesIO()
    turned = ImageOps.exif_transpose(image)
    turned.save(buffer, "PNG" if turned.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else "TIFF")
    return buffer.getvalue()


def read_file(path: Path) -> bytes:
    """The bytes of a regular file, or of an image of shards; DecodeError where it is none, or cannot be read."""
    if (content := shard_paths.read(path)) is not None:
        return content
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)  # of a folder Python makes no file, and would leave it open
            raise DecodeError("not a regular file")
        with os.fdopen(handle, "rb") as file:
            return file.read()
    except OSError as error:
        raise DecodeError(f"cannot be read: {error.strerror or error}") from error


def _open(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:
        if content[4:8] == b"ftyp" and content[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc"):
            return _heic(content)
        head = content[:1024].lstrip().lower()
        if head.startswith(b"<svg") or (head.startswith(b"<?xml") and b"<svg" in head):
            raise DecodeError("SVG is a drawing, not an image; save it as PNG") from error
        raise DecodeError(f"not one of the formats {', '.join(FORMATS)}, or damaged at its beginning") from error


def _heic(content: bytes) -> Image.Image:
    try:
        import pillow_heif
    except ImportError:
        raise DecodeError("HEIC needs pillow-heif: pip install 'striate[heic]'") from None
    pillow_heif.register_heif_opener()
    return Image.open(io.BytesIO(content), formats=("HEIF",))


def _check_limits(image: Image.Image) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise DecodeError(f"no pixels: {width} x {height}")
    if max(width, height) > MOST_SIDE:
        raise DecodeError(f"a side of {max(width, height):,} pixels; at most {MOST_SIDE:,}")
    if width * height > MOST_PIXELS:
        raise DecodeError(f"{width * height / 1e6:,.0f} megapixels; at most {MOST_PIXELS // 1_000_000}")


def _levels(image: Image.Image, background: tuple[int, int, int], white_level: float | None) -> Pixels:
    # Of 16-bit color Pillow reads the upper bytes alone
    upper_bytes = image.mode in ("RGB", "RGBA") and ";16" in str(getattr(image, "tile", ""))
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    mode = image.mode
    if mode.startswith("I;16") or mode in ("I", "F"):
        return _scaled(image, background, white_level)
    if upper_bytes:
        _check_upper_bytes(image, white_level)
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return np.concatenate([_composited(np.asarray(band.convert("RGBA")), background) for band in _bands(image)])
    if mode in ("1", "L"):
        return np.concatenate([np.asarray(band.convert("L"))[..., None] for band in _bands(image)])
    return np.concatenate([np.asarray(band.convert("RGB")) for band in _bands(image)])


def _check_upper_bytes(image: Image.Image, white_level: float | None) -> None:
    """Refuse color of 16 bits that its upper bytes do not show."""
    if white_level not in (None, 65535):
        raise DecodeError("16-bit color is read by its upper 8 bits, so data.white_level does not apply; save it with 8 bits")
    most = int(max(np.asarray(band)[..., :3].max() for band in _bands(image)))
    if white_level is None and most < _FEW_LEVELS:
        little = f"16-bit color below {257 * (most + 1)} of 65535 would become at most {most + 1} of 256 levels"
        raise DecodeError(f"{little}; save it with 8 bits")


def _bands(image: Image.Image) -> Iterator[Image.Image]:
    """The image in bands of whole rows, so that an image at the limit is converted within the child's memory."""
    width, height = image.size
    rows = max(1, BAND_PIXELS // width)
    return (image.crop((0, top, width, min(top + rows, height))) for top in range(0, height, rows))


def _scaled(image: Image.Image, background: tuple[int, int, int], white_level: float | None) -> Pixels:
    """Sixteen bits or floats as eight, by scale: never clipped, as Pillow's own conversion would, and never all but black."""
    extremes = [(values.min(), values.max()) for values in map(np.asarray, _bands(image))]
    least, most = (float(end) for end in (np.min(extremes), np.max(extremes)))
    if not np.isfinite([least, most]).all():
        raise DecodeError("pixels that are not finite")
    factor = 1.0
    if white_level is not None:
        factor = 255 / white_level
        if least < 0 or most > white_level:
            raise DecodeError(f"pixels from {least:g} to {most:g}; expected 0 to {white_level:g}, which is data.white_level")
    elif image.mode == "F" and least >= 0 and most <= 1:
        factor = 255.0
    elif image.mode == "F" and not (least >= 0 and most <= 255):
        raise DecodeError(f"floating-point pixels from {least:g} to {most:g}; expected 0 to 1 or 0 to 255")
    elif image.mode != "F":
        if least < 0 or most > 65535:
            raise DecodeError(f"32-bit pixels from {least:g} to {most:g}; expected 16 bits")
        factor = 1 / 257
    if white_level is None and most > 0 and (top := round(most * factor)) < _FEW_LEVELS:
        white = f"{most:g}" if image.mode == "F" else f"{2 ** int(most).bit_length() - 1}"
        raise DecodeError(
            f"pixels from {least:g} to {most:g} would become at most {top + 1} of 256 levels; say which value is white, as in "
            f"data.white_level={white} ({round(255 / factor)} takes it as it is)"
        )
    hidden = image.info.get("transparency")  # the one gray level that a PNG of sixteen bits may call transparent
    behind, bands = np.array(background, np.uint8), []
    for values in map(np.asarray, _bands(image)):
        levels = np.rint(values * np.float64(factor)).astype(np.uint8)[..., None]
        bands.append(levels if hidden is None else np.where(values[..., None] == hidden, behind, levels))
    return np.concatenate(bands)


def _composited(levels_HW4: Pixels, background: tuple[int, int, int]) -> Pixels:
    color, alpha = np.split(levels_HW4.astype(np.uint32), [3], axis=2)
    return ((color * alpha + np.array(background, np.uint32) * (255 - alpha) + 127) // 255).astype(np.uint8)


def canonical(levels_HWC: Pixels) -> Pixels:
    """The same image with one channel where its three are equal everywhere."""
    if levels_HWC.shape[2] == 3:
        red, green, blue = levels_HWC[..., 0], levels_HWC[..., 1], levels_HWC[..., 2]
        if np.array_equal(red, green) and np.array_equal(red, blue):
            return np.ascontiguousarray(levels_HWC[..., :1])
    return np.ascontiguousarray(levels_HWC)


def square(image_HWC: Pixels, input_spec: InputSpec) -> Pixels:
    """An image at the spec's size and channels, bit-equal where it has them; the area is averaged where it shrinks."""
    height, width, channels = image_HWC.shape
    image = Image.fromarray(image_HWC[..., 0] if channels == 1 else image_HWC)
    side = input_spec.size_px
    if channels == 3 and input_spec.channels == 1:
        image = image.convert("L")
    if (height, width) != (side, side):
        image = _fitted(image, input_spec)
    levels_HWC = np.atleast_3d(np.asarray(image))
    if levels_HWC.shape[2] < input_spec.channels:
        return np.repeat(levels_HWC, input_spec.channels, axis=2)
    return np.ascontiguousarray(levels_HWC)


def _fitted(image: Image.Image, input_spec: InputSpec) -> Image.Image:
    side, (width, height) = input_spec.size_px, image.size
    method = Image.Resampling[input_spec.interpolation.upper()]
    if input_spec.resize_mode == "squash":
        return image.resize((side, side), method)
    if input_spec.resize_mode == "crop":
        return _center_crop(image, input_spec, method)
    scale = side / max(width, height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    color = Image.new("RGB", (1, 1), input_spec.background)
    behind: Any = (color.convert("L") if image.mode == "L" else color).getpixel((0, 0))
    padded = Image.new(image.mode, (side, side), behind)
    padded.paste(image.resize(inner, method), ((side - inner[0]) // 2, (side - inner[1]) // 2))
    return padded


def _center_crop(image: Image.Image, input_spec: InputSpec, method: Image.Resampling) -> Image.Image:
    """The center of an image. Of a share below 1 its pixels are those of torchvision and timm, which bring the short side to
    size / share, round, and cut out whole pixels.
    """
    side, short, (width, height) = input_spec.size_px, min(image.size), image.size
    if input_spec.share == 1 or max(width, height) > _LONG * short:  # whose resized pixels would be too many
        length = short * input_spec.share
        left, top = (width - length) / 2, (height - length) / 2
        return image.resize((side, side), method, box=(left, top, left + length, top + length))
    resized = floor(side / input_spec.share + 1e-6)
    across, down = (resized if own == short else int(resized * own / short) for own in (width, height))
    x, y = round((across - side) / 2), round((down - side) / 2)
    return image.resize((across, down), method).crop((x, y, x + side, y + side))


def stream(paths: Iterable[Path], input_spec: InputSpec | None, workers: int | None = None) -> Generator[Decoded]:
    """The verdict on each file, in order, from child processes; pixels are left out without an `input_spec`.

    `workers` children decode, by default one a core and at most 8; close the iterator to end them early.
    """
    with closing(children("striate.data.decode:in_child", paths, input_spec, worker_pool.workers(workers))) as answers:
        yield from verdicts(answers, input_spec)


def verdicts(answers: Iterable[Answer], input_spec: InputSpec | None) -> Generator[Decoded]:
    """What the answers of children that run `in_child` mean."""
    shape = None if input_spec is None else (input_spec.size_px, input_spec.size_px, input_spec.channels)
    for answer in answers:
        if answer.error is not None:
            yield Decoded(None, None, answer.error, outage=answer.outage)
            continue
        payload, thumb, chroma = _parted(answer.payload)
        pixels = None if shape is None else np.frombuffer(payload, np.uint8).reshape(shape)
        height, width, gray, pixel_hash, mean, mean_square, border, file, content_hash = cast(Any, answer.value)
        levels = tuple(mean), tuple(mean_square), tuple(border)
        facts = Facts(height, width, gray, pixel_hash, *levels, FileFacts(*file), thumb, chroma)
        yield Decoded(pixels, facts, None, content_hash)


def _parted(payload: bytes) -> tuple[bytes, bytes, bytes]:
    """Pixels, gray copy and chroma of what a child answered."""
    end = len(payload) - sum(_SMALL_BYTES)
    return payload[:end], bytes(payload[end : end + _SMALL_BYTES[0]]), bytes(payload[end + _SMALL_BYTES[0] :])


def children(where: str, paths: Iterable[Path], input_spec: InputSpec | None, count: int, ahead: int = 32) -> Generator[Answer]:
    """What the function `where` answers in `count` child processes for each file, in order; `parse_request` reads its argument.

    At most `ahead` answers lie ready, and no more than fit into 64 MiB, but one for each child.
    """
    size = 1 if input_spec is None else input_spec.size_px**2 * input_spec.channels
    ahead = max(count, min(ahead, _READY_BYTES // size))
    return read_ahead.in_children(where, paths, input_spec, count, (CHILD_MB, CHILD_SECONDS, ahead))


def parse_request(argument: Any, content: bytes) -> tuple[bytes, InputSpec | None]:
    """In a child: the bytes of the file to decode, and how."""
    if argument["refused"]:
        raise DecodeError(argument["refused"])
    path, spec = Path(os.fsdecode(bytes.fromhex(argument["path"]))), argument["input_spec"]
    return content or read_file(path), None if spec is None else InputSpec._make([*spec[:3], tuple(spec[3]), *spec[4:]])


def in_child(argument: Any, content: bytes = b"") -> tuple[object, bytes]:
    """What the child runs for one file."""
    content, input_spec = parse_request(argument, content)
    background, white_level = (input_spec.background, input_spec.white_level) if input_spec else ((255, 255, 255), None)
    levels_HWC, file = decode_file(content, background, white_level)
    pixels = b"" if input_spec is None else square(levels_HWC, input_spec).tobytes()
    *numbers, thumb, chroma = measure(levels_HWC, file)
    return [*numbers, hash_content(content)], pixels + thumb + chroma
