import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from striate.base.errors import DataError, DecodeError, SettingError, ShapeError
from striate.data import image_inputs
from striate.data.decode import InputSpec

SPEC = InputSpec(2, 3, "squash")
RED = np.array([[[255, 0, 0]] * 2] * 2, np.uint8)  # 2 x 2 x 3
BLUE = RED[..., ::-1].copy()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """red.png and, in a folder, blue.png, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("more").mkdir()
    for name, pixels in (("red.png", RED), ("more/blue.png", BLUE)):
        Image.fromarray(pixels).save(name)
    return tmp_path


def decoded(images: object) -> tuple[list[Any], bool]:
    """The pixels of each image, and whether it is one."""
    inputs = image_inputs.read(images)
    return [image.decode(SPEC) for image in inputs.images], inputs.single


def names(images: object) -> list[str]:
    return [image.name for image in image_inputs.read(images).images]


SINGLE: dict[str, Callable[[], object]] = {
    "path": lambda: Path("red.png"),
    "text": lambda: "red.png",
    "bytes": lambda: Path("red.png").read_bytes(),
    "memory of bytes": lambda: memoryview(Path("red.png").read_bytes()),
    "file": lambda: io.BytesIO(Path("red.png").read_bytes()),
    "Pillow": lambda: Image.open("red.png"),
    "array": lambda: RED,
    "array of floats": lambda: RED / 255,
    "array with opacity": lambda: np.dstack([RED, np.full((2, 2), 255, np.uint8)]),
    "tensor": lambda: torch.from_numpy(RED).permute(2, 0, 1),
    "tensor of floats": lambda: torch.from_numpy(RED).permute(2, 0, 1) / 255,
    "tensor of halves": lambda: (torch.from_numpy(RED).permute(2, 0, 1) / 255).to(torch.bfloat16).requires_grad_(),
    "tensor with its channels last": lambda: torch.from_numpy(RED),
    "row of a data set": lambda: {"label": 3, "image": Image.fromarray(RED)},
    "row with a stored image": lambda: {"image": {"bytes": None, "path": "red.png"}, "label": 3},
}


@pytest.mark.parametrize("kind", SINGLE)
def test_one_image_however_it_is_held(folder: Path, kind: str):
    if "tensor" in kind or kind.startswith("array"):  # sides of 2 pixels are neither 1, 3 nor 4 channels
        assert RED.shape == (2, 2, 3)
    (pixels,), single = decoded(SINGLE[kind]())
    assert single
    assert pixels.tolist() == RED.tolist()


class Pairs(torch.utils.data.Dataset[Any]):
    """A data set that ends by its length alone, as PyTorch's need."""

    def __init__(self, images: list[Any]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, n: int) -> Any:
        return self.images[min(n, len(self) - 1)]


BOTH: dict[str, Callable[[], object]] = {
    "list": lambda: ["red.png", Path("more/blue.png")],
    "tuple of many kinds": lambda: (RED, Path("more/blue.png").read_bytes()),
    "list of tensors": lambda: [torch.from_numpy(image).permute(2, 0, 1) for image in (RED, BLUE)],
    "generator": lambda: (image for image in (RED, Image.fromarray(BLUE))),
    "array": lambda: np.stack([RED, BLUE]),
    "array of paths": lambda: np.array(["red.png", "more/blue.png"]),
    "array of objects": lambda: np.array([Path("red.png"), Path("more/blue.png")]),
    "array with its channels first": lambda: np.moveaxis(np.stack([RED, BLUE]), 3, 1),
    "tensor": lambda: torch.from_numpy(np.stack([RED, BLUE])).permute(0, 3, 1, 2),
    "tensor with its channels last": lambda: torch.from_numpy(np.stack([RED, BLUE])) / 255,
    "glob and folder": lambda: ["r*.png", "more"],
    "data set of images": lambda: Pairs([RED, Image.fromarray(BLUE)]),
    "data set of pairs": lambda: Pairs([(RED, 0), (torch.from_numpy(BLUE), 1)]),
    "data set of rows": lambda: Pairs([{"image": RED, "label": 0}, {"image": BLUE, "label": 1}]),
}


@pytest.mark.parametrize("kind", BOTH)
def test_several_images_however_they_are_held(folder: Path, kind: str):
    pixels, single = decoded(BOTH[kind]())
    assert not single
    assert [image.tolist() for image in pixels] == [RED.tolist(), BLUE.tolist()]


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_tables_and_their_columns(folder: Path, library: str):
    module = pytest.importorskip(library)
    make = module.table if library == "pyarrow" else module.DataFrame
    paths, content = ["red.png", "more/blue.png"], [Path(name).read_bytes() for name in ("red.png", "more/blue.png")]
    for column in (paths, content):
        table = make({"label": ["x", "y"], "Path": column})
        for given in (table, *([table["Path"]] if library != "pyarrow" else [])):
            pixels, single = decoded(given)
            assert not single
            assert [image.tolist() for image in pixels] == [RED.tolist(), BLUE.tolist()]
    assert len(decoded(make({"alone": paths}))[0]) == 2
    with pytest.raises(
        SettingError, match=r"expected a column called image, .* or filepath; got 'a' and 'b'. Give the column alone."
    ):
        image_inputs.read(make({"a": paths, "b": paths}))


def test_an_empty_cell_is_a_reason_and_not_the_end(folder: Path):
    pandas = pytest.importorskip("pandas")
    for empty in (None, float("nan"), pandas.NA):
        first, second = image_inputs.read(pandas.Series([empty, "red.png"], dtype=object)).images
        assert second.decode(SPEC).tolist() == RED.tolist()
        with pytest.raises(DecodeError, match="an empty cell"):
            first.decode(SPEC)


def test_a_data_set_of_hugging_face_is_decoded_by_the_one_decoder(folder: Path):
    datasets = pytest.importorskip("datasets")
    rows = {
        "image": [{"bytes": Path("red.png").read_bytes(), "path": None}, {"bytes": b"no image", "path": "x.png"}],
        "label": [0, 1],
    }
    data = datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())
    good, bad = image_inputs.read(data).images
    assert good.decode(SPEC).tolist() == RED.tolist()
    assert (good.name, bad.name) == ("[0]", "x.png")
    with pytest.raises(DecodeError, match="not one of the formats"):
        bad.decode(SPEC)
    with pytest.raises(SettingError, match=r"expected one part of a data set; got train and test. Give data\['test'\]."):
        image_inputs.read(datasets.DatasetDict({"train": data, "test": data}))


def test_one_image_of_gray_as_an_array_of_one_row_of_images_or_none():
    gray = np.arange(4, dtype=np.uint8).reshape(2, 2)
    color = np.repeat(gray[..., None], 3, axis=2).tolist()
    for given, single in ((gray, True), (gray[None], False), (gray[..., None], True), (torch.from_numpy(gray[None]), True)):
        pixels, is_single = decoded(given)
        assert [image.tolist() for image in pixels] == [color]
        assert is_single == single
    assert len(decoded(np.zeros((5, 2, 2), np.uint8))[0]) == 5
    for none in (np.zeros((0, 2, 2, 3), np.uint8), np.zeros((0, 2, 2), np.uint8), []):
        assert decoded(none) == ([], False)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 224, 3), np.uint8), r"an array of 3 x 224 x 3 may be H x W x C or C x H x W. Give PIL images"),
        (torch.zeros(3, 224, 3), r"an array of 3 x 224 x 3 may be H x W x C or C x H x W. Give PIL images"),
        (torch.zeros(5, 3, 9, 3), r"an array of 5 x 3 x 9 x 3 may be N x H x W x C or N x C x H x W"),
        (
            np.zeros((3, 9, 9), np.uint8),
            r"of 3 x 9 x 9 may be 3 gray images, or one in color with its channels first. Give array\[",
        ),
        (torch.zeros(4, 9, 9), r"an array of 4 x 9 x 9 may be 4 gray images, or one in color with its channels first"),
        (np.zeros(9, np.uint8), r"expected an image as H x W, .* or a batch N x H x W x C; got 9\."),
        (np.zeros((2, 9, 9, 2), np.uint8), r"of 1, 3 or 4 channels, or a batch N x H x W x C; got 2 x 9 x 9 x 2"),
        (np.zeros((9, 0, 3), np.uint8), r"got 9 x 0 x 3"),
    ],
)
def test_shapes_that_are_no_image_s_or_of_two(array: Any, message: str):
    with pytest.raises(ShapeError, match=message):
        image_inputs.read(array)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((2, 2), 2.0), r"expected uint8, or floats in \[0, 1\]; got float64 from 2 to 2. Scale them to 0..255"),
        (torch.full((3, 2, 2), -0.5), r"expected uint8, or floats in \[0, 1\]; got float32 from -0.5 to -0.5"),
        (np.full((2, 2), np.nan), r"expected uint8, or floats in \[0, 1\]; 4 of 4 are NaN"),
        (np.full((2, 2), 256), r"expected whole numbers from 0 to 255; got int64 from 256 to 256"),
        (np.zeros((2, 2, 3), np.uint16), r"expected uint8, .*, or gray of uint16; got uint16"),
    ],
)
def test_values_that_are_no_pixels(array: Any, message: str):
    with pytest.raises(DecodeError, match=message):
        list(image_inputs.read(array).images)


def test_floats_are_rounded_to_the_nearest_level_and_more_bits_go_by_the_white_level():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for dtype in (torch.float32, torch.float64, torch.float16):
        (image,) = image_inputs.read(torch.from_numpy(levels).to(dtype) / 255).images
        assert image.source[..., 0].tolist() == levels.tolist()  # type: ignore[index]
    (wide,) = image_inputs.read(np.full((2, 2), 1000, np.uint16)).images
    assert np.unique(wide.decode(SPEC._replace(white_level=4095))).tolist() == [62]  # 1000 * 255 / 4095 = 62.3


def test_transparent_pixels_of_an_array_lie_on_the_background():
    clear = np.zeros((2, 2, 4), np.uint8)
    (image,) = image_inputs.read(clear).images
    assert image.decode(SPEC._replace(background=(9, 8, 7)))[0, 0].tolist() == [9, 8, 7]


def test_names_are_paths_or_positions(folder: Path):
    with Path("red.png").open("rb") as file:
        assert names([RED, "./red.png", file, Image.open("more/blue.png"), {"bytes": b"", "path": "a"}]) == [
            "[0]", "red.png", "red.png", "more/blue.png", "a"
        ]  # fmt: skip
    assert names(np.stack([RED, BLUE])) == ["[0]", "[1]"]


def test_files_of_folders_and_globs_that_were_listed_before_are_left_out(folder: Path):
    assert names(["more/blue.png", ".", "*.png", "red.png"]) == ["more/blue.png", "red.png", "red.png"]
    assert names("**/*.png") == ["more/blue.png", "red.png"]
    assert not image_inputs.read("red.p*").single


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        ("absent.png", DataError, "expected a file, a folder or a glob that matches files; there is nothing at absent.png"),
        (["red.png", "absent*"], DataError, "there is nothing at absent"),
        ("void", DataError, "expected images in the folder void; it holds none."),
        (7, SettingError, "expected images: a path, .* a table or a data set, or a list of images; got int."),
        (None, SettingError, "or a list of images; got NoneType"),
    ],
)
def test_what_is_not_there_or_no_image_is_refused_before_any_is_read(folder: Path, images: object, error: Any, message: str):
    Path("void").mkdir()
    with pytest.raises(error, match=message):
        image_inputs.read(images)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        ([7], SettingError, "expected an image as a path, .* an array or a tensor; got int."),
        ([None], SettingError, "an array or a tensor; got NoneType."),
        ([io.StringIO("x")], SettingError, "an array or a tensor; got StringIO."),
        (
            [np.zeros((5, 2, 2, 3), np.uint8)],
            ShapeError,
            "expected one image at each place of a list; got a batch 5 x 2 x 2 x 3",
        ),
    ],
)
def test_what_is_no_image_in_a_list(images: object, error: Any, message: str):
    with pytest.raises(error, match=message):
        names(images)


def test_nothing_is_read_before_its_turn():
    read: list[int] = []

    class Watched(Pairs):
        def __getitem__(self, n: int) -> Any:
            read.append(n)
            return super().__getitem__(n)

    images = image_inputs.read(Watched([RED] * 5)).images
    assert read == []
    next(images)
    assert read == [0]
