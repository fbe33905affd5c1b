from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from striate.base.config import Data
from striate.base.errors import DataError, DiskError
from striate.base.events import Json, Watch, quiet
from striate.data import sources
from support.dataset_files import write_cifar, write_idx


def read(path: object):
    return sources.read(Data(path=str(path)))


def test_each_kind_is_recognized(tmp_path: Path):
    assert len(read("digits")) == 1797
    write_idx(tmp_path, "train")
    assert len(read(tmp_path)) == 3
    (tmp_path / "table.csv").write_text("path,label\ntable.csv,a\ntrain-images-idx3-ubyte,b\n")
    assert read(tmp_path / "table.csv").classes == ("a", "b")


def test_what_is_not_there_offers_the_nearest_name():
    with pytest.raises(DataError, match=r"there is nothing at 'minst'. By name, did you mean mnist"):
        read("minst")
    with pytest.raises(DataError, match=r"there is nothing at 'my/photos'. By name, there are: cifar10, digits"):
        read("my/photos")


def test_a_pattern_needs_labels():
    with pytest.raises(DataError, match=r"got the pattern 'photos/\*/1.png'. Give the folder above the classes, or in Python"):
        read("photos/*/1.png")


def test_a_file_that_is_no_table_is_refused(tmp_path: Path):
    (tmp_path / "photo.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"expected a folder, or a table that ends in .csv, .tsv, .parquet; got the file"):
        read(tmp_path / "photo.png")


def test_a_folder_of_cifar_s_batches_is_recognized(tmp_path: Path):
    write_cifar(tmp_path)
    assert read(tmp_path).classes == ("airplane", "automobile", "bird", "truck")


def test_a_folder_with_the_name_of_a_data_set_is_written_with_a_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("digits/a/1", "digits/b/2"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    assert len(read("digits")) == 1797
    assert read("./digits").names == ("a/1", "b/2")


def test_the_folder_of_named_data_is_passed_on(tmp_path: Path):
    (tmp_path / "mnist").mkdir()
    write_idx(tmp_path / "mnist", "train")
    assert len(sources.read(Data(path="mnist", data_dir=str(tmp_path)))) == 3


def test_an_empty_folder_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"expected images by class in .*; found none that can be used\."):
        read(tmp_path)


def test_a_path_that_no_file_can_have_is_a_sentence():
    with pytest.raises(DiskError, match=r"cannot read xxxx+: File name too long \(errno 36\)\."):
        read("x" * 400)


def test_within_a_command_a_source_is_listed_once(tmp_path: Path):
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"")
    data = Data(path=str(tmp_path))
    with sources.listing():
        before = sources.read(data)
        (tmp_path / "a/3.png").write_bytes(b"")
        with sources.listing():
            assert sources.read(data) is before
        assert len(sources.read(Data(path=str(tmp_path), split_seed=1))) == 3
    assert len(sources.read(data)) == 3


def test_images_in_a_parquet_file_are_taken_out_under_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    columns = {"image": [b"1", b"2", b"3"], "label": ["a", "b", "b"]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "images.parquet")
    events: list[Json] = []

    @sources.listed_once
    def command(path: Path, watch: Watch = quiet) -> int:
        return len(read(path)) + len(read(path))

    assert command(tmp_path / "images.parquet", events.append) == 6
    assert [event["event"] for event in events if event["done"] == event["total"]] == ["collect", "keep"]
    assert {event["total"] for event in events} == {3}


@pytest.mark.parametrize(("file", "what"), [("run.toml", "a run"), ("model.json", "a model")])
def test_a_run_or_a_model_is_not_taken_for_images(tmp_path: Path, file: str, what: str):
    (tmp_path / file).write_text("")
    with pytest.raises(DataError, match=f"expected a folder of images by class; got {what} of striate, .* Give the images as"):
        sources.read(Data(path=str(tmp_path)))
