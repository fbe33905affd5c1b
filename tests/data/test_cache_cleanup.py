import json
import os
from pathlib import Path

import numpy as np
import pytest

from striate.base import files
from striate.data import cache_cleanup, folders, in_memory, pixel_cache
from striate.data.decode import InputSpec
from support.command_line import run
from support.shape_images import make_folder

LOOK = InputSpec(8, 3, "crop")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "photos", each=2)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_an_empty_cache_and_none_at_all(cache: Path):
    for _ in range(2):
        for listing in (cache_cleanup.list_cache(cache), cache_cleanup.clear(cache)):
            assert (listing.entries, listing.removed) == ((), ())
            assert str(listing) == f"{cache}: 0 B, nothing kept"
        cache.mkdir(exist_ok=True)


def test_each_store_says_what_it_is_of(photos: Path, cache: Path):
    pixel_cache.build(folders.read(photos), LOOK, cache)
    pixel_cache.build(folders.read(photos), InputSpec(9, 1, "pad"), cache, most_bytes=0)
    (cache / "mnist").mkdir()
    (cache / "mnist" / "images.gz").write_bytes(b"x" * 1500)
    (path,) = cache.glob("pixels/*/store.json")
    os.utime(path, (0, 86400))
    pixels, other, facts = cache_cleanup.list_cache(cache).entries
    assert (pixels.what, pixels.data, pixels.input_spec, pixels.images, pixels.state) == (
        "pixels", str(photos), "8 px, color, crop", 6, "whole"
    )  # fmt: skip
    assert pixels.used == "1970-01-02T00:00:00+00:00"
    assert pixels.bytes == sum(file.stat().st_size for file in path.parent.iterdir()) > 6 * 8 * 8 * 3
    assert (facts.what, facts.input_spec, facts.images) == ("facts", "9 px, gray, pad", 6)
    assert (other.what, other.bytes, other.state, other.data) == ("mnist", 1500, "not a pixel cache", None)
    said = str(cache_cleanup.list_cache(cache))
    assert f"pixels of {photos}: 6 images, 8 px, color, crop, whole, last used 1970-01-02 00:00 UTC" in said
    assert "1.5 kB  mnist: not decoded images; remove it by hand" in said


def test_opening_a_store_is_using_it(photos: Path, cache: Path):
    pixel_cache.build(folders.read(photos), LOOK, cache)
    (path,) = cache.glob("pixels/*/store.json")
    os.utime(path, (0, 0))
    pixel_cache.build(folders.read(photos), LOOK, cache)
    assert path.stat().st_mtime > 0


def test_clearing_removes_stores_alone_and_a_run_goes_on_with_its_own(photos: Path, cache: Path):
    opened = pixel_cache.build(folders.read(photos), LOOK, cache)
    before = np.array(opened.pixels_NHWC)
    pixel_cache.build(folders.read(photos), InputSpec(9, 1, "pad"), cache, most_bytes=0)
    (cache / "mnist").mkdir()
    bytes_before = sum(entry.bytes for entry in cache_cleanup.list_cache(cache).entries)
    listing = cache_cleanup.clear(cache)
    assert sorted(entry.what for entry in listing.removed) == ["facts", "pixels"]
    assert listing.as_json()["freed"] == bytes_before
    assert [entry.what for entry in listing.entries] == ["mnist"]
    assert not list(cache.glob("**/store.json"))
    assert np.array_equal(opened.pixels_NHWC, before)
    assert np.array_equal(pixel_cache.build(folders.read(photos), LOOK, cache).pixels_NHWC, before), "built anew"


def test_a_store_that_is_being_built_stays(photos: Path, cache: Path):
    name = pixel_cache.fingerprint(folders.read(photos), LOOK)
    half = cache / "pixels" / f".{name}.123.tmp"
    half.mkdir(parents=True)
    (half / "pixels.npy").write_bytes(b"x" * 10)
    with files.lock(cache / "pixels" / f"{name}.building", "store"):
        assert [(entry.state, entry.bytes) for entry in cache_cleanup.list_cache(cache).entries] == [("being built", 10)]
        listing = cache_cleanup.clear(cache)
        assert (listing.removed, listing.refused) == ((), {str(half): "it is being built"})
        assert f"{half} stays: it is being built" in str(listing)
    assert [entry.state for entry in cache_cleanup.list_cache(cache).entries] == ["half-built"]
    assert [entry.bytes for entry in cache_cleanup.clear(cache).removed] == [10]
    assert not half.exists()


def test_a_store_that_cannot_be_read_is_listed_and_removed(photos: Path, cache: Path):
    pixel_cache.build(folders.read(photos), LOOK, cache)
    (path,) = cache.glob("pixels/*/store.json")
    path.write_text("{")
    (entry,) = cache_cleanup.list_cache(cache).entries
    assert (entry.state, entry.images) == ("unreadable", None)
    assert len(cache_cleanup.clear(cache).removed) == 1


def test_the_command(photos: Path, cache: Path, capsys: pytest.CaptureFixture[str]):
    pixel_cache.build(folders.read(photos), LOOK, cache)
    assert f"pixels of {photos}: 6 images" in run(capsys, "data", "--cache").out
    listed = run(capsys, "data", "--cache", "--json").json
    assert (listed["cache"], len(listed["entries"]), listed["freed"]) == (str(cache), 1, 0)
    cleared = run(capsys, "data", "--clear-cache", "--json").json
    assert (cleared["freed"], cleared["bytes"]) == (listed["bytes"], 0)
    assert [entry["data"] for entry in cleared["removed"]] == [str(photos)]
    json.dumps(cleared)
    assert run(capsys, "data", "--clear-cache").out == f"{cache}: 0 B, nothing kept\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "expected DATA: a folder of images by class, a table, or digits, mnist, cifar10; or --cache."),
        (("digits", "--cache"), "DATA does not apply with --cache, which is about the whole cache; remove it."),
        (("--clear-cache", "--set", "data.val_share=0.2"), "--set does not apply with --clear-cache, which is about"),
        (("--clear-cache", "--data-dir", "x"), "--data-dir does not apply with --clear-cache"),
        (("--cache", "--clear-cache"), "--cache does not apply with --clear-cache"),
    ],
)
def test_what_does_not_go_together_is_refused(
    cache: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
):
    result = run(capsys, "data", *arguments)
    assert result.code == 2
    assert f"striate: {sentence}" in result.err


def test_images_in_memory_are_listed_and_removed(cache: Path):
    pixels, labels = np.zeros((3, 4, 4), np.uint8), [1, 2, 1]
    path = Path(in_memory.stored(pixels, labels))
    (half := path.parents[1] / ".0123.77.tmp").mkdir()
    broken, whole = cache_cleanup.list_cache(cache).entries
    assert (whole.what, whole.data, whole.input_spec, whole.images, whole.state) == (
        "in-memory", "images in memory", None, 3, "whole"
    )  # fmt: skip
    assert (broken.path, broken.state) == (str(half), "half-built")
    assert whole.bytes == sum(file.stat().st_size for file in path.parent.iterdir())
    assert "in-memory of images in memory: 3 images, whole, last used" in str(cache_cleanup.list_cache(cache))
    assert len(cache_cleanup.clear(cache).removed) == 2
    assert not path.parent.exists()
    assert in_memory.stored(pixels, labels) == str(path)
