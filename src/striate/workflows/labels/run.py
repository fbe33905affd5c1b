"""`striate labels`: which labels are probably wrong.

Each image is judged by a logistic regression that has learned from the other four fifths of the images, on features that no
label of these images has had a part in; see `metrics/label_errors.py` for what follows from the probabilities.

Legend: N images, S suspects, K classes, F folds.
"""

import csv
import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import files
from striate.base.arguments import named_arguments
from striate.base.events import Json, Watch, progress, quiet
from striate.base.phrases import printable
from striate.base.signals import catch_signals
from striate.base.wall_clock import counting, measured
from striate.data import in_memory, sources, split
from striate.metrics import label_errors
from striate.metrics.label_errors import LabelErrors
from striate.training.transfer import out_of_fold
from striate.workflows.labels import check, page
from striate.workflows.labels.features import ImageFeatures, of_images

FOLDS = 5
COLUMNS = ("rank", "path", "label", "new_label", "probability", "label_probability", "part")  # of the table of suspects


class Judged(NamedTuple):
    """Labels, judged."""

    errors: LabelErrors  # of the images at `places_N`
    places_N: NDArray[np.int64]  # of the judged images among those with features
    probabilities_NK: NDArray[np.float64]  # of the judged images


@named_arguments(section="data")
@counting()
@sources.listed_once
def find_label_errors(
    data: str | Path | Any = None, settings: Mapping[str, Any] | None = None, watch: Watch = quiet, *, labels: Any = None,
    most: int | None = None, out: str | Path | None = None, html: str | Path | None = None,
) -> Json:  # fmt: skip
    """Find labels that are probably wrong; no file of the data is changed.

    Args:
        data: a folder, a table, or digits, mnist, fashion-mnist, cifar10; images in memory; or a run, for its images.
        settings: of section [data], as in `{"group": "patient"}`.
        watch: called with progress.
        labels: one for each image, where they are not in `data`.
        most: suspects to list; else as many as labels are estimated to be wrong.
        out: write the suspects as a table, .csv, which `data.relabel` and `data.exclude` read.
        html: write the suspects as images, each beside the nearest images of both classes, on a page, .html.

    Returns:
        data, images (that were judged), not_judged, estimated (number of wrong labels), accuracy (of the judging
        classifier), features, suspects [{rank, path, label, suggested, probability, label_probability, part}], out, html.

    """
    section = check.check(in_memory.stored(data, labels, watch=watch), out, html, most, settings)
    with catch_signals() as stop, of_images(section, stop, watch) as images:
        judged = judge(images, images.dataset.examples.labels_N[images.rows_N], partial(_report, watch, stop))
        suspects = _suspects(images, judged, most)
        accuracy = 1 - len(judged.errors.rows_S) / max(1, len(judged.places_N))
        result = {
            "data": section.path, "images": len(judged.places_N), "not_judged": len(images.rows_N) - len(judged.places_N),
            "estimated": judged.errors.estimated, "accuracy": round(accuracy, 4), "features": images.name,
            "suspects": suspects, "out": None if out is None else str(out), "html": None if html is None else str(html),
        }  # fmt: skip
        if out is not None:
            files.write_text(Path(out), _table(suspects))
        if html is not None:
            places = judged.places_N[judged.errors.rows_S[: len(suspects)]]
            files.write_text(Path(html), page.render(images, judged.errors, places, result))
    plain: Json = printable(result)
    return plain | measured(len(images.rows_N))


def judge(images: ImageFeatures, labels_N: NDArray[np.int64], tick: Any = lambda _done, _total: None) -> Judged:
    """Judge the labels; an image is left out where no image of its class lies in another fold, as of a class of one group."""
    examples, hashes_N = images.dataset.examples.keep(images.rows_N), images.dataset.stored.pixel_hash_N[images.rows_N]
    fold_N, classes = split.folds_of(examples, hashes_N, FOLDS), len(examples.classes)
    shares_NK = out_of_fold.probabilities(images.values_ND, labels_N, fold_N, classes, tick)
    counts_FK = np.zeros((FOLDS, classes), np.int64)
    np.add.at(counts_FK, (fold_N, labels_N), 1)
    places_N = np.flatnonzero((counts_FK.sum(axis=0) - counts_FK)[fold_N, labels_N] > 0)
    return Judged(label_errors.find(shares_NK[places_N], labels_N[places_N]), places_N, shares_NK[places_N])


def _report(watch: Watch, stop: Any, done: int, total: int) -> None:
    progress(watch, "fit", lambda: stop.check("fitting classifiers"))(done, total)


def _suspects(images: ImageFeatures, judged: Judged, most: int | None) -> list[Json]:
    """The most suspicious labels, as entries of the result."""
    errors, examples, parts = judged.errors, images.dataset.examples, images.dataset.parts
    count = errors.estimated if most is None else most
    part_of = {"train": parts.train_M, "val": parts.val_M, "test": parts.test_M}
    suspects = []
    for rank, (place, suggested, confidence) in enumerate(
        zip(*(column[:count].tolist() for column in errors[:3]), strict=True)
    ):
        row = int(images.rows_N[judged.places_N[place]])
        suspects.append(
            {
                "rank": rank + 1, "path": examples.names[row], "label": examples.classes[examples.labels_N[row]],
                "suggested": examples.classes[suggested],
                "probability": round(float(judged.probabilities_NK[place, suggested]), 4),
                "label_probability": round(confidence, 4),
                "part": next(name for name, rows_M in part_of.items() if row in rows_M),
            }
        )  # fmt: skip
    return suspects


def _table(suspects: list[Json]) -> str:
    """The suspects as CSV; the suggestion is the column `new_label`, which is to be read before it is given back."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in suspects:
        writer.writerow([row["suggested" if name == "new_label" else name] for name in COLUMNS])
    return str(printable(text.getvalue()))
