"""The search for near-duplicates in parts gives the pairs of the whole, however it is divided."""

import logging
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.base import shared_parts
from striate.data import cache_cleanup, duplicate_candidates, duplicates, near_duplicate_cache
from striate.data.duplicates import NearDuplicates
from striate.data.small_copies import SmallCopies

COUNT = 260


@pytest.fixture(scope="module")
def copies() -> SmallCopies:
    """Images of broad patterns, of which 30 have a brighter copy, turned now and then, and 40 are one image."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(30, 200, (COUNT, 6, 6)).astype(np.float64)
    smooth = np.stack([np.kron(image, np.ones((6, 6)))[2:34, 2:34] for image in coarse])
    for _ in range(3):
        smooth = (smooth + np.roll(smooth, 1, 1) + np.roll(smooth, 1, 2)) / 3
    thumbs = smooth.astype(np.uint8)
    for number in range(30):
        thumbs[200 + number] = np.rot90(thumbs[2 * number] + 9, number % 4)
    thumbs[100:140] = thumbs[100]
    order = rng.permutation(COUNT)
    return SmallCopies(thumbs[order], np.full((COUNT, 8, 8, 2), 128, np.uint8), np.full((COUNT, 2), 64, np.int32))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicate_candidates, "CHUNK", 16)
    monkeypatch.setattr(duplicates, "_CHUNKS_OF_A_PART", 3)
    monkeypatch.setattr(near_duplicate_cache, "_WORTH_KEEPING", 10)
    monkeypatch.setattr(near_duplicate_cache, "_AT_ONCE", 100)
    monkeypatch.setattr(near_duplicate_cache, "_WAIT_SECONDS", 0.02)
    monkeypatch.setattr(shared_parts, "_WAIT_SECONDS", 0.02)


def as_lists(pairs: NearDuplicates) -> tuple[list[list[int]], list[int]]:
    return pairs.pairs_P2.tolist(), pairs.alike_M.tolist()


@pytest.fixture
def expected(copies: SmallCopies) -> tuple[list[list[int]], list[int]]:
    whole = as_lists(duplicates.near_duplicates(copies))
    assert len(whole[0]) >= 25
    assert len(whole[1]) == 40
    return whole


@settings(deadline=None, max_examples=8, database=None)
@given(data=st.data())
def test_any_partition_in_any_order_gives_the_pairs_of_the_whole(copies: SmallCopies, data: st.DataObject):
    with pytest.MonkeyPatch.context() as patch:
        whole = as_lists(duplicates.near_duplicates(copies))
        patch.setattr(duplicates, "_CHUNKS_OF_A_PART", data.draw(st.integers(1, 40)))
        patch.setattr(duplicate_candidates, "_NOTED_AT_ONCE", data.draw(st.integers(1, 3000)))
        patch.setattr(duplicate_candidates, "_COSINES_AT_ONCE", data.draw(st.integers(1, 3000)))
        search = duplicates.Search(copies)
        order = data.draw(st.permutations(range(len(search.parts))))
        parts = [search.part(number) for number in order]
        assert as_lists(duplicates.join_parts(parts, COUNT)) == whole


def test_a_pair_is_left_out_only_where_an_image_is_alike_by_all_parts(copies: SmallCopies):
    """The 40 that are one image have others in every part, none of which has more than 16 of them."""
    search = duplicates.Search(copies)
    parts = [
        NearDuplicates(part.pairs_P2[number::7], part.alike_M[:0])
        for part in map(search.part, range(len(search.parts)))
        for number in range(7)
    ]
    assert as_lists(duplicates.join_parts(parts, COUNT))[1] == as_lists(duplicates.near_duplicates(copies))[1]


def entry(cache: Path) -> Iterator[Path]:
    return cache.glob(f"{near_duplicate_cache.FOLDER}/[!.]*/found.npz")


def search_noted(copies: SmallCopies, cache: Path, log: Path) -> None:
    part = duplicates.Search.part

    def noted(self: duplicates.Search, number: int) -> NearDuplicates:
        with log.open("a") as file:
            file.write(f"{number}\n")
        return part(self, number)

    duplicates.Search.part = noted  # type: ignore[method-assign]  # of a fork
    near_duplicate_cache.search(copies, cache, "photos")


def test_processes_that_search_together_search_each_part_once(
    copies: SmallCopies, expected: tuple[list[list[int]], list[int]], tmp_path: Path
):
    (tmp_path / "cache").mkdir()
    arguments = (copies, tmp_path / "cache", tmp_path / "log")
    processes = [get_context("fork").Process(target=search_noted, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    numbers = [int(line) for line in (tmp_path / "log").read_text().split()]
    assert sorted(numbers) == [*range(len(duplicates.Search(copies).parts))]
    assert len(numbers) > 5
    assert as_lists(near_duplicate_cache.search(copies, tmp_path / "cache", "photos")) == expected
    assert [row.state for row in cache_cleanup.list_cache(tmp_path / "cache").entries] == ["whole"]


def test_a_search_that_was_killed_goes_on_and_a_damaged_part_is_searched_anew(
    copies: SmallCopies, expected: tuple[list[list[int]], list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):  # fmt: skip
    part, done = duplicates.Search.part, list[int]()

    def stops(self: duplicates.Search, number: int) -> NearDuplicates:
        done.append(number)
        if done == [0, 1, 2, 3]:
            raise KeyboardInterrupt
        return part(self, number)

    monkeypatch.setattr(duplicates.Search, "part", stops)
    with pytest.raises(KeyboardInterrupt):
        near_duplicate_cache.search(copies, tmp_path, "photos")
    (left,) = (row for row in cache_cleanup.list_cache(tmp_path).entries if row.path.endswith(".parts"))
    assert left.state == "half-built"
    damaged = Path(left.path) / "000001" / "found.npz"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING, "striate"):
        assert as_lists(near_duplicate_cache.search(copies, tmp_path, "photos")) == expected
    assert "A part of the search for near-duplicates is damaged (" in caplog.text
    assert sorted(done) == sorted([*range(len(duplicates.Search(copies).parts)), 1, 3])
    (kept,) = entry(tmp_path)
    kept.write_bytes(b"")
    assert as_lists(near_duplicate_cache.search(copies, tmp_path, "photos")) == expected
