"""`gray-copies.npz` of a run: small gray copies of the images that it learns from, by which near-duplicates are known later.

It is left out where they would be too many, where near-duplicates are not looked for, and where images are alike by nature.

Legend: M images, S = 32 pixels.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import run_record
from striate.data import duplicates, near_duplicate_notes
from striate.data.image_facts import THUMB_PX, Facts
from striate.workflows.dataset import Dataset

FILE = "gray-copies.npz"
_MOST = 20_000  # images, each a kilobyte


class GrayCopies(NamedTuple):
    """Images as near-duplicates are looked for."""

    thumbs_MSS: NDArray[np.uint8]
    sizes_M2: NDArray[np.int32]  # height and width of the originals

    def of(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "GrayCopies":
        """Some of them."""
        return GrayCopies(self.thumbs_MSS[chosen], self.sizes_M2[chosen])


def of_facts(facts: Sequence[Facts]) -> GrayCopies:
    """Those of images that were decoded."""
    thumbs_MSS = np.frombuffer(b"".join(each.thumb for each in facts), np.uint8).reshape(-1, THUMB_PX, THUMB_PX)
    return GrayCopies(thumbs_MSS, np.array([(each.height, each.width) for each in facts], np.int32).reshape(-1, 2))


def add(folder: Path, dataset: Dataset, near_duplicates: bool) -> None:
    """Write the gray copies of the training and validation images of a run, of equal images one."""
    stored, rows_M = dataset.stored, np.concatenate([dataset.parts.train_M, dataset.parts.val_M])
    rows_M = rows_M[np.unique(stored.pixel_hash_N[rows_M], return_index=True)[1]]
    rows_M = rows_M[duplicates.comparable(stored.thumbs_NSS[rows_M], stored.sizes_N2[rows_M])]
    if not near_duplicates or not 0 < len(rows_M) <= _MOST:
        return
    if near_duplicate_notes.alike_by_nature(stored.near, len(dataset.examples)):
        return
    content = io.BytesIO()
    np.savez(content, thumbs_MSS=stored.thumbs_NSS[rows_M], sizes_M2=stored.sizes_N2[rows_M])
    run_record.add(folder, {FILE: content.getvalue()})


def read(folder: Path) -> GrayCopies | None:
    """The gray copies of a run; None where it has none."""
    content = run_record.content(folder, FILE)
    if content is None:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return GrayCopies(arrays["thumbs_MSS"], arrays["sizes_M2"])


def near_to(learned: GrayCopies, tested: GrayCopies) -> NDArray[np.bool_]:
    """Which of the tested images are nearly equal to one that was learned from."""
    thumbs = np.concatenate([learned.thumbs_MSS, tested.thumbs_MSS])
    pairs_P2 = duplicates.near_duplicates(thumbs, np.concatenate([learned.sizes_M2, tested.sizes_M2])).pairs_P2
    count = len(learned.thumbs_MSS)
    across_P = (pairs_P2[:, 0] < count) & (pairs_P2[:, 1] >= count)  # the first of a pair is the smaller position
    near_M = np.zeros(len(tested.thumbs_MSS), bool)
    near_M[pairs_P2[across_P, 1] - count] = True
    return near_M
