from pathlib import Path

import numpy as np

from striate.base.config import Data
from striate.data import label_counts, split
from striate.data.examples import Examples, Part
from striate.data.examples_from_source import ids_of


def examples(labels_NK: np.ndarray) -> Examples:
    names = [f"{number}.png" for number in range(len(labels_NK))]
    return Examples(
        root=Path(), names=tuple(names), labels_N=labels_NK, classes=tuple("abcdef"[: labels_NK.shape[1]]),
        ids_N=ids_of(names), parts_N=np.full(len(names), Part.FREE, np.uint8),
    )  # fmt: skip


def test_the_counts_by_hand():
    described = label_counts.describe(examples(np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 0, 0]])))
    assert described == (
        "1.50 labels an image on average, at most 3, 1 image without any, in 4 different sets; the rarest label is c, of "
        "1 image."
    )
    assert label_counts.facts(examples(np.array([[1, 0], [1, 1]]))) == {
        "images": 2, "mean": 1.5, "most": 2, "without": 0, "sets": 2,
    }  # fmt: skip


def test_the_split_is_stratified_by_label_and_keeps_equal_images_together():
    rng = np.random.default_rng(0)
    data = examples((rng.random((200, 4)) < (0.5, 0.3, 0.1, 0.03)).astype(np.int64))
    hashes = np.arange(200, dtype=np.uint64)
    hashes[[10, 20, 30]] = 10
    parts = split.divide(data, hashes, Data(multi_label=True))
    counts = [data.count(rows) for rows in (parts.train_M, parts.val_M, parts.test_M)]
    assert sorted(np.concatenate([parts.train_M, parts.val_M, parts.test_M]).tolist()) == list(range(200))
    assert all((count >= 1).all() for count in counts)
    assert np.abs(counts[2] - 0.2 * sum(counts)).max() <= 1.5
    assert sum({10, 20, 30} <= {*rows.tolist()} for rows in (parts.train_M, parts.val_M, parts.test_M)) == 1
    again = split.divide(data, hashes, Data(multi_label=True))
    assert again.test_M.tolist() == parts.test_M.tolist()
