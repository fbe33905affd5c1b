import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from striate.base.errors import DataError, DiskError
from striate.data import builtin_datasets, decode, fact_columns, folders, image_facts, pixel_cache
from striate.data.decode import InputSpec
from striate.data.examples import Examples, Quarantined
from support.forked_children import forked_children
from support.shape_images import make_folder

pytestmark = pytest.mark.children


@pytest.fixture(autouse=True)
def begun_as_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    forked_children(monkeypatch)


LOOK = InputSpec(8, 3, "squash")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "photos", each=4)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def no_decoding(*_arguments: object) -> Iterator[decode.Decoded]:
    raise AssertionError("decoded again")


def test_every_image_is_decoded_once(photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    told: list[tuple[int, int]] = []
    first = pixel_cache.build(folders.read(photos), LOOK, cache, lambda done, total: told.append((done, total)))
    assert told[-1] == (12, 12)
    assert first.pixels_NHWC.shape == (12, 8, 8, 3)
    for row, name in enumerate(first.examples.names):
        whole = decode.decode_image(photos / name, LOOK.background)
        assert np.array_equal(first.pixels_NHWC[row], decode.square(whole, LOOK))
        assert int(first.pixel_hash_N[row]) == image_facts.measure(whole).pixel_hash
    monkeypatch.setattr(decode, "stream", no_decoding)
    again = pixel_cache.build(folders.read(photos), LOOK, cache)
    assert isinstance(again.pixels_NHWC, np.memmap)
    assert np.array_equal(again.pixels_NHWC, first.pixels_NHWC)
    assert np.array_equal(again.means_N3, first.means_N3)
    with pytest.raises(AssertionError, match="decoded again"):
        pixel_cache.build(folders.read(photos), LOOK._replace(size_px=9), cache)


def test_a_changed_file_is_decoded_anew(photos: Path, cache: Path):
    pixel_cache.build(folders.read(photos), LOOK, cache)
    (photos / "circle" / "000.png").write_bytes((photos / "square" / "000.png").read_bytes())
    assert (
        pixel_cache.build(folders.read(photos), LOOK, cache).pixel_hash_N[0]
        == image_facts.measure(decode.decode_image(photos / "square" / "000.png", LOOK.background)).pixel_hash
    )
    assert len(list((cache / "pixels").glob("[!.]*[!g]"))) == 2


def test_bad_files_join_the_quarantine_now_and_from_the_cache(photos: Path, cache: Path):
    (photos / "circle" / "001.png").write_bytes(b"no image")
    for _ in range(2):
        found = pixel_cache.build(folders.read(photos), LOOK, cache)
        assert len(found.examples) == len(found.pixels_NHWC) == 11
        assert [bad.path for bad in found.examples.quarantined] == ["circle/001.png"]
        assert "circle/001.png" not in found.examples.names


def test_what_the_machine_may_be_the_reason_of_is_no_verdict_and_is_not_kept(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    def busy(paths: list[Path], *_: object) -> Iterator[decode.Decoded]:
        yield from (decode.Decoded(None, None, "no answer within 260 s", outage=True) for _ in paths)

    examples = folders.read(photos)
    with monkeypatch.context() as patch:
        patch.setattr(decode, "stream", busy)
        with pytest.raises(DataError) as refused:
            pixel_cache.build(examples, LOOK, cache)
    assert str(refused.value) == (
        f"{photos / examples.names[0]} is not decoded, in two tries: no answer within 260 s. The disk or the machine may be "
        "the reason, so nothing is decided about the file: try again, or remove it."
    )
    assert len(pixel_cache.build(examples, LOOK, cache).examples) == len(examples)


def test_all_of_a_class_or_all_in_all_are_refused(photos: Path, cache: Path):
    for path in (photos / "circle").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"no image of class 'circle' can be decoded; the first, circle/000.png: empty file"):
        pixel_cache.build(folders.read(photos), LOOK, cache)
    for path in photos.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"none of the 12 images can be decoded; the first, circle/000.png: empty file"):
        pixel_cache.build(folders.read(photos), LOOK, cache)


def test_an_array_of_the_right_size_is_used_as_it_is(cache: Path):
    digits = builtin_datasets.read("digits", None).keep(np.arange(20))
    assert digits.pixels_NHWC is not None
    found = pixel_cache.build(digits, InputSpec(8, 1, "squash"), cache)
    assert np.shares_memory(found.pixels_NHWC, digits.pixels_NHWC)
    assert not cache.exists()
    assert found.gray_N.all()
    assert found.means_N3[0].tolist() == pytest.approx([digits.pixels_NHWC[0].mean() / 255] * 3)


def test_an_array_of_many_images_is_described_once_and_is_still_used_as_it_is(cache: Path, monkeypatch: pytest.MonkeyPatch):
    digits = builtin_datasets.read("digits", None).keep(np.arange(20))
    spec = InputSpec(8, 1, "squash")
    in_memory = pixel_cache.build(digits, spec, cache)
    monkeypatch.setattr(pixel_cache, "_FEW", 20)
    first = pixel_cache.build(digits, spec, cache)
    with monkeypatch.context() as patch:
        patch.setattr(pixel_cache, "decode_examples", no_decoding)
        again = pixel_cache.build(digits, spec, cache)
        with pytest.raises(AssertionError, match="decoded again"):
            pixel_cache.build(replace(digits, pixels_NHWC=255 - digits.pixels_NHWC), spec, cache)
    for found in (first, again):
        assert found.pixels_NHWC is digits.pixels_NHWC
        assert found.examples is digits
        for name in fact_columns.NAMES:
            assert np.array_equal(getattr(found, name), getattr(in_memory, name)), name
    assert not list(cache.rglob("pixels.npy"))


def test_an_array_is_used_where_its_description_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    digits = builtin_datasets.read("digits", None).keep(np.arange(20))
    monkeypatch.setattr(pixel_cache, "_FEW", 20)
    (tmp_path / "file").write_bytes(b"")
    found = pixel_cache.build(digits, InputSpec(8, 1, "squash"), tmp_path / "file" / "cache")
    assert found.pixels_NHWC is digits.pixels_NHWC
    assert len(found.pixel_hash_N) == 20


@pytest.mark.parametrize("what", ["decode.DECODER_VERSION", "PIL.__version__"])
def test_a_decoder_that_changes_gives_another_store(photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, what: str):
    pixel_cache.build(folders.read(photos), LOOK, cache)
    monkeypatch.setattr(f"striate.data.pixel_cache.{what}", "another")
    monkeypatch.setattr(decode, "stream", no_decoding)
    with pytest.raises(AssertionError, match="decoded again"):
        pixel_cache.build(folders.read(photos), LOOK, cache)


def test_a_build_that_fails_leaves_nothing(photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decode, "stream", no_decoding)
    with pytest.raises(AssertionError, match="decoded again"):
        pixel_cache.build(folders.read(photos), LOOK, cache)
    assert [path.name for path in cache.glob("pixels/*/*") if path.name != ".lock"] == []


def test_an_array_of_another_size_is_brought_to_it(cache: Path):
    digits = builtin_datasets.read("digits", None).keep(np.arange(20))
    assert digits.pixels_NHWC is not None
    found = pixel_cache.build(digits, InputSpec(12, 3, "squash"), cache)
    assert np.array_equal(found.pixels_NHWC[7], decode.square(digits.pixels_NHWC[7], InputSpec(12, 3, "squash")))


DAMAGE = [
    ("means_N3.npy", b"x"), ("pixels.npy", b"\x93NUMPY"), ("pixels.npy", b""), ("store.json", b"{"), ("store.json", b"[]"),
    ("store.json", b'{"count": 11, "reasons": {}}'), ("store.json", b'{"count": 12, "reasons": []}'),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content"), DAMAGE)
def test_a_damaged_store_is_built_anew_and_that_is_said(
    photos: Path, cache: Path, caplog: pytest.LogCaptureFixture, name: str, content: bytes
):
    first = pixel_cache.build(folders.read(photos), LOOK, cache)
    expected = np.array(first.pixels_NHWC)
    (path,) = cache.glob(f"pixels/*/{name}")
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, "striate"):
        again = pixel_cache.build(folders.read(photos), LOOK, cache)
    assert f"The pixel cache {path.parent} is damaged" in caplog.text
    assert np.array_equal(again.pixels_NHWC, expected)
    caplog.clear()
    pixel_cache.build(folders.read(photos), LOOK, cache)
    assert caplog.text == "", "the new one is whole"


def test_a_store_whose_pixels_are_cut_short_is_built_anew(photos: Path, cache: Path, caplog: pytest.LogCaptureFixture):
    expected = np.array(pixel_cache.build(folders.read(photos), LOOK, cache).pixels_NHWC)
    (path,) = cache.glob("pixels/*/pixels.npy")
    path.write_bytes(path.read_bytes()[:-100])
    again = pixel_cache.build(folders.read(photos), LOOK, cache)
    assert "is damaged" in caplog.text
    assert np.array_equal(again.pixels_NHWC, expected)


BUILD = """
import sys
from pathlib import Path
from striate.data import folders, pixel_cache
from striate.data.decode import InputSpec
root, cache = Path(sys.argv[1]), Path(sys.argv[2])
def tell(done, total):
    print(done, flush=True)
    if len(sys.argv) > 3 and done == 3:
        import time; time.sleep(60)
found = pixel_cache.build(folders.read(root), InputSpec(8, 3, "squash"), cache, tell)
print("built", int(found.pixels_NHWC.sum(dtype="int64")), flush=True)
"""


def test_a_build_that_is_killed_leaves_nothing_that_looks_like_a_store(photos: Path, cache: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", BUILD, str(photos), str(cache), "slow"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while (line := process.stdout.readline().strip()) != "3":
        assert line or process.poll() is None
    process.kill()
    process.wait()
    assert [path.name for path in cache.glob("pixels/*/pixels.npy")] != []
    assert not list(cache.glob("pixels/[!.]*/store.json"))
    found = pixel_cache.build(folders.read(photos), LOOK, cache)
    assert len(found.pixels_NHWC) == 12
    assert not list(cache.glob("pixels/.*.tmp")), "what the dead process left is removed"


def test_two_processes_build_one_store(photos: Path, cache: Path):
    command = [sys.executable, "-c", BUILD, str(photos), str(cache)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    lines = [process.communicate(timeout=300)[0].splitlines()[-1] for process in both]
    assert lines[0] == lines[1]
    assert lines[0].startswith("built ")
    assert len(list(cache.glob("pixels/*/store.json"))) == 1


def test_too_little_space_is_said_before_anything_is_decoded(photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    monkeypatch.setattr(decode, "stream", no_decoding)
    with pytest.raises(DiskError, match=r"the decoded images need 0.00 GB in .*; 0.00 GB are free. Free some space, set"):
        pixel_cache.build(folders.read(photos), LOOK, cache)


def test_used_ones_keeps_the_account(photos: Path):
    examples: Examples = replace(folders.read(photos), quarantined=(Quarantined("x", "y"),))
    used = pixel_cache.keep_usable(examples, {2: "bad", 5: "worse"})
    assert len(used) == 10
    assert used.quarantined == (
        Quarantined("x", "y"),
        Quarantined(examples.names[2], "bad"),
        Quarantined(examples.names[5], "worse"),
    )
    assert pixel_cache.keep_usable(examples, {}) is examples


def test_time_and_process_leave_the_fingerprint_alone(photos: Path):
    one = pixel_cache.fingerprint(folders.read(photos), LOOK)
    time.sleep(0.01)
    os.utime(photos)
    assert pixel_cache.fingerprint(folders.read(photos), LOOK) == one
    assert pixel_cache.fingerprint(folders.read(photos), LOOK._replace(resize_mode="pad")) != one
