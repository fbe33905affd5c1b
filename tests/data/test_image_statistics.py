from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, strategies
from numpy.typing import NDArray

from striate.data import image_statistics
from striate.data.image_statistics import ImageStatistics, of_columns, spread

Columns = dict[str, NDArray[np.generic]]


def columns_of(count: int, seed: int = 0) -> Columns:
    rng = np.random.default_rng(seed)
    means_N3 = rng.uniform(0, 1, (count, 3))
    return {
        "gray_N": rng.integers(0, 2, count).astype(bool), "sizes_N2": rng.integers(1, 9000, (count, 2)).astype(np.int32),
        "means_N3": means_N3, "squares_N3": means_N3**2 + rng.uniform(0, 0.1, (count, 3)),
    }  # fmt: skip


def test_they_are_those_of_numpy():
    columns = columns_of(1001)
    total = of_columns(columns)
    assert total.images == 1001
    assert total.mean == pytest.approx(columns["means_N3"].mean(axis=0), abs=1e-13)
    variance = columns["squares_N3"].mean(axis=0) - columns["means_N3"].mean(axis=0) ** 2
    assert total.std == pytest.approx(np.sqrt(variance), abs=1e-12)
    assert spread(total.heights) == [
        columns["sizes_N2"][:, 0].min(), int(np.median(columns["sizes_N2"][:, 0])), columns["sizes_N2"][:, 0].max()
    ]  # fmt: skip


@given(strategies.lists(strategies.integers(1, 9), min_size=1, max_size=12))
def test_the_middle_is_the_median_rounded_down(sides: list[int]):
    sizes_N2 = np.array([(side, 1) for side in sides], np.int32)
    zeros = np.zeros((len(sides), 3))
    total = of_columns({"gray_N": zeros[:, 0].astype(bool), "sizes_N2": sizes_N2, "means_N3": zeros, "squares_N3": zeros})
    assert spread(total.heights) == [min(sides), int(np.median(sides)), max(sides)]


@given(strategies.data())
def test_any_parts_in_any_order_give_the_same(data: strategies.DataObject):
    columns = columns_of(60, data.draw(strategies.integers(0, 5)))
    order = np.array(data.draw(strategies.permutations(range(60))))
    cuts = sorted(data.draw(strategies.lists(strategies.integers(0, 60), max_size=8)))
    parts = [of_columns({name: column[rows] for name, column in columns.items()}) for rows in np.split(order, cuts)]
    assert reduce(add, parts, ImageStatistics()) == of_columns(columns)


def test_a_million_of_the_brightest_images_do_not_overflow(monkeypatch: pytest.MonkeyPatch):
    count = image_statistics._AT_ONCE + 5
    ones = np.broadcast_to(1.0, (count, 3))
    columns = {
        "gray_N": np.ones(count, bool), "sizes_N2": np.full((count, 2), 65_535, np.int32), "means_N3": ones, "squares_N3": ones
    }  # fmt: skip
    total = of_columns(columns)
    assert (total.mean, total.std, total.images) == ((1.0,), (0.0,), count)
