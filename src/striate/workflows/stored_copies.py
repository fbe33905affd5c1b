"""`small-copies.npz` of a run: small copies of the images that it learns from, by which near-duplicates are known later.

It is left out where they would be too many, where near-duplicates are not looked for, and where images are alike by nature.

Legend: M images.
"""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.base import run_record
from striate.data import duplicates, near_duplicate_notes
from striate.data.small_copies import SmallCopies
from striate.workflows.dataset import Dataset

FILE = "small-copies.npz"
_MOST = 20_000  # images, each 1.2 kilobytes


def add(folder: Path, dataset: Dataset, near_duplicates: bool) -> None:
    """Write the small copies of the training and validation images of a run, of equal images one."""
    stored, rows_M = dataset.stored, np.concatenate([dataset.parts.train_M, dataset.parts.val_M])
    rows_M = rows_M[np.unique(stored.pixel_hash_N[rows_M], return_index=True)[1]]
    rows_M = rows_M[duplicates.comparable(stored.small_copies.of(rows_M))]
    if not near_duplicates or not 0 < len(rows_M) <= _MOST:
        return
    if near_duplicate_notes.alike_by_nature(stored.near, len(dataset.examples)):
        return
    content = io.BytesIO()
    thumbs_MSS, chroma_MQQ2, sizes_M2 = stored.small_copies.of(rows_M)
    np.savez(content, thumbs_MSS=thumbs_MSS, chroma_MQQ2=chroma_MQQ2, sizes_M2=sizes_M2)
    run_record.add(folder, {FILE: content.getvalue()})


def read(folder: Path) -> SmallCopies | None:
    """The small copies of a run; None where it has none."""
    content = run_record.content(folder, FILE)
    if content is None:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return SmallCopies(arrays["thumbs_MSS"], arrays["chroma_MQQ2"], arrays["sizes_M2"])


def near_to(learned: SmallCopies, tested: SmallCopies) -> NDArray[np.bool_]:
    """Which of the tested images are nearly equal to one that was learned from."""
    both = learned.joined(tested)
    pairs_P2, count = duplicates.near_duplicates(both).pairs_P2, len(learned.sizes_N2)
    across_P = (pairs_P2[:, 0] < count) & (pairs_P2[:, 1] >= count)  # the first of a pair is the smaller position
    near_M = np.zeros(len(tested.sizes_N2), bool)
    near_M[pairs_P2[across_P, 1] - count] = True
    return near_M
