"""Pixels that are not kept: the same bytes as from the store, whoever decodes them, and no process left behind."""

import logging
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from striate.base.child_process import Answer
from striate.base.errors import DataError
from striate.data import builtin_datasets, decode, folders, pixel_cache
from striate.data.decode import InputSpec
from striate.data.on_the_fly import DecodedOnTheFly, in_chunks, read
from support import forked_children
from support.shape_images import make_folder

pytestmark = pytest.mark.children


@pytest.fixture(autouse=True)
def begun_as_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    forked_children.forked_children(monkeypatch)


LOOK = InputSpec(10, 3, "crop", background=(10, 20, 30))


def children() -> list[str]:
    decoders = [str(process) for process in sorted(forked_children.ALIVE)]
    return decoders + [thread.name for thread in threading.enumerate() if thread.name.startswith("reader of child")]


def paint(path: Path, size: tuple[int, int], mode: str = "RGB") -> None:
    levels = np.random.default_rng(list(size)).integers(0, 256, (size[1], size[0], len(mode)), np.uint8)
    Image.fromarray(levels if len(mode) > 1 else levels[..., 0], mode).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = make_folder(tmp_path / "photos", each=4)
    paint(root / "circle" / "clear.png", (30, 20), "RGBA")
    paint(root / "square" / "gray.png", (12, 44), "L")
    paint(root / "square" / "wide.jpg", (90, 20))
    (root / "square" / "bad.png").write_bytes(b"no image")
    return root


@pytest.fixture
def kept(photos: Path, tmp_path: Path) -> pixel_cache.CachedPixels:
    return pixel_cache.build(folders.read(photos), LOOK, tmp_path / "kept")


def streamed(photos: Path, cache: Path, workers: int = 2) -> pixel_cache.CachedPixels:
    return pixel_cache.build(folders.read(photos), LOOK, cache, most_bytes=0, workers=workers)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_all_that_is_known_and_every_pixel_is_as_in_the_store(
    photos: Path, kept: pixel_cache.CachedPixels, tmp_path: Path, workers: int
):
    found = streamed(photos, tmp_path / "cache", workers)
    assert isinstance(found.pixels_NHWC, DecodedOnTheFly)
    assert (len(found.pixels_NHWC), found.pixels_NHWC.shape) == (15, (15, 10, 10, 3))
    assert not list(tmp_path.glob("cache/**/pixels.npy"))
    assert found.examples.names == kept.examples.names
    assert [bad.path for bad in found.examples.quarantined] == ["square/bad.png"]
    for column in ("sizes_N2", "gray_N", "pixel_hash_N", "means_N3", "squares_N3"):
        assert np.array_equal(getattr(found, column), getattr(kept, column))
    rows = np.array([14, 3, 3, 0, 7, 12, 1, 2, 4, 5, 6, 8, 9, 10, 11, 13])
    assert np.array_equal(found.pixels_NHWC[rows], kept.pixels_NHWC[rows])
    assert children() == []


def test_facts_are_kept_and_it_is_said_each_time(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    first = streamed(photos, tmp_path / "cache")
    assert (
        "The pixels of 16 images need 4.8e-06 GB at this size, and 0 GB may be kept "
        "(preprocess.pixel_cache_gb), so they are not: each "
        "epoch decodes them anew, ahead of the training, with 2 workers. The first time it was "
    ) in caplog.text
    assert caplog.text.rstrip().endswith("images a second with 2.")
    caplog.clear()
    monkeypatch.setattr(decode, "stream", None)
    again = streamed(photos, tmp_path / "cache")
    assert "epoch decodes them anew" in caplog.text
    assert np.array_equal(again.pixel_hash_N, first.pixel_hash_N)


def test_a_store_that_is_there_is_used_whatever_the_budget(photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    pixel_cache.build(folders.read(photos), LOOK, tmp_path / "kept")
    with caplog.at_level(logging.INFO, "striate"):
        assert isinstance(streamed(photos, tmp_path / "kept").pixels_NHWC, np.memmap)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("asked", "free", "most"), [(None, 10**12, 50 * 10**9), (None, 10**9, 5 * 10**8), (2.5, 10, 25 * 10**8)]
)
def test_the_budget(asked: float | None, free: int, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pixel_cache.shutil, "disk_usage", lambda _path: pixel_cache.shutil._ntuple_diskusage(10**13, 0, free))
    assert pixel_cache.pixel_budget(asked, tmp_path / "not" / "yet" / "there") == most


def test_just_as_many_bytes_as_allowed_are_kept(photos: Path, tmp_path: Path):
    needed = 16 * 10 * 10 * 3
    examples = folders.read(photos)
    assert isinstance(pixel_cache.build(examples, LOOK, tmp_path / "a", most_bytes=needed - 1).pixels_NHWC, DecodedOnTheFly)
    assert isinstance(pixel_cache.build(examples, LOOK, tmp_path / "b", most_bytes=needed).pixels_NHWC, np.memmap)


def test_an_array_of_another_size_is_brought_to_it_each_time(tmp_path: Path):
    digits = builtin_datasets.read("digits", None).keep(np.arange(30))
    input_spec = InputSpec(12, 3, "squash")
    kept = pixel_cache.build(digits, input_spec, tmp_path / "kept").pixels_NHWC
    found = pixel_cache.build(digits, input_spec, tmp_path / "cache", most_bytes=0).pixels_NHWC
    assert isinstance(found, DecodedOnTheFly)
    rows = np.array([7, 29, 7])
    assert np.array_equal(found[rows], kept[rows])
    assert found[rows[:0]].shape == (0, 12, 12, 3)


@settings(max_examples=6, deadline=None)
@given(groups=st.lists(st.lists(st.integers(0, 14), max_size=5), max_size=6), ahead=st.integers(1, 40))
def test_groups_come_as_they_were_asked_for_the_empty_ones_too(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[int]], ahead: int
):
    root = tmp_path_factory.getbasetemp() / "law"
    if not root.exists():
        make_folder(root / "photos", each=5)
    kept = pixel_cache.build(folders.read(root / "photos"), LOOK, root / "kept").pixels_NHWC
    found = pixel_cache.build(folders.read(root / "photos"), LOOK, root / "cache", most_bytes=0, workers=2).pixels_NHWC
    wanted = [np.array(group, np.int64) for group in groups]
    both = [list(read(pixels, iter(wanted), lambda rows: rows, ahead)) for pixels in (kept, found)]
    assert len(both[0]) == len(both[1]) == len(groups)
    for (rows, one), (same, other) in zip(*both, strict=True):
        assert rows is same
        assert np.array_equal(one, other)


def test_chunks_are_consecutive_rows(photos: Path, kept: pixel_cache.CachedPixels, tmp_path: Path):
    rows = np.arange(14)[::-1]
    for pixels in (kept.pixels_NHWC, streamed(photos, tmp_path / "cache").pixels_NHWC):
        chunks = list(in_chunks(pixels, rows, 5))
        assert [len(chunk) for chunk in chunks] == [5, 5, 4]
        assert np.array_equal(np.concatenate(chunks), kept.pixels_NHWC[rows])


def test_where_the_machine_may_be_the_reason_no_image_is_said_to_have_changed(photos: Path, tmp_path: Path):
    pixels = streamed(photos, tmp_path / "cache").pixels_NHWC
    assert isinstance(pixels, DecodedOnTheFly)
    with pytest.raises(DataError) as refused:
        pixels._checked(Answer(None, b"", "no answer within 260 s", outage=True), 0)
    assert str(refused.value) == (
        f"{photos / pixels.examples.names[0]} is not decoded, in two tries: no answer within 260 s. The disk or the machine "
        "may be the reason: resume with --resume once it is well."
    )


def test_a_image_that_is_gone_or_another_is_named(photos: Path, tmp_path: Path):
    pixels = streamed(photos, tmp_path / "cache").pixels_NHWC
    names = folders.read(photos).names
    row = names.index("square/wide.jpg") - 1  # bad.png before it is not among the rows
    path = photos / "square" / "wide.jpg"
    path.unlink()
    with pytest.raises(DataError) as refused:
        pixels[np.array([0, row, 1])]
    assert str(refused.value) == (
        f"{path} has changed since this run first decoded it: it cannot be decoded any more: cannot be read: No such file or "
        "directory. Restore it, then resume with --resume."
    )
    paint(path, (91, 20))
    with pytest.raises(DataError, match=r"wide.jpg has changed since this run first decoded it: it is another image now. "):
        pixels[np.array([0, row, 1])]
    assert pixels[np.array([0, 1])].shape == (2, 10, 10, 3), "the others are read as before"
    assert children() == []


def test_a_reading_that_is_left_half_way_is_ended_by_closing(photos: Path, tmp_path: Path):
    pixels = streamed(photos, tmp_path / "cache").pixels_NHWC
    assert isinstance(pixels, DecodedOnTheFly)
    left = pixels.each(iter([np.arange(3)] * 100), lambda rows: rows, 8)
    next(left)
    assert len(children()) == 4, "two processes and their readers"
    pixels.close()
    assert children() == []
    left.close()
    pixels.close()


def test_facts_that_are_damaged_are_gathered_anew(photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    streamed(photos, tmp_path / "cache")
    (path,) = tmp_path.glob("cache/facts/*/gray_N.npy")
    path.write_bytes(b"x")
    found = streamed(photos, tmp_path / "cache")
    assert "is damaged" in caplog.text
    assert len(found.examples) == 15


def test_the_background_of_clear_images_is_in_the_facts_too(photos: Path, kept: pixel_cache.CachedPixels, tmp_path: Path):
    found = streamed(photos, tmp_path / "cache")
    other = pixel_cache.build(folders.read(photos), LOOK._replace(background=(255, 0, 0)), tmp_path / "cache", most_bytes=0)
    row = found.examples.names.index("circle/clear.png")
    assert found.pixel_hash_N[row] == kept.pixel_hash_N[row] != other.pixel_hash_N[row]


def test_examples_without_a_image_left_are_refused(photos: Path, tmp_path: Path):
    examples = folders.read(photos)
    for path in photos.rglob("*.*"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="none of the 16 images can be decoded"):
        pixel_cache.build(examples, LOOK, tmp_path / "cache", most_bytes=0)
