import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from striate.base.errors import DecodeError
from striate.images import decode
from striate.images.decode import Look, facts, picture, square

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims this size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def refused(source: bytes | Path) -> str:
    with pytest.raises(DecodeError) as reason:
        picture(source, WHITE)
    return str(reason.value)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_give_their_pixels(kind: str):
    assert np.array_equal(picture(encoded(Image.fromarray(RGB), kind), WHITE), RGB)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
def test_lossy_formats_give_about_their_pixels(kind: str):
    smooth = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    found = picture(encoded(Image.fromarray(smooth), kind), WHITE)
    assert np.abs(found.astype(int) - smooth).max() <= 4


def test_a_grey_picture_has_one_channel_however_it_is_stored():
    grey = RGB[..., 0]
    for image in (Image.fromarray(grey), Image.fromarray(grey).convert("RGB"), Image.fromarray(grey).convert("P")):
        assert np.array_equal(picture(encoded(image), WHITE)[..., 0], grey)
        assert picture(encoded(image), WHITE).shape == (5, 7, 1)
    assert picture(encoded(Image.fromarray(grey).convert("1")), WHITE).shape == (5, 7, 1)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_never_clipped(kind: str):
    ramp = np.linspace(0, 65535, 256 * 4).astype(np.uint16).reshape(32, 32)
    found = picture(encoded(Image.fromarray(ramp), kind), WHITE)[..., 0]
    assert np.abs(found - ramp / 257).max() <= 0.5 + 1e-9
    assert (found.min(), found.max()) == (0, 255)


def test_floats_are_taken_in_two_ranges_and_refused_in_others():
    def tiff(values: list[list[float]]) -> bytes:
        return encoded(Image.fromarray(np.array(values, np.float32)), "TIFF")

    assert picture(tiff([[0.0, 0.5, 1.0]]), WHITE)[0, :, 0].tolist() == [0, 128, 255]
    assert picture(tiff([[0.0, 100.4, 255.0]]), WHITE)[0, :, 0].tolist() == [0, 100, 255]
    assert refused(tiff([[-1.0, 2.0]])) == "floating-point pixels from -1 to 2; expected 0 to 1 or 0 to 255"
    assert refused(tiff([[float("nan")]])) == "pixels that are not finite"
    assert "32-bit pixels from 0 to 70000; expected 16 bits" in refused(
        encoded(Image.fromarray(np.array([[0, 70000]], np.int32)), "TIFF")
    )


def test_transparency_is_composited_on_the_background():
    red, blue = Image.new("RGBA", (1, 1), (255, 0, 0, 0)), Image.new("RGBA", (1, 1), (0, 0, 255, 0))
    assert np.array_equal(picture(encoded(red), WHITE), picture(encoded(blue), WHITE))
    assert picture(encoded(red), (10, 20, 30))[0, 0].tolist() == [10, 20, 30]
    half = Image.new("RGBA", (1, 1), (200, 100, 0, 128))
    # (200 * 128 + 255 * 127) / 255 and so on, rounded
    assert picture(encoded(half), WHITE)[0, 0].tolist() == [227, 177, 127]
    assert picture(encoded(Image.new("LA", (1, 1), (100, 0))), BLACK)[0, 0].tolist() == [0]


def test_a_transparent_colour_of_a_palette_is_composited_too():
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0])
    assert picture(encoded(image, transparency=0), BLACK)[0].tolist() == [[0, 0, 0], [0, 255, 0]]


@pytest.mark.parametrize("turn", range(1, 9))
def test_all_turns_of_exif_give_the_same_picture(turn: int):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    image = Image.fromarray(RGB)
    stored = image.transpose(undo[turn]) if turn in undo else image
    exif = Image.Exif()
    exif[0x0112] = turn
    assert np.array_equal(picture(encoded(stored, exif=exif), WHITE), RGB)


def test_cmyk_is_converted():
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    found = picture(encoded(image, "JPEG", quality=100), WHITE)
    assert np.abs(found.astype(int) - (255, 0, 0)).max() <= 3


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_is_taken(kind: str):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    content = encoded(
        frames[0], kind, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "WEBP" else {})
    )
    assert picture(content, WHITE)[0, 0].tolist() == [255, 0, 0]


def test_the_content_decides_and_not_the_name(tmp_path: Path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(Image.fromarray(RGB)))
    assert np.array_equal(picture(path, WHITE), RGB)
    for kind in ("EPS", "PDF", "ICO", "PPM", "TGA", "PCX"):
        path.write_bytes(encoded(Image.fromarray(RGB), kind))
        assert refused(path).startswith("not one of the formats JPEG, PNG, WEBP, BMP, GIF, TIFF, AVIF")


def test_limits_are_checked_before_a_pixel_is_decoded():
    assert refused(png_claiming(40_000, 10)) == "a side of 40,000 pixels; at most 30,000"
    assert refused(png_claiming(9_000, 9_000)) == "81 megapixels; at most 64"
    assert refused(png_claiming(60_000, 60_000)) == "more than 64 megapixels"


def test_what_is_not_whole_is_refused(tmp_path: Path):
    content = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)), "JPEG")
    assert refused(content[: len(content) // 2]).startswith("cannot be decoded: image file is truncated")
    assert refused(b"") == "empty file"
    assert refused(b"<svg xmlns='http://www.w3.org/2000/svg'/>") == "SVG is a drawing, not a picture; save it as PNG"
    assert "No such file" in refused(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe") == "not a regular file"


def test_heic_without_its_extra_names_the_fix():
    content = b"\x00\x00\x00\x18ftypheic" + bytes(40)
    assert refused(content) == "HEIC needs pillow-heif: pip install 'striate[heic]'"


@given(
    st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]), st.integers(1, 30), st.sampled_from([1, 3]),
    st.sampled_from(["crop", "pad", "squash"]),
)  # fmt: skip
@settings(max_examples=60)
def test_any_picture_becomes_the_square_asked_for(height: int, width: int, of: int, size: int, channels: int, fit: str):
    pixels_HWC = np.random.default_rng(0).integers(0, 256, (height, width, of), np.uint8)
    found = square(pixels_HWC, Look(size, channels, fit))
    assert found.shape == (size, size, channels)
    assert found.dtype == np.uint8


def test_a_picture_of_the_right_size_is_left_bit_for_bit():
    whole = RGB[:5, :5]
    for fit in ("crop", "pad", "squash"):
        assert np.array_equal(square(whole, Look(5, 3, fit)), whole)
    assert np.array_equal(square(whole[..., :1], Look(5, 3, "crop"))[..., 2], whole[..., 0])


def test_crop_pad_and_squash_by_hand():
    wide = np.array([[10, 20, 30, 40], [10, 20, 30, 40]], np.uint8)[..., None]
    assert square(wide, Look(2, 1, "crop"))[..., 0].tolist() == [[20, 30], [20, 30]]
    padded = square(wide, Look(4, 1, "pad", (7, 7, 7)))[..., 0]
    assert padded.tolist() == [[7] * 4, [10, 20, 30, 40], [10, 20, 30, 40], [7] * 4]
    flat = np.full((2, 6, 1), 90, np.uint8)
    assert square(flat, Look(3, 1, "squash"))[..., 0].tolist() == [[90] * 3] * 3


def test_grey_is_the_luma_of_itu_r_601():
    red = np.full((2, 2, 3), (255, 0, 0), np.uint8)
    assert square(red, Look(2, 1, "squash")).ravel().tolist() == [round(0.299 * 255)] * 4


def by_hand(pixels_HWC: NDArray[np.uint8]) -> tuple[list[float], list[float]]:
    scaled = pixels_HWC / 255
    return scaled.mean(axis=(0, 1)).tolist(), (scaled**2).mean(axis=(0, 1)).tolist()


def test_facts_by_hand():
    found = facts(RGB)
    mean, square_ = by_hand(RGB)
    assert found[:3] == (5, 7, False)
    assert list(found.mean) == pytest.approx(mean, rel=1e-6)
    assert list(found.mean_square) == pytest.approx(square_, rel=1e-6)
    grey = facts(RGB[..., :1])
    assert grey.grey
    assert list(grey.mean) == pytest.approx([mean[0]] * 3)
    assert facts(RGB.copy()).pixel_hash == found.pixel_hash
    assert facts(RGB.reshape(7, 5, 3)).pixel_hash != found.pixel_hash


def test_the_child_says_what_the_parent_would(tmp_path: Path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(encoded(Image.fromarray(RGB)))
    bad.write_bytes(b"nothing")
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    odd.write_bytes(good.read_bytes())
    look = Look(4, 3, "pad")
    found = list(decode.stream([good, bad, odd], look))
    assert found[0].pixels_HWC is not None
    assert np.array_equal(found[0].pixels_HWC, square(picture(good, WHITE), look))
    assert found[0].facts == facts(RGB)
    assert found[1] == (None, None, refused(bad))
    assert found[2].facts == found[0].facts
    assert next(iter(decode.stream([good], None))).pixels_HWC is None


def test_every_hostile_file_gets_the_same_verdict_in_the_child_and_here(shared_data: Path):
    paths = sorted(path for path in (shared_data / "hostile").iterdir() if path.suffix != ".tsv")
    assert len(paths) > 100
    for path, found in zip(paths, decode.stream(paths, Look(32, 3, "pad")), strict=True):
        try:
            expected = facts(picture(path, WHITE)), None
        except DecodeError as error:
            expected = None, str(error)
        assert (found.facts, found.reason) == expected, path.name
        assert (found.pixels_HWC is None) == (found.reason is not None)
