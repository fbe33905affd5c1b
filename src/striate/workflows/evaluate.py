"""A model on labeled images that it was not trained with.

Legend: N images, K classes of the model.
"""

import logging
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.config import Data
from striate.base.errors import DataError, nearest
from striate.data import decode, sources
from striate.data.examples import Examples, Part, Quarantined
from striate.model import Model

log = logging.getLogger("striate")

_BATCH = 64


class Found(NamedTuple):
    """Logits of the images that could be decoded, and those that could not."""

    labels_N: NDArray[np.int64]
    logits_NK: NDArray[np.float32]
    quarantined: tuple[Quarantined, ...]


def predict_examples(model: Model, data: Data, watch: Callable[[dict[str, Any]], None], views: int = 1) -> Found:
    """Logits of every labeled image of `data`; of its test part alone, where it has one.

    Classes are matched by name, whatever their order. Of 5 or 10 views the logits are logs of the mean probabilities.

    Raises:
        DataError: a class that the model does not know, or no image that can be decoded.
        SettingError: views that the model does not take.

    """
    input_spec = model.input_spec_for(views)
    examples = sources.read(data)
    tests = np.flatnonzero(examples.parts_N == Part.TEST)
    if len(tests):
        log.info("The %s test images of %s are used, not its training images.", f"{len(tests):,}", data.path)
        examples = examples.keep(tests)
    names = [model.aliases.get(name, name) for name in examples.classes]
    unknown = [name for name in names if name not in model.classes]
    if unknown:
        raise DataError(
            f"the model has no class {unknown[0]!r} ({len(unknown)} of the data's {len(examples.classes)} classes are "
            f"unknown to it); {nearest(unknown[0], model.classes)} Rename the class, or leave it out."
        )
    mapped_K = np.array([model.classes.index(name) for name in names])
    kept, bad = [], list(examples.quarantined)
    logits = [np.empty((0, len(model.classes)), np.float32)]
    images = enumerate(_images(examples, input_spec))
    while batch := list(islice(images, _BATCH)):
        good = [(position, found.pixels_HWC) for position, found in batch if found.pixels_HWC is not None]
        bad += [Quarantined(examples.names[at], found.reason or "") for at, found in batch if found.pixels_HWC is None]
        kept += [position for position, _ in good]
        if good:
            logits.append(model.logits(np.stack([pixels_HWC for _, pixels_HWC in good]), views))
        watch({"event": "predict", "done": batch[-1][0] + 1, "total": len(examples)})
    if not kept:
        raise DataError(f"none of the {len(examples)} images of {data.path} can be decoded; `striate data` says why.")
    labels_N = mapped_K[examples.labels_N[np.array(kept)]]
    return Found(labels_N, np.concatenate(logits), tuple(bad))


def _images(examples: Examples, input_spec: decode.InputSpec) -> Iterator[decode.Decoded]:
    if examples.pixels_NHWC is None:
        yield from decode.stream((examples.root / name for name in examples.names), input_spec)
        return
    for pixels_HWC in examples.pixels_NHWC:
        yield decode.Decoded(decode.square(pixels_HWC, input_spec), None, None)
