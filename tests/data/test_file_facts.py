"""What a file says of its image beside the pixels."""

from calendar import timegm
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from striate.data import decode
from striate.data.file_facts import FileFacts


def facts(path: Path) -> FileFacts:
    return decode.decode_file(path, (255, 255, 255)).file


def photograph(path: Path, model: str, time: str, turned: int = 1) -> FileFacts:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model], exif[ExifTags.Base.Orientation] = "Maker", model, turned
    inner = {ExifTags.Base.DateTimeOriginal: time, ExifTags.Base.SubsecTimeOriginal: "25"}
    exif.get_ifd(ExifTags.IFD.Exif).update(inner)
    Image.new("RGB", (8, 4), (200, 30, 40)).save(path, exif=exif)
    return facts(path)


def test_camera_and_time_are_those_of_exif_also_where_the_image_is_turned(tmp_path: Path):
    seconds = timegm((2026, 11, 28, 16, 30, 5))
    first = photograph(tmp_path / "a.jpg", "One", "2026:11:28 16:30:05")
    assert first.format == "JPEG"
    assert first.taken == seconds + 0.25
    assert photograph(tmp_path / "b.jpg", "One", "2026:11:28 16:30:05", turned=6) == first
    other = photograph(tmp_path / "c.png", "Two", "2026:11:28 16:30:06")
    assert other.format == "PNG"
    assert other.taken == seconds + 1.25
    assert 0 not in (first.camera, other.camera)
    assert first.camera != other.camera


def test_without_exif_or_with_a_clock_that_was_not_set_nothing_is_known(tmp_path: Path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    assert facts(tmp_path / "a.png") == ("PNG", 0, 0.0)
    assert photograph(tmp_path / "b.jpg", "One", "0000:00:00 00:00:00").taken == 0.0


def test_the_border_is_the_mean_of_the_outermost_pixels(tmp_path: Path):
    image = np.zeros((4, 5, 3), np.uint8)
    image[0], image[-1], image[:, 0], image[:, -1] = (255, 0, 51), (255, 0, 51), (255, 0, 51), (255, 0, 51)
    Image.fromarray(image).save(tmp_path / "a.png")
    (verdict,) = decode.stream([tmp_path / "a.png"], None, 1)
    assert verdict.facts is not None
    assert verdict.facts.border == (1.0, 0.0, 0.2)
    assert verdict.facts.file == FileFacts("PNG")
