import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset

from striate.base.config import Data
from striate.base.errors import DataError
from striate.data import decode, in_memory, sources
from striate.data.examples import Examples, Part
from striate.data.pixel_cache import decode_examples

PIXELS = np.arange(4 * 5 * 6 * 3, dtype=np.uint8).reshape(4, 5, 6, 3)
LABELS = ["b", "a", "b", "a"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def read(data: Any, labels: Any = None, **settings: Any) -> Examples:
    return sources.read(Data(path=str(in_memory.stored(data, labels)), **settings))


def words(examples: Examples) -> list[str]:
    return [examples.classes[label] for label in examples.labels_N]


def test_a_path_or_a_name_stays_as_it_is(tmp_path: Path, cache: Path):
    for data in (None, "digits", str(tmp_path), tmp_path):
        assert in_memory.stored(data) is data
    assert not cache.exists()


@pytest.mark.parametrize(
    "data",
    [PIXELS, list(PIXELS), [Image.fromarray(pixels) for pixels in PIXELS], torch.from_numpy(PIXELS), PIXELS / 255,
     np.moveaxis(PIXELS, 3, 1), torch.from_numpy(np.moveaxis(PIXELS, 3, 1) / np.float32(255))],
    ids=["array", "list", "pillow", "tensor", "floats", "channels first", "float tensor"],
)  # fmt: skip
def test_images_of_one_size_are_one_array(data: Any, cache: Path):
    before = data.copy() if isinstance(data, np.ndarray) else None
    examples = read(data, LABELS)
    assert examples.pixels_NHWC is not None
    assert before is None or np.array_equal(before, data)
    assert np.array_equal(examples.pixels_NHWC, PIXELS)
    assert words(examples) == LABELS
    assert examples.names == tuple(f"images.npy#00000{i}" for i in range(4))
    assert examples.parts_N.tolist() == [Part.FREE] * 4
    (folder,) = cache.glob("in-memory/*[!g]")
    assert Path(in_memory.stored(PIXELS, LABELS)) == folder / "images.csv", "the same images and labels are the same folder"


def test_progress_and_what_a_killed_process_left(cache: Path):
    events: list[tuple[str, int, int]] = []

    def watch(event: dict[str, Any]) -> None:
        events.append((event["event"], event["done"], event["total"]))

    path = Path(in_memory.stored(PIXELS, LABELS, watch=watch))
    assert events == [("collect", 0, 4), ("collect", 4, 4), ("keep", 0, 4), ("keep", 4, 4)]
    in_memory.stored(PIXELS, LABELS, watch=watch)
    assert events[4:] == events[:2], "they are there already"
    path.rename(path.with_name("lost.csv"))
    (half := path.parent.with_name(f".{path.parent.name}.1.tmp")).mkdir()
    assert in_memory.stored(PIXELS, LABELS) == str(path)
    assert not half.exists()
    assert {file.name for file in path.parent.iterdir()} == {"MANIFEST.sha256", "images.csv", "images.npy", "in-memory.json"}


def test_other_labels_or_pixels_are_another_folder():
    other = PIXELS.copy()
    other[0, 0, 0, 0] += 1
    paths = {in_memory.stored(PIXELS, LABELS), in_memory.stored(PIXELS, LABELS[::-1]), in_memory.stored(other, LABELS)}
    paths.add(in_memory.stored(PIXELS.reshape(4, 6, 5, 3), LABELS))
    assert len(paths) == 4


def test_images_of_several_sizes_are_files_with_the_same_pixels():
    images = [PIXELS[0], PIXELS[1, :3], Image.fromarray(PIXELS[2]), torch.from_numpy(PIXELS[3, ..., 0])]
    examples = read(images, LABELS)
    assert examples.pixels_NHWC is None
    assert examples.names == tuple(f"images/00000{i}.png" for i in range(4))
    pixels = [decode.decode_image(examples.root / name, (0, 0, 0)) for name in examples.names]
    for decoded, image in zip(pixels, (PIXELS[0], PIXELS[1, :3], PIXELS[2], PIXELS[3, ..., :1]), strict=True):
        assert np.array_equal(decoded, image)
    assert [verdict.reason for verdict in decode_examples(examples, None)] == [None] * 4


def test_paths_stay_where_they_are_and_are_named_as_in_their_folder(tmp_path: Path):
    paths = [tmp_path / "photos" / name for name in ("b/1.png", "a/1.png", "b/2.png", "a/2.png")]
    for path, pixels in zip(paths, PIXELS, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    examples = read(paths, LABELS)
    folder = sources.read(Data(path=str(tmp_path / "photos")))
    assert (examples.root, examples.names, words(examples)) == (folder.root, folder.names, words(folder))
    assert examples.ids_N.tolist() == folder.ids_N.tolist(), "so the split is that of the folder"
    assert read([str(path) for path in paths], LABELS).names == examples.names
    mixed = read([*paths[:3], PIXELS[3]], LABELS)
    assert mixed.names == tuple(sorted([*map(str, paths[:3]), "images/000003.png"]))


def test_paths_given_twice_or_without_a_file(tmp_path: Path):
    for name in "ab":
        (tmp_path / name).write_bytes(b"x")
    examples = read([tmp_path / name for name in ("a", "b", "a", "c")], ["1", "2", "1", "2"])
    assert [tuple(row) for row in examples.ignored] == [("a", "given twice")]
    assert [tuple(row) for row in examples.quarantined] == [("c", "no such file")]
    with pytest.raises(DataError, match=r"'a' is given twice, as '1' and as '2'. Give it once"):
        read([tmp_path / name for name in ("a", "b", "a")], ["1", "2", "2"])


def test_parts_are_those_of_the_source():
    examples = read({"train": (PIXELS, LABELS), "test": (PIXELS[:2], LABELS[:2])})
    assert examples.parts_N.tolist() == [Part.TRAIN] * 4 + [Part.TEST] * 2
    files = read({"train": ([PIXELS[0], PIXELS[1, :3]], LABELS[:2]), "validation": (PIXELS[:1], LABELS[:1])})
    assert files.parts_N.tolist() == [Part.TRAIN, Part.TRAIN, Part.TEST]
    assert files.notes == ("val/ is the test set, since there is no test/; validation is cut from train/.",)


class Augmented(Dataset[Any]):
    count = 0

    def __len__(self) -> int:
        return 4

    def __getitem__(self, position: int) -> Any:
        Augmented.count += 1
        return PIXELS[position] + np.uint8(Augmented.count), LABELS[position]


def test_a_data_set_that_augments_is_refused(cache: Path):
    with pytest.raises(
        DataError, match="the data set gives other images each time it is read, as one that augments them at random"
    ):
        in_memory.stored(Augmented())
    assert not list(cache.glob("in-memory/*/*.csv"))


def test_what_was_removed_or_damaged_is_to_be_given_again():
    path = Path(in_memory.stored(PIXELS, LABELS))
    text = path.read_text()
    path.write_text(text.replace("a", "c"))
    with pytest.raises(
        DataError, match=r"are kept in .*, and a file in it is not what was written. Give the same images and labels"
    ):
        sources.read(Data(path=str(path)))
    assert in_memory.stored(PIXELS, LABELS) == str(path)
    assert path.read_text() == text
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    with pytest.raises(DataError, match=r"and it is not there. Give the same images and labels again"):
        sources.read(Data(path=str(path)))
    assert len(read(PIXELS, LABELS)) == 4


def test_the_path_holds_wherever_striate_runs_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIATE_CACHE", "relative")
    assert in_memory.stored(PIXELS, LABELS).startswith(f"{tmp_path}/relative/in-memory/")


def test_settings_of_tables_do_not_apply():
    with pytest.raises(DataError, match=r"data.group names a column of a table; these images are in none. Leave it out"):
        read(PIXELS, LABELS, group="patient")


@pytest.mark.parametrize(
    ("data", "labels", "message"),
    [
        ([PIXELS[0], "a.png", 7, PIXELS[0]], LABELS, "image 2: expected a path, .*; got int"),
        (PIXELS * 0.1, LABELS, r"image 0: expected uint8, or floats in \[0, 1\]; got float64"),
        (None, LABELS, "expected data beside labels"),
    ],
)
def test_what_is_no_image_is_named(data: Any, labels: Any, message: str):
    with pytest.raises(DataError, match=message):
        in_memory.stored(data, labels)


def test_one_class_is_too_few(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    with pytest.raises(
        DataError, match=r"expected at least two classes in .*; got one, 'a'. Give images of two classes or more"
    ):
        read(PIXELS, ["a"] * 4)


def test_messages_on_a_table_name_no_file_of_the_cache_and_settings_as_python_has_them(tmp_path: Path):
    pandas = pytest.importorskip("pandas")
    with pytest.raises(
        DataError, match=r"^the table: expected a column with the labels.*Name it with settings=\{'data': \{'label_c"
    ):
        in_memory.read(Path(in_memory.stored(pandas.DataFrame({"path": ["1.png"]}), cache=tmp_path)), Data())
    with pytest.raises(
        DataError, match=r"^expected at least two classes in the images given; got one, 'a'\. Give images of two"
    ):
        in_memory.read(Path(in_memory.stored(np.zeros((2, 4, 4), np.uint8), ["a", "a"], tmp_path)), Data())
