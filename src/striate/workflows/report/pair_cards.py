"""Near-duplicates of a run side by side, for its report: those first that lie on two sides of the split.

Legend: H x W pixels, C channels.
"""

from typing import NamedTuple

import numpy as np

from striate.base.events import Json
from striate.base.phrases import printable
from striate.workflows.dataset import Dataset
from striate.workflows.report import page

MOST = 8
_PARTS = ("training", "validation", "test")


class PairCards(NamedTuple):
    """At most eight pairs, as report.json has them, and their images as the page has them."""

    rows: list[Json]
    drawn: list[Json]


def of_run(dataset: Dataset) -> PairCards:
    """The pairs of near-duplicates that the split of a run knows of."""
    names, parts = dataset.examples.names, dataset.parts
    row_of = {name: row for row, name in enumerate(names)} if parts.near_duplicates else {}
    part_N = np.full(len(names), -1, np.int64)
    for number, rows_M in enumerate((parts.train_M, parts.val_M, parts.test_M)):
        part_N[rows_M] = number
    pairs = [(row_of[first], row_of[second]) for first, second in parts.near_duplicates]
    pairs = sorted(
        (pair for pair in pairs if min(part_N[list(pair)]) >= 0), key=lambda pair: part_N[pair[0]] == part_N[pair[1]]
    )
    rows, drawn = [], []
    for pair in pairs[:MOST]:
        rows.append({"paths": [printable(names[row]) for row in pair], "parts": [_PARTS[part_N[row]] for row in pair]})
        images = dataset.stored.pixels_NHWC[np.array(pair)]
        drawn.append({"images": [page.data_uri(image_HWC) for image_HWC in images], "kind": page.kind_of(images[0])})
    return PairCards(rows, drawn)
