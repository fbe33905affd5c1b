import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.base.errors import DecodeError
from striate.data import decode, image_facts
from striate.data.decode import InputSpec, decode_image, square
from striate.data.file_facts import FileFacts
from striate.data.image_facts import measure

pytestmark = pytest.mark.children

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, bits: int, color: int, content: bytes, hidden: bytes = b"") -> bytes:
    """A PNG chunk by chunk, for what Pillow does not write; `hidden` is its transparent color."""

    def chunk(kind: bytes, inside: bytes) -> bytes:
        return struct.pack(">I", len(inside)) + kind + inside + struct.pack(">I", zlib.crc32(kind + inside))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0))
    between = chunk(b"tRNS", hidden) if hidden else b""
    return b"\x89PNG\r\n\x1a\n" + header + between + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims this size."""
    return png(width, height, 8, 2, b"")


def refused(source: bytes | Path) -> str:
    with pytest.raises(DecodeError) as reason:
        decode_image(source, WHITE)
    return str(reason.value)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_give_their_pixels(kind: str):
    assert np.array_equal(decode_image(encoded(Image.fromarray(RGB), kind), WHITE), RGB)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
def test_lossy_formats_give_about_their_pixels(kind: str):
    smooth = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    pixels = decode_image(encoded(Image.fromarray(smooth), kind), WHITE)
    assert np.abs(pixels.astype(int) - smooth).max() <= 4


def test_a_gray_image_has_one_channel_however_it_is_stored():
    gray = RGB[..., 0]
    for image in (Image.fromarray(gray), Image.fromarray(gray).convert("RGB"), Image.fromarray(gray).convert("P")):
        assert np.array_equal(decode_image(encoded(image), WHITE)[..., 0], gray)
        assert decode_image(encoded(image), WHITE).shape == (5, 7, 1)
    assert decode_image(encoded(Image.fromarray(gray).convert("1")), WHITE).shape == (5, 7, 1)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_never_clipped(kind: str):
    ramp = np.linspace(0, 65535, 256 * 4).astype(np.uint16).reshape(32, 32)
    pixels = decode_image(encoded(Image.fromarray(ramp), kind), WHITE)[..., 0]
    assert np.abs(pixels - ramp / 257).max() <= 0.5 + 1e-9
    assert (pixels.min(), pixels.max()) == (0, 255)


def sixteen(values: list[int], kind: str = "PNG") -> bytes:
    return encoded(Image.fromarray(np.array([values], np.uint16)), kind)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([0, 1], "pixels from 0 to 1 would become at most 1 of 256 levels; say which value is white, as in data.white_level=1"),
        ([3, 1000], "pixels from 3 to 1000 would become at most 5 of 256 levels; say which value is white, as in "
         "data.white_level=1023"),
        ([0, 4095], "pixels from 0 to 4095 would become at most 17 of 256 levels; say which value is white, as in "
         "data.white_level=4095"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_that_would_be_all_but_black_are_refused(values: list[int], reason: str, kind: str):
    assert refused(sixteen(values, kind)) == f"{reason} (65535 takes it as it is)"


def test_a_white_level_spreads_what_an_image_uses_and_clips_nothing():
    assert decode_image(sixteen([0, 1]), WHITE, 1)[0, :, 0].tolist() == [0, 255]
    assert decode_image(sixteen([0, 1000, 4095]), WHITE, 4095)[0, :, 0].tolist() == [0, 62, 255]  # 1000 * 255 / 4095 = 62.3
    assert decode_image(sixteen([0, 1000]), WHITE, 65535)[0, :, 0].tolist() == [0, 4]  # 1000 / 257 = 3.9
    with pytest.raises(DecodeError, match=r"pixels from 0 to 5000; expected 0 to 4095, which is data\.white_level"):
        decode_image(sixteen([0, 5000]), WHITE, 4095)
    assert np.array_equal(decode_image(encoded(Image.fromarray(RGB)), WHITE, 4095), RGB), "eight bits stay as they are"


def test_what_is_black_or_uses_its_range_needs_no_white_level():
    assert decode_image(sixteen([0, 0]), WHITE)[0, :, 0].tolist() == [0, 0]
    assert decode_image(sixteen([0, 4300]), WHITE)[0, :, 0].tolist() == [0, 17]  # 4300 / 257 = 16.7


def test_thirty_two_bits_and_floats_are_treated_alike():
    def tiff(values: list[float], kind: type) -> bytes:
        return encoded(Image.fromarray(np.array([values], kind)), "TIFF")

    assert "data.white_level=255 (" in refused(tiff([0, 200], np.int32))
    assert decode_image(tiff([0, 100_000], np.int32), WHITE, 200_000)[0, :, 0].tolist() == [0, 128]  # 127.5, to the even one
    assert "data.white_level=0.01 (1 takes it as it is)" in refused(tiff([0, 0.01], np.float32))
    assert "data.white_level=12 (255 takes it as it is)" in refused(tiff([0, 12], np.float32))
    assert decode_image(tiff([0, 2048, 4096], np.float32), WHITE, 4096)[0, :, 0].tolist() == [0, 128, 255]


def test_sixteen_bits_of_each_color_that_would_be_all_but_black_are_refused():
    dark = png(2, 1, 16, 2, struct.pack(">B6H", 0, 0, 1000, 4095, 7, 8, 9))
    assert refused(dark) == "16-bit color below 4112 of 65535 would become at most 16 of 256 levels; save it with 8 bits"
    bright = png(2, 1, 16, 2, struct.pack(">B6H", 0, 0, 1000, 65535, 7, 8, 9))
    with pytest.raises(DecodeError, match=r"16-bit color is read by its upper 8 bits, so data\.white_level does not apply"):
        decode_image(bright, WHITE, 4095)
    assert decode_image(bright, WHITE, 65535).max() == 255


def test_sixteen_bits_of_each_color_are_scaled_too():
    row = [0, 255, 65535, 40_000, 32_768, 1_000]  # two pixels
    pixels = decode_image(png(2, 1, 16, 2, struct.pack(">B6H", 0, *row)), WHITE)
    assert np.abs(pixels.ravel() - np.array(row) / 257).max() <= 1


def test_a_transparent_level_of_sixteen_bits_is_composited():
    content = struct.pack(">B3H", 0, 0, 32_768, 32_769)
    plain = png(3, 1, 16, 0, content)
    assert decode_image(plain, BLACK)[0, :, 0].tolist() == [0, 128, 128]
    hidden = png(3, 1, 16, 0, content, hidden=struct.pack(">H", 32_768))
    assert decode_image(hidden, (10, 20, 30))[0].tolist() == [[0, 0, 0], [10, 20, 30], [128, 128, 128]]


def test_floats_are_taken_in_two_ranges_and_refused_in_others():
    def tiff(values: list[list[float]]) -> bytes:
        return encoded(Image.fromarray(np.array(values, np.float32)), "TIFF")

    assert decode_image(tiff([[0.0, 0.5, 1.0]]), WHITE)[0, :, 0].tolist() == [0, 128, 255]
    assert decode_image(tiff([[0.0, 100.4, 255.0]]), WHITE)[0, :, 0].tolist() == [0, 100, 255]
    assert refused(tiff([[-1.0, 2.0]])) == "floating-point pixels from -1 to 2; expected 0 to 1 or 0 to 255"
    assert refused(tiff([[float("nan")]])) == "pixels that are not finite"
    assert "32-bit pixels from 0 to 70000; expected 16 bits" in refused(
        encoded(Image.fromarray(np.array([[0, 70000]], np.int32)), "TIFF")
    )


def test_transparency_is_composited_on_the_background():
    red, blue = Image.new("RGBA", (1, 1), (255, 0, 0, 0)), Image.new("RGBA", (1, 1), (0, 0, 255, 0))
    assert np.array_equal(decode_image(encoded(red), WHITE), decode_image(encoded(blue), WHITE))
    assert decode_image(encoded(red), (10, 20, 30))[0, 0].tolist() == [10, 20, 30]
    half = Image.new("RGBA", (1, 1), (200, 100, 0, 128))
    # (200 * 128 + 255 * 127) / 255 and so on, rounded
    assert decode_image(encoded(half), WHITE)[0, 0].tolist() == [227, 177, 127]
    assert decode_image(encoded(Image.new("LA", (1, 1), (100, 0))), BLACK)[0, 0].tolist() == [0]
    assert decode_image(encoded(Image.new("LA", (1, 1), (100, 51))), WHITE)[0, 0].tolist() == [224]  # 100 / 5 + 255 * 4 / 5


def test_a_transparent_color_of_a_palette_is_composited_too():
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0])
    assert decode_image(encoded(image, transparency=0), BLACK)[0].tolist() == [[0, 0, 0], [0, 255, 0]]
    # one alpha for each color of the palette: red by a fifth, green whole
    assert decode_image(encoded(image, transparency=b"\x33\xff"), WHITE)[0].tolist() == [[255, 204, 204], [0, 255, 0]]
    gray = Image.fromarray(np.array([[7, 8]], np.uint8))
    assert decode_image(encoded(gray, transparency=7), (1, 2, 3))[0].tolist() == [[1, 2, 3], [8, 8, 8]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_all_turns_of_exif_give_the_same_image(turn: int, kind: str):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    image = Image.fromarray(RGB)
    stored = image.transpose(undo[turn]) if turn in undo else image
    exif = Image.Exif()
    exif[0x0112] = turn
    options = {"lossless": True} if kind == "WEBP" else {}
    assert np.array_equal(decode_image(encoded(stored, kind, exif=exif, **options), WHITE), RGB)


def test_sixteen_bits_are_turned_too():
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(np.array([[257, 514, 7710]], np.uint16))
    assert decode_image(encoded(stored, exif=exif), WHITE)[..., 0].tolist() == [[1], [2], [30]]


@pytest.mark.parametrize(
    ("inks", "color"),
    [
        ((0, 255, 255, 0), (255, 0, 0)),
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((0, 0, 0, 0), (255, 255, 255)),
        ((51, 102, 0, 127), (102, 77, 128)),  # (255 - ink) (255 - black) / 255
    ],
)
def test_cmyk_is_converted(inks: tuple[int, int, int, int], color: tuple[int, int, int]):
    pixels = decode_image(encoded(Image.new("CMYK", (8, 8), inks), "JPEG", quality=100), WHITE)
    assert np.abs(pixels.astype(int) - color).max() <= 3


def test_a_image_of_several_bands_is_whole(monkeypatch: pytest.MonkeyPatch):
    content, alpha = encoded(Image.fromarray(RGB)), np.full((5, 7, 1), 128, np.uint8)
    glass = encoded(Image.fromarray(np.concatenate([RGB, alpha], axis=2)))
    deep = encoded(Image.fromarray(RGB[..., 0].astype(np.uint16) * 257))
    at_once = [decode_image(glass, BLACK), measure(RGB)]
    for module in (decode, image_facts):
        monkeypatch.setattr(module, "BAND_PIXELS", 14)  # two rows of seven; the last band has one
    assert np.array_equal(decode_image(content, WHITE), RGB)
    assert np.array_equal(decode_image(deep, WHITE)[..., 0], RGB[..., 0])
    assert np.array_equal(decode_image(glass, BLACK), at_once[0])
    assert measure(RGB) == at_once[1]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_is_taken(kind: str):
    frames = [Image.new("RGB", (4, 4), color) for color in ((255, 0, 0), (0, 255, 0))]
    content = encoded(
        frames[0], kind, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "WEBP" else {})
    )
    assert decode_image(content, WHITE)[0, 0].tolist() == [255, 0, 0]


def test_the_content_decides_and_not_the_name(tmp_path: Path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(Image.fromarray(RGB)))
    assert np.array_equal(decode_image(path, WHITE), RGB)
    psd = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 5, 7, 8, 3) + bytes(12) + bytes(2 + 3 * 35)
    others = [encoded(Image.fromarray(RGB), kind) for kind in ("EPS", "PDF", "ICO", "PPM", "TGA", "PCX")]
    for content in (*others, psd):
        path.write_bytes(content)
        assert refused(path).startswith("not one of the formats JPEG, PNG, WEBP, BMP, GIF, TIFF, AVIF")


def test_limits_are_checked_before_a_pixel_is_decoded():
    assert refused(png_claiming(40_000, 10)) == "a side of 40,000 pixels; at most 30,000"
    assert refused(png_claiming(9_000, 9_000)) == "81 megapixels; at most 64"
    assert refused(png_claiming(60_000, 60_000)) == "more than 64 megapixels"


def test_what_is_not_whole_is_refused(tmp_path: Path):
    content = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)), "JPEG")
    assert refused(content[: len(content) // 2]).startswith("cannot be decoded: image file is truncated")
    assert refused(b"") == "empty file"
    assert refused(b"<svg xmlns='http://www.w3.org/2000/svg'/>") == "SVG is a drawing, not an image; save it as PNG"
    assert "No such file" in refused(tmp_path / "absent")
    assert refused(b"<?xml version='1.0'?>\n<svg/>") == "SVG is a drawing, not an image; save it as PNG"


def test_what_is_no_file_is_refused_unopened_and_left_closed(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    first = os.dup(0)  # the number that the next open file gets
    os.close(first)
    for path in (tmp_path / "pipe", tmp_path):
        assert refused(path) == "not a regular file"
    assert next(iter(decode.stream([tmp_path / "pipe"], None))).reason == "not a regular file"
    after = os.dup(0)
    os.close(after)
    assert after == first


def test_heic_without_its_extra_names_the_fix(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    content = b"\x00\x00\x00\x18ftypheic" + bytes(40)
    assert refused(content) == "HEIC needs pillow-heif: pip install 'striate[heic]'"


def test_the_child_says_what_the_parent_would(tmp_path: Path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(encoded(Image.fromarray(RGB)))
    bad.write_bytes(b"nothing")
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    odd.write_bytes(good.read_bytes())
    input_spec = InputSpec(4, 3, "pad")
    verdicts = list(decode.stream([good, bad, odd], input_spec))
    assert verdicts[0].pixels_HWC is not None
    assert np.array_equal(verdicts[0].pixels_HWC, square(decode_image(good, WHITE), input_spec))
    assert verdicts[0].facts == measure(RGB)._replace(file=FileFacts("PNG"))
    assert verdicts[1] == decode.Decoded(None, None, refused(bad))
    assert verdicts[2].facts == verdicts[0].facts
    assert next(iter(decode.stream([good], None))).pixels_HWC is None


def test_every_hostile_file_gets_the_same_verdict_in_the_child_and_here(shared_data: Path):
    paths = sorted(path for path in (shared_data / "hostile").iterdir() if path.suffix != ".tsv")
    assert len(paths) > 100
    for path, verdict in zip(paths, decode.stream(paths, InputSpec(32, 3, "pad")), strict=True):
        try:
            expected = measure(decode_image(path, WHITE)), None
        except DecodeError as error:
            expected = None, str(error)
        facts = None if verdict.facts is None else verdict.facts._replace(file=FileFacts())  # of the pixels alone
        assert (facts, verdict.reason) == expected, path.name
        assert (verdict.pixels_HWC is None) == (verdict.reason is not None)


STREAM = """
import resource, sys
from pathlib import Path
from striate.data import decode, image_facts
paths = sorted(path for path in Path(sys.argv[1]).iterdir() if path.suffix != ".tsv")
for _ in decode.stream(paths[:1], decode.InputSpec(32, 3, "pad")):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = [verdict.reason for verdict in decode.stream(paths, decode.InputSpec(32, 3, "pad"))]
print(len(found) == len(paths), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_hostile_files_cost_the_parent_nothing(shared_data: Path):
    command = [sys.executable, "-c", STREAM, str(shared_data / "hostile")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    all_have_a_verdict, grown_kb = ended.stdout.split()
    assert all_have_a_verdict == "True"
    assert int(grown_kb) < 16_000
    assert ended.stderr == ""


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "P"), ("JPEG", "CMYK"), ("TIFF", "F")])
def test_a_image_at_the_limit_fits_into_the_memory_of_the_child(tmp_path: Path, kind: str, mode: str):
    path = tmp_path / "large"
    level = {"P": 1, "CMYK": (200, 100, 50, 128), "F": 0.5}[mode]
    options = {"compress_level": 1, "transparency": 0} if mode == "P" else {}
    Image.new(mode, (8000, 8000), level).save(path, kind, **options)
    (verdict,) = decode.stream([path], InputSpec(2, 3, "squash"))
    assert verdict.reason is None
    assert verdict.facts is not None
    assert verdict.facts[:2] == (8000, 8000)
