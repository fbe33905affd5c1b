from pathlib import Path

import numpy as np
import pytest

from striate.data import cache_cleanup, duplicates, near_duplicate_cache
from striate.data.duplicates import NearDuplicates
from striate.data.small_copies import SmallCopies


@pytest.fixture
def images() -> SmallCopies:
    """Twelve blurred patterns, of which the last is the first one, brighter."""
    coarse = np.random.default_rng(0).integers(0, 200, (12, 8, 8), np.uint8)
    coarse[11] = coarse[0] + 20
    thumbs_NSS = coarse.repeat(4, axis=1).repeat(4, axis=2)
    return SmallCopies(thumbs_NSS, np.full((12, 8, 8, 2), 128, np.uint8), np.full((12, 2), 64, np.int32))


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of images of each search."""
    done, search = list[int](), duplicates.near_duplicates

    def counted(copies: SmallCopies, scratch: Path | None = None) -> NearDuplicates:
        done.append(len(copies.sizes_N2))
        return search(copies, scratch)

    monkeypatch.setattr(duplicates, "near_duplicates", counted)
    return done


def test_few_images_are_searched_each_time(images: SmallCopies, searches: list[int], tmp_path: Path):
    for _ in range(2):
        assert near_duplicate_cache.search(images, tmp_path, "photos").pairs_P2.tolist() == [[0, 11]]
    assert searches == [12, 12]
    assert list(tmp_path.iterdir()) == []


def test_of_many_images_the_pairs_are_kept(
    images: SmallCopies, searches: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(near_duplicate_cache, "_WORTH_KEEPING", 10)
    for _ in range(2):
        assert near_duplicate_cache.search(images, tmp_path, "photos").pairs_P2.tolist() == [[0, 11]]
    assert searches == [12]
    near_duplicate_cache.search(images.of(slice(11)), tmp_path, "photos")
    assert searches == [12, 11]
    entries = cache_cleanup.list_cache(tmp_path).entries
    assert {(entry.what, entry.data, entry.images, entry.state) for entry in entries} == {
        ("near-duplicates", "photos", 12, "whole"),
        ("near-duplicates", "photos", 11, "whole"),
    }
    assert len(cache_cleanup.clear(tmp_path).removed) == 2


def test_what_is_damaged_is_searched_anew(
    images: SmallCopies, searches: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(near_duplicate_cache, "_WORTH_KEEPING", 10)
    near_duplicate_cache.search(images, tmp_path, "photos")
    (kept,) = (tmp_path / near_duplicate_cache.FOLDER).glob("*/found.npz")
    kept.write_bytes(kept.read_bytes()[:-1])
    assert near_duplicate_cache.search(images, tmp_path, "photos").pairs_P2.tolist() == [[0, 11]]
    assert searches == [12, 12]


def test_a_cache_that_cannot_be_written_costs_time_alone(images: SmallCopies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(near_duplicate_cache, "_WORTH_KEEPING", 10)
    (tmp_path / "file").write_bytes(b"")
    assert near_duplicate_cache.search(images, tmp_path / "file", "photos").pairs_P2.tolist() == [[0, 11]]
