"""A survey of many images by parts is that of all at once, whatever the parts, and whoever decodes them in whatever order."""

import logging
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striate.base import files, nameless_files, shared_parts
from striate.base.settings import Data
from striate.data import duplicate_candidates, folders, near_duplicate_cache, pixel_cache, pixel_cache_build, survey
from striate.data.examples import Examples
from support.shape_images import make_folder


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Thirty images with a pair of equal ones, a near-duplicate, and one that cannot be decoded."""
    monkeypatch.setattr(shared_parts, "_WAIT_SECONDS", 0.02)
    monkeypatch.setattr(pixel_cache, "_WAIT_SECONDS", 0.02)
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    folder, rng = make_folder(tmp_path / "photos", each=9), np.random.default_rng(0)
    (folder / "circle" / "copy.png").write_bytes((folder / "circle" / "004.png").read_bytes())
    large = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8)).resize((80, 60), Image.Resampling.BICUBIC)
    large.save(folder / "square" / "large.png")
    large.resize((40, 30)).save(folder / "square" / "small.jpg", quality=80)
    (folder / "triangle" / "bad.png").write_bytes(b"no image")
    return folder


def surveyed(photos: Path, examples: Examples | None = None) -> dict[str, Any]:
    return survey.survey(examples or folders.read(photos), Data(path=str(photos))).as_json()


@pytest.mark.parametrize("size", [1, 4, 7, 29])
def test_parts_of_any_size_give_the_survey_of_all_at_once(
    size: int, photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    expected = surveyed(photos)
    assert (len(expected["duplicates"]), len(expected["near_duplicates"]), len(expected["quarantined"])) == (1, 1, 1)
    assert not (tmp_path / "cache").exists(), "few images are held in memory"
    monkeypatch.setattr(pixel_cache_build, "_PART_IMAGES", size)
    assert surveyed(photos) == expected
    monkeypatch.setattr(pixel_cache, "decode_examples", None)  # nothing is decoded again
    assert surveyed(photos) == expected


def test_the_order_in_which_the_source_lists_its_images_does_not_matter(photos: Path, monkeypatch: pytest.MonkeyPatch):
    expected, examples = surveyed(photos), folders.read(photos)
    monkeypatch.setattr(pixel_cache_build, "_PART_IMAGES", 7)
    for seed in range(3):
        shuffled = examples.keep(np.random.default_rng(seed).permutation(len(examples)))
        other = surveyed(photos, replace(shuffled, root=photos))
        for key in ("classes", "split", "sizes", "mean", "std", "gray", "duplicates"):
            assert other[key] == expected[key], key
        assert {frozenset(pair) for pair in other["near_duplicates"]} == {
            frozenset(pair) for pair in expected["near_duplicates"]
        }


def decode_slowly(photos: Path, log: Path, out: Path | None) -> None:
    decode_examples = pixel_cache.decode_examples

    def noted(examples: Examples, *more: Any) -> Any:
        for name, verdict in zip(examples.names, decode_examples(examples, *more), strict=True):
            with log.open("a") as file:
                file.write(f"{name}\n")
            time.sleep(0.01)
            yield verdict

    pixel_cache.decode_examples = noted  # of a fork
    found = survey.survey(folders.read(photos), Data(path=str(photos)))
    if out is not None:
        out.write_bytes(repr(found.as_json()).encode())


def test_processes_that_survey_together_decode_each_image_once_and_one_that_is_killed_is_not_missed(
    photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    expected, log, count = surveyed(photos), tmp_path / "log", len(folders.read(photos))
    monkeypatch.setattr(pixel_cache_build, "_PART_IMAGES", 4)
    start = get_context("fork").Process
    processes = [start(target=decode_slowly, args=(photos, log, tmp_path / f"out-{n}")) for n in range(3)]
    victim = start(target=decode_slowly, args=(photos, log, None))
    for process in (victim, *processes):
        process.start()
    while not log.exists() or len(log.read_text().splitlines()) < 6:
        time.sleep(0.002)
    victim.kill()
    victim.join()
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert {(tmp_path / f"out-{n}").read_text() for n in range(3)} == {repr(expected)}
    names = log.read_text().splitlines()
    assert set(names) == set(folders.read(photos).names)
    assert len(names) <= count + 4, "what the killed one was decoding, and no more"


def test_a_cache_that_cannot_be_written_costs_memory_alone(
    photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    expected = surveyed(photos)
    monkeypatch.setattr(pixel_cache_build, "_PART_IMAGES", 7)
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING, "striate"):
        assert surveyed(photos) == expected
    assert "What is known of the images is held in memory, since it cannot be kept in the cache: " in caplog.text


def test_near_duplicates_of_many_images_are_searched_with_a_file_beside_memory(photos: Path, monkeypatch: pytest.MonkeyPatch):
    expected, rooms, room = surveyed(photos), list[bool](), nameless_files.room

    def noted(*about: Any) -> Any:
        array = room(*about)
        rooms.append(nameless_files.is_mapped(array))
        return array

    monkeypatch.setattr(near_duplicate_cache, "_WORTH_KEEPING", 10)
    monkeypatch.setattr(duplicate_candidates, "_HELD_BYTES", 100)
    monkeypatch.setattr(nameless_files, "room", noted)
    files.make_folder(files.cache_folder())
    assert surveyed(photos) == expected
    assert rooms == [True, True]
    assert [path.name for path in files.cache_folder().iterdir()] == ["near-duplicates"]
