"""One image as people hold it in Python: an array, a tensor, an image of Pillow's, the bytes of a file, a path.

torch and the like are recognized by the names of their modules and never imported.

Legend: H x W pixels, C channels.
"""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from striate.base.errors import DecodeError
from striate.data import decode

TAKEN = (
    "a path, the bytes of a file, a file opened in binary, a PIL image, a dictionary of bytes and path, or an array or tensor "
    "of uint8 or of floats in [0, 1]"
)
_LEVEL_ERROR = {2: 0.2, 4: 0.01, 8: 0.01}  # by bytes of a float: how far k/255 may be from a level, of 255
_CHANNELS = (1, 3, 4)
_BYTES = {"bytes", "path"}
_ENDINGS = {
    b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"GIF8": ".gif", b"BM": ".bmp", b"RIFF": ".webp", b"II*\0": ".tif",
    b"MM\0*": ".tif",
}  # fmt: skip

# uint8 H x W x C with C = 1 or 3; an image of Pillow's of another kind; the bytes of a file; the absolute path of one
Plain = NDArray[np.uint8] | Image.Image | bytes | Path


def packages(thing: object) -> set[str]:
    """The packages that the type of a thing and its bases come from."""
    return {base.__module__.partition(".")[0] for base in type(thing).__mro__}


def is_missing(value: object) -> bool:
    """Whether this is None, NaN, or what pandas has for a missing value."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)


def is_array(thing: object) -> bool:
    """Whether this is an array, or a tensor of a package that gives its content as one."""
    return isinstance(thing, np.ndarray) or (hasattr(thing, "__array__") and hasattr(thing, "shape") and hasattr(thing, "ndim"))


def as_array(thing: Any) -> NDArray[Any]:
    """An array, or the content of a tensor, wherever it lies."""
    if "torch" in packages(thing):
        thing = thing.detach().cpu()
        thing = thing.float() if "bfloat16" in str(thing.dtype) else thing  # which numpy does not have
    return np.asarray(thing)


def plain(image: object) -> Plain:
    """An image of any kind that is taken; neither it nor the place in a file that is open is changed.

    Raises:
        DecodeError: it is no image, or its values are no levels of 8 bits.

    """
    if isinstance(image, str | os.PathLike):
        return Path(os.path.normpath(Path(os.fsdecode(image)).absolute()))
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if decode.is_pil(image):
        return _from_pillow(image)
    if isinstance(image, Mapping) and image.keys() <= _BYTES and (content := image.get("bytes") or image.get("path")):
        return plain(content)
    if is_array(image):
        return _from_array(as_array(image), channels_first="torch" in packages(image))
    if hasattr(image, "read") and hasattr(image, "seek"):
        return _from_file(image)
    raise DecodeError(f"expected {TAKEN}; got {type(image).__name__}.")


def _from_pillow(image: Image.Image) -> Plain:
    turned = ImageOps.exif_transpose(image)
    if turned.mode not in ("L", "RGB") or "transparency" in turned.info:
        return turned
    return from_values(np.array(turned).reshape(turned.height, turned.width, -1))


def _from_file(file: Any) -> bytes:
    place = file.tell()
    file.seek(0)
    content = file.read()
    file.seek(place)
    if not isinstance(content, bytes):
        raise DecodeError("expected a file opened in binary, as by open(path, 'rb'); got one opened as text.")
    return content


def _from_array(image: NDArray[Any], channels_first: bool) -> Plain:
    if image.ndim == 3 and image.shape[0] in _CHANNELS and (channels_first or image.shape[2] not in _CHANNELS):
        image = np.moveaxis(image, 0, 2)
    if image.ndim not in (2, 3) or not image.size or (image.ndim == 3 and image.shape[2] not in _CHANNELS):
        raise DecodeError(f"expected an array H x W, H x W x C or C x H x W with C = 1, 3 or 4; got the shape {image.shape}.")
    return from_values(image.reshape(*image.shape[:2], -1))


def from_values(image_HWC: NDArray[Any], exact: bool = True) -> NDArray[np.uint8] | Image.Image:
    """An image as levels of 8 bits; of uint16, or with transparent pixels, as an image of Pillow's.

    Args:
        image_HWC: with C = 1, 3 or 4, C = 1 of uint16.
        exact: refuse floats that are no levels, k / 255, in place of rounding them.

    """
    if image_HWC.dtype == np.uint16 and image_HWC.shape[2] == 1:
        return Image.fromarray(np.ascontiguousarray(image_HWC[..., 0]))
    levels_HWC = np.ascontiguousarray(_levels(image_HWC, exact))
    return Image.fromarray(levels_HWC) if levels_HWC.shape[2] == 4 else levels_HWC


def _levels(image: NDArray[Any], exact: bool) -> NDArray[np.uint8]:
    kind = image.dtype.kind
    if image.dtype == np.uint8:
        return image
    if kind == "b":
        return image.astype(np.uint8) * np.uint8(255)
    if kind not in "iuf" or image.dtype == np.uint16:
        raise DecodeError(f"expected uint8, whole numbers up to 255, floats in [0, 1], or gray of uint16; got {image.dtype}.")
    low, high = image.min(), image.max()
    if kind in "iu":
        if low < 0 or high > 255:
            raise DecodeError(f"expected whole numbers from 0 to 255; got {image.dtype} from {low} to {high}.")
        return image.astype(np.uint8)
    if np.isnan(low):
        count = int(np.isnan(image).sum())
        raise DecodeError(
            f"expected uint8, or floats in [0, 1]; {count:,} of {image.size:,} are NaN. Leave the image out, or fill them."
        )
    if not (low >= 0 and high <= 1):
        raise DecodeError(
            f"expected uint8, or floats in [0, 1]; got {image.dtype} from {low:.4g} to {high:.4g}. Scale them to 0..255 and "
            "convert: images.astype('uint8'); where they were normalized, give them as they were before."
        )
    scaled = image.astype(np.float64) * 255
    levels = np.rint(scaled)
    if exact and (farthest := float(np.abs(scaled - levels).max())) > _LEVEL_ERROR.get(image.dtype.itemsize, 0.01):
        raise DecodeError(
            f"expected floats in [0, 1] that are levels of 8 bits, k / 255; got {image.dtype} up to {farthest:.2f} levels "
            "away. Give the images as they were before they were resized or normalized, or round them: "
            "(images * 255).round().astype('uint8')."
        )
    return levels.astype(np.uint8)


def content(image: Plain) -> list[bytes]:
    """What an image consists of, for a hash: equal for equal images, whatever version of a library would write them."""
    if isinstance(image, Path):
        return [b"path", os.fsencode(image)]
    if isinstance(image, bytes):
        return [b"file", image]
    if isinstance(image, np.ndarray):
        return [repr(image.shape).encode(), image.tobytes()]
    facts = (image.mode, image.size, image.getpalette(), image.info.get("transparency"))
    return [repr(facts).encode(), image.tobytes()]


def as_file(image: Plain) -> tuple[bytes, str]:
    """The bytes of a file without loss, and its ending; those of a file stay as they are."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    if isinstance(image, Image.Image):
        buffer = io.BytesIO()
        if image.mode in ("L", "RGB", "RGBA"):
            image.save(buffer, "PNG", compress_level=1)
            return buffer.getvalue(), ".png"
        image = decode.as_file(image)
    assert isinstance(image, bytes)
    return image, next((ending for start, ending in _ENDINGS.items() if image.startswith(start)), "")
