"""A file that has changed is noticed though its size and time of change are the same; a copy of the data has not changed."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data import decode, folders, pixel_cache, source_files
from striate.data.decode import InputSpec

SPEC = InputSpec(4, 3, "squash")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (4, 4), (number, 50, 100)).save(root / name / f"{number}.bmp")
    (root / "a" / "bad.png").write_bytes(b"no image")
    return root


def replace(path: Path, content: bytes) -> None:
    """Write other bytes of the same number, and set the time of change back, as `cp -p` would."""
    times = path.stat()
    assert len(content) == times.st_size
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def red_of_first(photos: Path, tmp_path: Path) -> int:
    stored = pixel_cache.build(folders.read(photos), SPEC, tmp_path / "cache")
    return int(stored.pixels_NHWC[np.array([0])][0, 0, 0, 0])


def no_decoding(*_: object) -> Iterator[decode.Decoded]:
    raise AssertionError("decoded again")


def test_another_image_with_the_same_size_and_time_is_decoded_anew_and_said(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    assert red_of_first(photos, tmp_path) == 0
    replace(photos / "a" / "0.bmp", (photos / "a" / "2.bmp").read_bytes())
    assert red_of_first(photos, tmp_path) == 2
    assert (
        f"{photos / 'a' / '0.bmp'} has changed since it was decoded, with the same size and time of change; all images are "
        "decoded anew."
    ) in caplog.text
    assert len(list((tmp_path / "cache").glob("pixels/*/store.json"))) == 1


def test_a_file_that_was_quarantined_and_is_an_image_now_is_noticed(photos: Path, tmp_path: Path):
    bmp = (photos / "a" / "0.bmp").read_bytes()
    (photos / "a" / "bad.png").write_bytes(b"x" * len(bmp))
    assert len(pixel_cache.build(folders.read(photos), SPEC, tmp_path / "cache").examples) == 6
    replace(photos / "a" / "bad.png", bmp)
    assert len(pixel_cache.build(folders.read(photos), SPEC, tmp_path / "cache").examples) == 7


def test_a_copy_of_the_data_is_read_once_and_not_decoded(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    red_of_first(photos, tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(photos, copy)  # keeps the times of change
    monkeypatch.setattr(decode, "stream", no_decoding)
    reads: list[Path] = []
    hashed = source_files.hash_file
    monkeypatch.setattr(source_files, "hash_file", lambda path: reads.append(path) or hashed(path))
    for expected in (7, 0):
        reads.clear()
        red_of_first(copy, tmp_path)
        assert len(reads) == expected


def test_a_file_that_got_other_permissions_alone_is_the_same(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    red_of_first(photos, tmp_path)
    (photos / "a" / "0.bmp").chmod(0o600)
    monkeypatch.setattr(decode, "stream", no_decoding)
    assert red_of_first(photos, tmp_path) == 0


@pytest.mark.parametrize("content", [b"", b"\xff" * 5, b"\xff" * 112])
def test_marks_that_are_damaged_cost_a_comparison_and_nothing_else(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
):
    red_of_first(photos, tmp_path)
    (path,) = (tmp_path / "cache").glob("pixels/*/marks.bin")
    whole = path.read_bytes()
    path.write_bytes(content)
    monkeypatch.setattr(decode, "stream", no_decoding)
    assert red_of_first(photos, tmp_path) == 0
    assert path.read_bytes() == whole
