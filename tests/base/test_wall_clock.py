"""The time of a command, by a clock that the test turns."""

import pytest

from striate.base import wall_clock
from striate.base.wall_clock import counting, elapsed, measured


def test_blocks_count_from_where_the_outermost_began(monkeypatch: pytest.MonkeyPatch):
    now = [100.0]
    monkeypatch.setattr(wall_clock.time, "monotonic", lambda: now[0])
    assert elapsed() == 0
    with counting():
        now[0] = 103.0
        with counting():
            now[0] = 108.0
            assert elapsed() == 8
            assert measured(400) == {"wall_seconds": 8.0, "images_per_second": 50.0}
        now[0] = 110.0
        assert elapsed() == 10
        assert measured(0) == measured(None) == {"wall_seconds": 10.0, "images_per_second": None}
    assert elapsed() == 0


def test_a_block_that_fails_counts_no_longer():
    with pytest.raises(ValueError, match="wrong"), counting():
        raise ValueError("wrong")
    assert elapsed() == 0
