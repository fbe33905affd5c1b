import json
import os
import shutil
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.base.config import Data
from striate.base.errors import DataError
from striate.data import cache_cleanup, decode, folders, pixel_cache
from striate.data.decode import Decoded, InputSpec
from striate.data.examples import Examples
from striate.data.survey import sample_stats, survey


def paint(root: Path, name: str, color: tuple[int, int, int], size: tuple[int, int] = (6, 4)) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path, "PNG")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for i in range(5):
        paint(tmp_path, f"a/{i}.png", (10 * i, 51, 102), (6 + i, 4))
        paint(tmp_path, f"b/{i}.png", (10 * i, 102, 51))
    return tmp_path


def test_images_of_twelve_bits_are_quarantined_with_what_to_say_and_used_with_it(tmp_path: Path):
    for number, name in enumerate(("a/0", "a/1", "a/2", "b/0", "b/1", "b/2")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((4, 4), 1000 + number, np.uint16)).save(tmp_path / f"{name}.png")
    Image.fromarray(np.full((4, 4), 60_000, np.uint16)).save(tmp_path / "a" / "bright.png")
    examples = folders.read(tmp_path)
    with pytest.raises(DataError, match=r"no image of class 'b' can be decoded; .*data\.white_level=1023 \(65535 takes it as"):
        survey(examples, Data(path=str(tmp_path)))
    data = Data(path=str(tmp_path), white_level=4095)
    shown = survey(examples, data)
    assert shown.used == 6
    assert [tuple(bad) for bad in shown.quarantined] == [
        ("a/bright.png", "pixels from 60000 to 60000; expected 0 to 4095, which is data.white_level")
    ]
    assert shown.mean == pytest.approx([(4 * 62 + 2 * 63) / 6 / 255])  # 1000 to 1003, 1004 and 1005 of 4095
    assert sample_stats(examples, data).sampled == 6


def test_the_survey_by_hand(photos: Path):
    (photos / "b" / "bad.png").write_bytes(b"x")
    (photos / "notes.txt").write_text("x")
    paint(photos, "b/copy.png", (0, 102, 51))
    found = survey(folders.read(photos), Data(path="photos"))
    assert found.found == found.used + len(found.quarantined) + len(found.ignored) == 13
    assert found.classes == {"a": 5, "b": 6}
    assert found.duplicates == (("b/0.png", "b/copy.png"),)
    assert found.split == {"train": 6, "val": 2, "test": 3}
    assert found.sizes == {"height": [4, 4, 4], "width": [6, 6, 10]}
    assert found.gray == 0.0
    red = np.array([0, 10, 20, 30, 40] * 2 + [0]) / 255
    green = np.array([51] * 5 + [102] * 6) / 255
    assert found.mean == pytest.approx([red.mean(), green.mean(), ((51 + 102) / 255 - green).mean()])
    assert found.std == pytest.approx([red.std(), green.std(), green.std()], abs=1e-6)


def test_json_has_the_keys_and_prints_any_name(photos: Path):
    Path(os.fsdecode(os.fsencode(photos) + b"/a/\xff.png")).write_bytes(b"x")
    found = survey(folders.read(photos), Data(path="photos")).as_json()
    assert found["quarantined"][0]["path"] == "a/\\udcff.png"
    assert list(found) == [
        "data", "found", "used", "quarantined", "ignored", "classes", "duplicates", "near_duplicates", "leaks", "split",
        "sizes", "gray", "mean", "std", "notes", "groups", "drawn", "shortcuts",
    ]  # fmt: skip
    json.dumps(found).encode("utf-8")
    str(survey(folders.read(photos), Data(path="photos"))).encode("utf-8")
    survey(folders.read(photos), Data(path="photos"))._repr_html_().encode("utf-8")


def test_data_that_cannot_be_divided_are_surveyed_all_the_same(photos: Path):
    paint(photos, "c/only.png", (1, 2, 3))
    found = survey(folders.read(photos), Data(path="photos"))
    assert found.split is None
    assert found.classes["c"] == 1
    assert any(note.startswith("It cannot be trained with: class 'c' has 1 image") for note in found.notes)


def test_images_of_one_level_have_no_deviation(tmp_path: Path):
    for kind in ("a", "b"):
        for i in range(4):
            paint(tmp_path, f"{kind}/{i}.png", (51, 102, 255), (3 + i, 2))
    found = survey(folders.read(tmp_path), Data(path="photos"))
    assert found.mean == pytest.approx([0.2, 0.4, 1.0])
    assert found.std == pytest.approx([0.0, 0.0, 0.0], abs=1e-7)


def test_training_images_that_are_in_the_test_part_are_named(tmp_path: Path):
    for part, count in (("train", 4), ("test", 2)):
        for i in range(count):
            paint(tmp_path, f"{part}/a/{i}.png", (10 * i, 51, count))
            paint(tmp_path, f"{part}/b/{i}.png", (10 * i, 102, count))
    paint(tmp_path, "train/a/again.png", (0, 51, 2))
    found = survey(folders.read(tmp_path), Data(path="photos"))
    assert found.leaks == (("train/a/again.png", "the same image as test/a/0.png, which is held out"),)
    assert found.split == {"train": 6, "val": 2, "test": 4}
    assert "left out of training: train/a/again.png: the same image as test/a/0.png" in str(found)
    assert found.as_json()["leaks"] == [
        {"path": "train/a/again.png", "reason": "the same image as test/a/0.png, which is held out"}
    ]


def test_it_tells_how_far_it_is_and_writes_nothing(photos: Path, cache: Path):
    told: list[tuple[int, int]] = []
    before = sorted(photos.rglob("*")), sorted(cache.rglob("*"))
    survey(folders.read(photos), Data(path="photos"), lambda done, total: told.append((done, total)))
    assert told == [(done, 10) for done in range(1, 11)]
    assert (sorted(photos.rglob("*")), sorted(cache.rglob("*"))) == before


def test_a_long_list_is_cut_for_people_alone(photos: Path):
    for i in range(14):
        (photos / "a" / f"bad{i}.png").write_bytes(b"x")
    found = survey(folders.read(photos), Data(path="photos"))
    assert "and 4 more quarantined; --json lists them all" in str(found)
    assert len(found.as_json()["quarantined"]) == 14


def test_a_glance_takes_medians_and_looks_for_color(photos: Path):
    seen = sample_stats(folders.read(photos))
    assert (seen.images, seen.sampled, seen.height_px, seen.width_px, seen.gray) == (10, 10, 4, 6, False)
    assert seen.aspect == 1.5
    assert sample_stats(folders.read(photos), most=3).sampled == 3


@pytest.fixture
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("STRIATE_CACHE", str(folder))
    return folder


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each pass over files decodes."""
    passes, decode_examples = list[int](), pixel_cache.decode_examples

    def counted(examples: Examples, *arguments: InputSpec | None) -> Generator[Decoded]:
        passes.append(len(examples))
        return decode_examples(examples, *arguments)

    monkeypatch.setattr(pixel_cache, "decode_examples", counted)
    return passes


def test_a_sample_is_decoded_once_until_a_file_of_it_changes(tmp_path: Path, own_cache: Path, decoded: list[int]):
    root = tmp_path / "photos"
    for number in range(10):
        paint(root, f"{'ab'[number % 2]}/{number}.png", (10 * number, 51, 102))
    first = sample_stats(folders.read(root))
    assert sample_stats(folders.read(root)) == first
    assert decoded == [10]
    copied = tmp_path / "copied"
    shutil.copytree(root, copied)  # with the times of change
    assert sample_stats(folders.read(copied)) == first
    assert decoded == [10], "a copy has the same bytes"
    path = root / "a" / "0.png"
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(b"x" * len(content))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert sample_stats(folders.read(root)).sampled == 9
    assert decoded == [10, 10], "the same size and time of change, and other bytes"
    paint(root, "a/0.png", (0, 51, 102), (40, 40))
    assert sample_stats(folders.read(root)).sampled == 10
    assert decoded == [10, 10, 10]
    sample_stats(folders.read(root), Data(white_level=4095))
    sample_stats(folders.read(root), most=3)
    assert decoded == [10, 10, 10, 10, 3], "another reading of the files, and another sample"


def test_another_decoder_looks_again(photos: Path, own_cache: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch):
    for version in (1, 2, 2):
        monkeypatch.setattr(decode, "DECODER_VERSION", version)
        sample_stats(folders.read(photos))
    assert decoded == [10, 10]


@pytest.mark.parametrize("file", ["result.json", "contents.bin", "about.json", "marks.bin", "MANIFEST.sha256"])
def test_a_damaged_sample_is_looked_at_again(photos: Path, own_cache: Path, decoded: list[int], file: str):
    first = sample_stats(folders.read(photos))
    (path,) = own_cache.glob(f"samples/*/{file}")
    for broken in (b"", path.read_bytes()[:-1], bytes(len(path.read_bytes()))):
        path.write_bytes(broken)
        assert sample_stats(folders.read(photos)) == first
    assert len(decoded) == (1 if file == "marks.bin" else 4), "without marks, contents are compared"
    path.unlink()
    assert sample_stats(folders.read(photos)) == first
    assert path.is_file()


def test_the_cache_lists_and_removes_the_sample(photos: Path, own_cache: Path, decoded: list[int]):
    sample_stats(folders.read(photos))
    (entry,) = cache_cleanup.list_cache(own_cache).entries
    assert (entry.what, entry.data, entry.images, entry.state) == ("samples", str(photos), 10, "whole")
    assert len(cache_cleanup.clear(own_cache).removed) == 1
    sample_stats(folders.read(photos))
    assert decoded == [10, 10]


def test_a_cache_that_cannot_be_written_costs_time_alone(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "file"))
    assert sample_stats(folders.read(photos)).sampled == 10


def test_gray_images_are_gray_however_they_are_stored(tmp_path: Path):
    for i in range(3):
        paint(tmp_path, f"a/{i}.png", (i, i, i))
        paint(tmp_path, f"b/{i}.png", (9 + i, 9 + i, 9 + i))
    examples = folders.read(tmp_path)
    assert sample_stats(examples).gray
    found = survey(examples, Data(path="photos"))
    assert (found.gray, len(found.mean)) == (1.0, 1)


@pytest.mark.parametrize(("colored", "gray"), [(1, True), (2, False)])
def test_nineteen_of_twenty_make_a_gray_data_set(tmp_path: Path, colored: int, gray: bool):
    for i in range(20):
        paint(tmp_path, f"{'ab'[i % 2]}/{i}.png", (i, i, i) if i >= colored else (i, 99, i))
    assert sample_stats(folders.read(tmp_path)).gray is gray


def test_a_glance_passes_over_what_cannot_be_decoded(photos: Path):
    (photos / "a" / "0.png").write_bytes(b"x")
    seen = sample_stats(folders.read(photos))
    assert (seen.images, seen.sampled, seen.width_px) == (10, 9, 6)  # widths 7 8 9 10 6 6 6 6 6


def test_nothing_to_look_at_is_refused(photos: Path):
    for path in photos.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"none of 10 images can be decoded; the first, ./..png: empty file. Give a folder of"):
        sample_stats(folders.read(photos))


def test_an_image_that_was_stored_anew_is_listed_beside_the_first_and_can_be_left_out(tmp_path: Path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(4):
            spots = Image.fromarray(rng.integers(0, 256, (9, 9, 3)).astype(np.uint8)).resize((64, 48), Image.Resampling.BICUBIC)
            spots.save(tmp_path / name / f"{number}.png")
    spots.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "a" / "mirrored.jpg", quality=70)
    found = survey(folders.read(tmp_path), Data(path=str(tmp_path)))
    assert found.near_duplicates == (("a/mirrored.jpg", "b/3.png"),)
    assert json.loads(json.dumps(found.as_json()))["near_duplicates"] == [["a/mirrored.jpg", "b/3.png"]]
    assert "  nearly equal: a/mirrored.jpg: b/3.png" in str(found)
    assert survey(folders.read(tmp_path), Data(path=str(tmp_path), near_duplicates=False)).near_duplicates == ()
