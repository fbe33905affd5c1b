"""`striate evaluate`: a model on labeled images that it was not trained with.

Legend: N images, K classes of the model.
"""

import logging
import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import config, run_folder, run_record
from striate.base.arguments import named_arguments
from striate.base.config import Data
from striate.base.errors import DataError, nearest
from striate.base.events import Json, Watch, progress, quiet
from striate.base.wall_clock import counting, measured
from striate.data import in_memory, sources
from striate.data.examples import Part, Quarantined
from striate.data.pixel_cache import decode_examples
from striate.metrics.classification import summary
from striate.model import Model
from striate.workflows.checks import check_evaluation, is_external
from striate.workflows.load_model import load

log = logging.getLogger("striate")

_BATCH = 64


@named_arguments(section="data")
@counting()
def evaluate(
    run: str | Path, data: str | Path | Any = None, settings: Mapping[str, Any] | None = None, watch: Watch = quiet, *,
    labels: Any = None, crops: int = 1,
) -> Json:  # fmt: skip
    """How good a model is: accuracy with its interval, top-5, per class, confusion matrix, calibration.

    Args:
        run: a run by name or folder, a model's folder or `NET@WEIGHTS` (which need `data`).
        data: labeled images to test on, as for `train`; None for the run's own test images, whose stored predictions are used.
        settings: of section [data] for `data`.
        watch: called with progress.
        labels: one for each image, where they are not in `data`.
        crops: of each image of `data`, whose probabilities are averaged: 5 crops, or 10 with their mirror images.

    """
    data = in_memory.stored(data, labels, watch=watch)
    stored = data is None
    with sources.listed_once():
        check_evaluation(run, data, settings, crops)
        if data is None:
            run, data, tested = _stored(run)
            model = load(run)
        else:
            model = load(run)
            tested = predict_examples(model, config.data_section(data, settings), watch, crops)
    if not stored and not tested.is_test_part and _is_data_of(run, data):
        log.warning(
            "The model learned from %s, so this score says little of new images; `striate evaluate %s` scores its test "
            "images alone.", data, run,
        )  # fmt: skip
    quarantined = [bad._asdict() for bad in tested.quarantined]
    took = measured(None if stored else len(tested.labels_N))
    scores = summary(tested.logits_NK, tested.labels_N, model.classes).as_json()
    return {"run": str(run), "data": str(data), "quarantined": quarantined, "crops": crops, **scores, **took}


def _stored(run: str | Path) -> tuple[Path, str, "LabeledLogits"]:
    """The folder of a run, the name of its data, and the predictions for its test images that lie in the folder."""
    folder = run_folder.find(run)
    if (folder / "result.json").is_file():
        run_record.refuse_missing(folder)
    _, labels_N, logits_NK = run_folder.load_predictions(folder / "predictions-test.npz")
    return folder, run_folder.settings(folder).data.path, LabeledLogits(labels_N, logits_NK, ())


def _is_data_of(run: str | Path, data: str | Path) -> bool:
    """Whether this is what a run took its training images from."""
    if is_external(run) or not ((folder := run_folder.find(run)) / "run.toml").is_file():
        return False
    own = run_folder.settings(folder).data.path
    return os.path.realpath(own) == os.path.realpath(data)


class LabeledLogits(NamedTuple):
    """Logits of the images that could be decoded, and those that could not."""

    labels_N: NDArray[np.int64]
    logits_NK: NDArray[np.float32]
    quarantined: tuple[Quarantined, ...]
    is_test_part: bool = False  # of data that is divided, its test images alone


def predict_examples(model: Model, data: Data, watch: Watch, crops: int = 1) -> LabeledLogits:
    """Logits of every labeled image of `data`; of its test part alone, where it has one; classes are matched by name.

    Of 5 or 10 crops the logits are logs of the mean probabilities.
    """
    input_spec = model.input_spec_for(crops)
    examples = sources.read(data)
    for note in examples.notes:
        log.info("%s", note)
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
    report, rows = progress(watch, "predict"), list[int]()
    bad, logits, images = list(examples.quarantined), [], enumerate(decode_examples(examples, input_spec))
    while batch := list(islice(images, _BATCH)):
        good = [(row, image.pixels_HWC) for row, image in batch if image.pixels_HWC is not None]
        bad += [Quarantined(examples.names[row], image.reason or "") for row, image in batch if image.pixels_HWC is None]
        rows += [row for row, _ in good]
        if good:
            logits.append(model.logits(np.stack([pixels_HWC for _, pixels_HWC in good]), crops))
        report(batch[-1][0] + 1, len(examples))
    if not rows:
        raise DataError(f"none of the {len(examples)} images of {data.path} can be decoded; `striate data` says why.")
    return LabeledLogits(mapped_K[examples.labels_N[rows]], np.concatenate(logits), tuple(bad), bool(len(tests)))
