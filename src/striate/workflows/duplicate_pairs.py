"""Near-duplicates drawn side by side, those first that lie on two sides of the split or are of two classes.

Legend: N images.
"""

import logging
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.base.config import Data
from striate.base.events import Watch, progress
from striate.base.phrases import plural, printable
from striate.data.decode import InputSpec
from striate.data.examples import Examples, Part
from striate.data.pixel_cache import decode_examples
from striate.data.survey import Survey
from striate.plots import image_groups

log = logging.getLogger("striate")

_SIDE_PX, _GAP_PX, _LETTERS = 160, 6, 26
_PARTS = {Part.TRAIN: "training", Part.VAL: "validation", Part.TEST: "test"}
_NOTE = "Stored anew, resized, mirrored, turned, lightly cropped or brighter; of equal pixels, those of two classes alone."

Pairs = list[tuple[str, str]]


def draw(survey: Survey, examples: Examples, data: Data, path: Path, watch: Watch) -> str | None:
    """Draw pairs of a survey of these examples; the path, None where there is no pair to draw."""
    row_of = {name: row for row, name in enumerate(examples.names)}
    groups = _grouped(survey, examples, row_of)
    if not any(groups.values()):
        log.warning("There are no near-duplicates, so nothing is drawn.")
        return None
    shown = {kind: pairs[: image_groups.MOST] for kind, pairs in groups.items() if pairs}
    names = sorted({name for pairs in shown.values() for pair in pairs for name in pair})
    pixels = _pixels(examples.keep(np.array([row_of[name] for name in names], np.int64)), data, watch)
    drawn = []
    for kind, pairs in shown.items():
        tiles = [
            (_side_by_side(*(pixels[name] for name in pair)), "\n".join(_named(examples, row_of[name]) for name in pair))
            for pair in pairs
        ]
        whole = plural(len(groups[kind]), "pair")
        drawn.append(
            image_groups.Group(f"{kind}: {whole if len(groups[kind]) == len(pairs) else f'{len(pairs)} of {whole}'}", tiles)
        )
    image_groups.draw(f"Pairs in {survey.path}", _NOTE, drawn, path, side=2.0, across=4)
    return str(path)


def _grouped(survey: Survey, examples: Examples, row_of: dict[str, int]) -> dict[str, Pairs]:
    """Each pair in the first group that it belongs to."""
    groups: dict[str, Pairs] = {"On two sides of the split": [], "Of two classes": [], "Others": []}
    for equal, pairs in ((False, survey.near_duplicates), (True, survey.duplicates)):
        for first, second in pairs:
            a, b = row_of[first], row_of[second]
            parts = {int(examples.parts_N[a]), int(examples.parts_N[b])}
            if not equal and len(parts) == 2 and Part.FREE not in parts:
                groups["On two sides of the split"].append((first, second))
            elif examples.label_of(a) != examples.label_of(b):
                groups["Of two classes"].append((first, second))
            elif not equal:
                groups["Others"].append((first, second))
    return groups


def _pixels(examples: Examples, data: Data, watch: Watch) -> dict[str, NDArray[np.uint8]]:
    spec = InputSpec(_SIDE_PX, 3, "pad", data.background, white_level=data.white_level)
    report = progress(watch, "decode")
    with closing(decode_examples(examples, spec)) as decoded:
        images = {name: image.pixels_HWC for name, image in zip(examples.names, decoded, strict=True)}
    report(len(examples), len(examples))
    return {name: pixels_HWC for name, pixels_HWC in images.items() if pixels_HWC is not None}


def _side_by_side(first_HWC: NDArray[np.uint8], second_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    gap = np.full((_SIDE_PX, _GAP_PX, 3), 255, np.uint8)
    return np.concatenate([first_HWC, gap, second_HWC], axis=1)


def _named(examples: Examples, row: int) -> str:
    """The end of an image's path, and its part where the data come with one."""
    name, part = printable(examples.names[row]), _PARTS.get(Part(int(examples.parts_N[row])))
    short = name if len(name) <= _LETTERS else f"…{name[1 - _LETTERS :]}"
    return f"{short} ({part})" if part else short
