from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset

from striate.base.errors import DataError
from striate.data import labeled_objects

IMAGES = np.zeros((3, 4, 4), np.uint8)


class Named(TensorDataset):
    classes = ("cat", "dog")


def labels(data: Any, given: Any = None) -> list[str | None]:
    return [label for _, label in labeled_objects.read(data, given).rows()]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a", "b", "a"], ["a", "b", "a"]),
        (("a", "b", "a"), ["a", "b", "a"]),
        ([1, 2, 10], ["1", "2", "10"]),
        (np.array([1, 2, 10], np.int16), ["1", "2", "10"]),
        (np.array([1.0, 2.0, 10.0]), ["1", "2", "10"]),
        (np.array(["a", "b", "a"]), ["a", "b", "a"]),
        (torch.tensor([1, 2, 10]), ["1", "2", "10"]),
        ([np.int64(1), torch.tensor(2), 10], ["1", "2", "10"]),
        ([True, False, True], ["True", "False", "True"]),
        ([[1], [2], [10]], ["1", "2", "10"]),
        (np.array([[1], [2], [10]]), ["1", "2", "10"]),
        (np.eye(3)[[1, 0, 2]], ["1", "0", "2"]),
        (torch.eye(4, dtype=torch.int64)[:3], ["0", "1", "2"]),
        ((word for word in "aba"), ["a", "b", "a"]),
    ],
)
def test_labels_are_the_names_of_classes(given: Any, expected: list[str]):
    assert labels(IMAGES, given) == expected


def test_series_of_tables_are_labels():
    pandas, polars = pytest.importorskip("pandas", reason="of pandas"), pytest.importorskip("polars", reason="of polars")
    for series in (pandas.Series(["a", "b", "a"], index=[7, 8, 9]), pandas.Series(["a", "b", "a"], dtype="category"),
                   polars.Series(["a", "b", "a"])):  # fmt: skip
        assert labels(IMAGES, series) == ["a", "b", "a"]
        assert labels(series, [1, 2, 1]) == ["1", "2", "1"], "a column of paths"
    for missing in (pandas.Series(["a", None, "b"]), pandas.Series([1, None, 2], dtype="Int64"), polars.Series([1, None, 2])):
        with pytest.raises(DataError, match=r"1 of 3 are None, NaN or empty, at 1. Leave these images out, or label them"):
            labels(IMAGES, missing)


def test_images_and_labels_as_a_pair():
    assert labels((IMAGES, ["a", "b", "a"])) == ["a", "b", "a"]


def test_a_list_of_pairs_and_two_pairs_of_arrays():
    assert labels([(IMAGES[0], "a"), (IMAGES[1], 2)]) == ["a", "2"]
    source = labeled_objects.read(((IMAGES, np.array([[1], [0], [1]])), (IMAGES[:1], np.array([[0]]))), None)
    assert ([label for _, label in source.rows()], source.parts) == (["1", "0", "1", "0"], ["train"] * 3 + ["test"])


def test_a_glob_means_its_files_by_name(tmp_path: Path):
    for name in ("b.png", "a.png", "c.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "d.png").mkdir()
    rows = labeled_objects.read(f"{tmp_path}/*.png", ["1", "2"]).rows()
    assert list(rows) == [(str(tmp_path / "a.png"), "1"), (str(tmp_path / "b.png"), "2")]
    with pytest.raises(DataError, match=r"got '.*/\*.gif', and no file matches it\."):
        labels(f"{tmp_path}/*.gif", ["1"])
    with pytest.raises(DataError, match=r"the labels of a folder or a table are in it\."):
        labels(tmp_path, ["1"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["a", "b"], "expected a label for each image; got 3 images and 2 labels"),
        (None, r"expected labels=..., one for each image. Where the folder of an image is its class: labels=\[Path"),
        ("cat", "expected labels as a list, an array or a column of a table; got str 'cat'"),
        (["a", None, float("nan")], "2 of 3 are None, NaN or empty, at 1 and 2. Leave these images out"),
        (np.array(["a", " ", "b"]), "1 of 3 are None, NaN or empty, at 1"),
        ([["a", None], ["a"], ["b"]], r"label 0: expected a list of labels, empty where the image has none; got \['a', None\]"),
        (np.array([[1, 1], [1, 0], [0, 1]]), "expected the names of the labels of each image; got rows of 0 and 1, which have"),
        ([0.5, 1, 2], "label 0: .*; got a float, 0.5. Give each image one class"),
        ([b"a", b"b", b"a"], "label 0: .*; got a bytes, b'a'"),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit_are_refused(given: Any, message: str):
    with pytest.raises(DataError, match=message):
        labels(IMAGES, given)


def test_all_missing_labels_are_named_up_to_ten():
    with pytest.raises(DataError, match="12 of 13 are None, NaN or empty, at 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"):
        labels(np.zeros((13, 4, 4), np.uint8), [None] * 12 + ["a"])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((3, 16), np.uint8), r"expected images as an array N x H x W, .*; got the shape \(3, 16\). Reshape it"),
        (7, "expected a path; a glob, .*; got int"),
        (b"bytes", "got bytes"),
        (IMAGES[:0], "got 0 images and 3 labels"),
    ],
)
def test_images_of_another_kind_are_refused(data: Any, message: str):
    with pytest.raises(DataError, match=message):
        labels(data, ["a", "b", "c"])


def test_no_images_at_all_are_refused():
    for data in (([], []), (IMAGES[:0], []), TensorDataset(torch.zeros(0, 1), torch.zeros(0))):
        with pytest.raises(DataError, match=r"expected images with labels; got (none|an empty data set)\."):
            labels(data)


def test_a_data_set_of_torch_has_its_labels():
    tensors = torch.zeros(3, 1, 4, 4, dtype=torch.uint8), torch.tensor([1, 0, 1])
    assert labels(TensorDataset(*tensors)) == ["1", "0", "1"]
    assert labels(Named(*tensors)) == ["dog", "cat", "dog"]
    assert labels(Subset(Named(*tensors), [2, 1])) == ["dog", "cat"]


def test_a_folder_of_torchvision_s_is_read_by_its_files_unless_it_transforms_them(tmp_path: Path):
    datasets = pytest.importorskip("torchvision.datasets", reason="of torchvision")
    for name in ("cat/1.png", "dog/1.png"):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(IMAGES[0]).save(tmp_path / name)
    plain, smaller = datasets.ImageFolder(tmp_path), datasets.ImageFolder(tmp_path, lambda image: image.resize((2, 2)))
    assert list(labeled_objects.read(plain, None).rows()) == [
        (f"{tmp_path}/cat/1.png", "cat"),
        (f"{tmp_path}/dog/1.png", "dog"),
    ]
    assert [(image.size, label) for image, label in labeled_objects.read(smaller, None).rows()] == [
        ((2, 2), "cat"),
        ((2, 2), "dog"),
    ]


def test_data_sets_that_cannot_be_read_by_position_are_refused():
    class Stream(IterableDataset[Any]):
        def __iter__(self) -> Any:
            return iter(())

    tensors = torch.zeros(3, 1, 4, 4), torch.tensor([1, 0, 2])
    with pytest.raises(DataError, match="expected a data set with a length and items by position; got Stream"):
        labels(Stream())
    with pytest.raises(DataError, match=r"expected a data set, not its loader; give loader.dataset"):
        labels(DataLoader(TensorDataset(*tensors)))
    with pytest.raises(DataError, match="label 2: expected a number from 0 to 1, as there are 2 names; got 2"):
        labels(Named(*tensors))
    with pytest.raises(DataError, match=r"item 0: expected \(image, label\); got tuple"):
        labels(TensorDataset(tensors[0]))


def test_parts_by_name():
    source = labeled_objects.read({"train": (IMAGES, ["a", "b", "a"]), "test": (IMAGES[:1], ["b"])}, None)
    assert (source.total, source.parts) == (4, ["train", "train", "train", "test"])
    assert [label for _, label in source.rows()] == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("data", "given", "message"),
    [
        ({"images": IMAGES, "labels": [1, 2, 3]}, None, "by train, val and test, .*; got 'images' and 'labels'"),
        ({"train": IMAGES}, [1, 2, 3], "got labels beside it"),
        ({}, None, "got nothing"),
    ],
)
def test_other_dictionaries_are_refused(data: Any, given: Any, message: str):
    with pytest.raises(DataError, match=message):
        labels(data, given)
