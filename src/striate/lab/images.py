"""Images that a page has sent, or that come with the packages: kept as their bytes, decoded in a child process."""

import hashlib
import json
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from striate.base.errors import DecodeError, SettingError
from striate.data.decode import InputSpec
from striate.data.image_facts import Pixels
from striate.workflows.serve.decoders import Decoders

SAMPLES = {"china": "china.jpg", "flower": "flower.jpg"}  # of scikit-learn: photographs under CC BY
_MOST, _MOST_BYTES = 50, 200 * 2**20
_KEPT_PIXELS = 8
LESSON_PX = 224
_LESSON = InputSpec(LESSON_PX, 3, "crop")


class Images:
    """The latest images by an id, which is of their bytes; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._contents: OrderedDict[str, bytes] = OrderedDict()
        self._pixels: OrderedDict[str, Pixels] = OrderedDict()
        self._decoders: Decoders | None = None

    def add(self, content: bytes) -> str:
        """Keep an image; its id."""
        name = hashlib.sha256(content).hexdigest()[:16]
        self._contents[name] = content
        self._contents.move_to_end(name)
        while len(self._contents) > _MOST or sum(map(len, self._contents.values())) > _MOST_BYTES:
            self._contents.popitem(last=False)
        return name

    def content(self, name: str) -> bytes:
        """The bytes of a sample, of `digit-0` to `digit-9`, or of an image that was sent. SettingError: it is there no more."""
        if name in SAMPLES:
            return _sample(SAMPLES[name])
        if name.startswith("digit-"):
            return _digit(name)
        if name not in self._contents:
            raise SettingError("expected an image; that one is not here any more. Choose it again.")
        return self._contents[name]

    async def decode(self, name: str, spec: InputSpec = _LESSON) -> Pixels:
        """The pixels of an image, H x W x C, as a network with this input is given them; DecodeError where it is none."""
        key = json.dumps([name, *spec])
        if key not in self._pixels:
            if self._decoders is None:
                self._decoders = Decoders(1)
            try:
                self._pixels[key] = await self._decoders.decode(self.content(name), spec)
            except DecodeError as error:
                raise DecodeError(f"The image is refused: {error}.") from error
            while len(self._pixels) > _KEPT_PIXELS:
                self._pixels.popitem(last=False)
        self._pixels.move_to_end(key)
        return self._pixels[key]

    def close(self) -> None:
        """End the process that decodes."""
        if self._decoders is not None:
            self._decoders.close()


def _sample(name: str) -> bytes:
    package = find_spec("sklearn")
    assert package is not None
    assert package.submodule_search_locations is not None
    return (Path(package.submodule_search_locations[0]) / "datasets" / "images" / name).read_bytes()


def _digit(name: str) -> bytes:
    import numpy as np
    from PIL import Image

    from striate.data.decode import as_file

    return as_file(Image.fromarray(np.array(drawing(name, 28), np.uint8)))


def drawing(sample: str, side: int) -> list[list[int]]:
    """Rows of gray levels for a drawing of this side: `digit-0` to `digit-9` scanned, `stroke-0` to `stroke-9` of thin lines.

    SettingError for another name.
    """
    kind, _, digit = sample.partition("-")
    if kind not in _DIGITS or digit not in "0123456789" or len(digit) != 1 or not 4 <= side <= 64:
        raise SettingError(
            f"expected a drawing of digit-0 to digit-9, or stroke-0 to stroke-9, with 4 to 64 pixels a side; got "
            f"{sample[:20]!r}, {side}."
        )
    rows: list[list[int]] = _DIGITS[kind](int(digit), side).tolist()
    return rows


def _scanned(digit: int, side: int) -> Pixels:
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    return enlarged(digits.images[int(np.argmax(digits.target == digit))], side)


def enlarged(scan_88: NDArray[Any], side: int) -> Pixels:
    """A scan of scikit-learn's digits, of levels 0 to 16, as gray levels with this side."""
    import numpy as np
    from PIL import Image

    levels_88 = (scan_88 * 255 / 16).round().astype(np.uint8)
    return np.asarray(Image.fromarray(levels_88).resize((side, side), Image.Resampling.BICUBIC))


def _strokes(digit: int, side: int) -> Pixels:
    from striate.history.neocognitron.digits import OTHERS
    from striate.history.neocognitron.net import DESIGN_1988
    from striate.history.neocognitron.strokes import Stroke, render

    scale = side / DESIGN_1988.size_px
    strokes = (Stroke(tuple((x * scale, y * scale) for x, y in stroke.points), stroke.smooth) for stroke in OTHERS[digit])
    levels: Pixels = (255 * render(strokes, side)).byte().numpy()
    return levels


_DIGITS = {"digit": _scanned, "stroke": _strokes}
