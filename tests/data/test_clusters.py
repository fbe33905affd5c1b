"""Clusters that are larger than a part, or not."""

from pathlib import Path

import numpy as np
import pytest

from striate.base.config import Data
from striate.base.hash_rng import words
from striate.data.examples import Examples, Part
from striate.data.examples_from_source import ids_of
from striate.data.split import divide


def in_groups(sizes: tuple[int, ...]) -> Examples:
    """Two classes, each with groups of these sizes."""
    total = sum(sizes)
    names = [f"{label}/{i}.png" for label in range(2) for i in range(total)]
    return Examples(
        root=Path(), names=tuple(names), labels_N=np.repeat([0, 1], total), classes=("0", "1"), ids_N=ids_of(names),
        parts_N=np.full(2 * total, Part.FREE, np.uint8), groups_N=np.repeat(np.arange(2 * len(sizes)), sizes * 2),
    )  # fmt: skip


def parts(examples: Examples, data: Data) -> list[set[int]]:
    split = divide(examples, np.arange(len(examples), dtype=np.uint64), data)
    return [set(part.tolist()) for part in (split.train_M, split.val_M, split.test_M)]


@pytest.mark.parametrize("sizes", [(100, *[1] * 20), (76, 37, 4, 3), (60, *[2] * 15, *[1] * 30), (90, 1, 1)])
def test_a_cluster_larger_than_its_share_is_trained_on(sizes: tuple[int, ...]):
    total = sum(sizes)
    for seed in range(5):
        train, val, test = parts(in_groups(sizes), Data(split_seed=seed))
        for first in (0, total):
            assert set(range(first, first + sizes[0])) <= train
            mine = set(range(first, first + total))
            assert 0 < len(test & mine) <= 0.4 * total
            assert val & mine


def test_a_pair_is_tested_on_where_one_image_is_wanted():
    tested = [len(parts(in_groups((2, 1, 1, 1, 1)), Data(split_seed=seed))[2]) for seed in range(20)]
    assert set(tested) == {2, 3, 4}  # a pair of both classes, of one, of none


def test_clusters_that_fit_are_cut_in_hash_order_whatever_their_size():
    sizes = (3, 1, 5, 2, 4, 1, 1, 6, 2, 5)  # the share is 6 of 30
    grouped = in_groups(sizes)
    hash_N = words(grouped.ids_N, "split", 0)
    test = parts(grouped, Data())[2]
    for first in (0, 10):
        members = [np.flatnonzero(grouped.groups_N == group) for group in range(first, first + 10)]
        members.sort(key=lambda rows_M: int(hash_N[rows_M].min()))
        expected: list[int] = []
        while len(expected) < 6:
            expected += members.pop(0).tolist()
        assert test & set(range(3 * first, 3 * first + 30)) == set(expected)
