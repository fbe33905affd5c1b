import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from striate.base.errors import DataError
from striate.data import image_objects

LEVELS = np.arange(30, dtype=np.uint8).reshape(2, 5, 3) * 8
GRAY = LEVELS[..., 0]
FIRST = np.moveaxis(LEVELS, 2, 0)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (LEVELS, LEVELS),
        (GRAY, GRAY[..., None]),
        (GRAY[..., None], GRAY[..., None]),
        (LEVELS.astype(np.int64), LEVELS),
        (GRAY > 100, (GRAY > 100)[..., None] * 255),
        (LEVELS / 255, LEVELS),
        (LEVELS.astype(np.float32) / 255, LEVELS),
        ((LEVELS / np.float32(255)).astype(np.float16), LEVELS),
        (LEVELS[:, ::-1], LEVELS[:, ::-1]),
        (FIRST, LEVELS),
        (FIRST[:1], GRAY[..., None]),
        (torch.from_numpy(LEVELS), LEVELS),
        (torch.from_numpy(FIRST.copy()).requires_grad_(False), LEVELS),
        ((torch.from_numpy(FIRST.copy()) / 255).requires_grad_(), LEVELS),
        (Image.fromarray(LEVELS), LEVELS),
        (Image.fromarray(GRAY), GRAY[..., None]),
    ],
)
def test_what_has_levels_of_8_bits_is_an_array(image: object, expected: np.ndarray):
    plain = image_objects.plain(image)
    assert isinstance(plain, np.ndarray)
    assert plain.dtype == np.uint8
    assert plain.tolist() == expected.tolist()


def test_three_rows_of_three_channels_are_read_as_each_package_has_them():
    cube = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    assert np.array_equal(image_objects.plain(cube), cube)
    assert np.array_equal(image_objects.plain(torch.from_numpy(cube)), np.moveaxis(cube, 0, 2))


def test_images_of_other_kinds_are_written_as_files_without_loss():
    rgba = np.concatenate([LEVELS, LEVELS[..., :1]], axis=2)
    deep = GRAY.astype(np.uint16) * 200
    for image in (rgba, deep, Image.fromarray(LEVELS).convert("P"), Image.fromarray(LEVELS).convert("CMYK")):
        plain = image_objects.plain(image)
        assert isinstance(plain, Image.Image)
        content, _ = image_objects.as_file(plain)
        with Image.open(io.BytesIO(content)) as again:
            assert again.mode == plain.mode
            assert np.array_equal(np.asarray(again), np.asarray(plain))


def test_the_bytes_of_a_file_stay_as_they_are(tmp_path: Path):
    buffer = io.BytesIO()
    Image.fromarray(LEVELS).save(buffer, "JPEG")
    (tmp_path / "a").write_bytes(buffer.getvalue())
    with (tmp_path / "a").open("rb") as file:
        file.seek(3)
        given = (buffer.getvalue(), bytearray(buffer.getvalue()), {"bytes": buffer.getvalue(), "path": "a.jpg"}, file)
        assert {image_objects.as_file(image_objects.plain(image)) for image in given} == {(buffer.getvalue(), ".jpg")}
        assert file.tell() == 3


def test_a_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for path in ("a.png", Path("a.png"), "./b/../a.png", {"bytes": None, "path": "a.png"}):
        assert image_objects.plain(path) == tmp_path / "a.png"


def test_an_image_is_turned_as_its_exif_says():
    image = Image.fromarray(LEVELS)
    image.getexif()[0x0112] = 6
    assert np.array_equal(image_objects.plain(image), np.rot90(LEVELS, -1))
    assert image.size == (5, 2), "the image itself is not turned"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (GRAY * 0.5, r"got float64 from 0 to 108. Scale them to 0..255 and convert: images.astype\('uint8'\); where they"),
        (LEVELS / 255 - 0.5, "got float64 from -0.5 to"),
        (LEVELS / 256, r"levels of 8 bits, k / 255; got float64 up to 0\.\d\d levels away"),
        (np.full((2, 2), np.nan), r"expected uint8, or floats in \[0, 1\]; 4 of 4 are NaN\. Leave the image out, or fill"),
        (LEVELS.astype(np.int32) * 2, "expected whole numbers from 0 to 255; got int32 from 0 to 464"),
        (LEVELS.astype(complex), r"floats in \[0, 1\], or gray of uint16; got complex128"),
        (np.zeros((2, 4, 5), np.uint8), r"C = 1, 3 or 4; got the shape \(2, 4, 5\)"),
        (np.zeros((0, 4), np.uint8), r"got the shape \(0, 4\)"),
        (np.zeros(4, np.uint8), r"got the shape \(4,\)"),
        (7, "expected a path, the bytes of a file, .*; got int"),
        (None, "got NoneType"),
        ({"bytes": None, "path": None}, "got dict"),
        (io.StringIO("text"), r"opened in binary, as by open\(path, 'rb'\); got one opened as text"),
    ],
)  # fmt: skip
def test_what_is_no_image_is_refused(image: object, message: str):
    with pytest.raises(DataError, match=message):
        image_objects.plain(image)
