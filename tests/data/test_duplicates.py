import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from striate.data.decode import canonical, decode_image
from striate.data.duplicates import near_duplicates
from striate.data.image_alignment import correlation
from striate.data.image_facts import Facts, measure, small_copies
from striate.data.small_copies import of_facts

COUNT = 24


def texture(number: int, side: int = 96) -> Image.Image:
    """Colored spots of several sizes, other ones for each number."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(0, 256, (6, 6, 3)).astype(np.uint8)
    fine = rng.integers(0, 256, (14, 14, 3)).astype(np.uint8)
    layers = [Image.fromarray(levels).resize((side, side), Image.Resampling.BICUBIC) for levels in (coarse, fine)]
    return Image.blend(*layers, 0.4)


def facts_of(image: Image.Image) -> Facts:
    return measure(canonical(np.asarray(image)))


def jpeg(image: Image.Image, quality: int = 80, orientation: int = 1) -> Image.Image:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    image.save(buffer, "JPEG", quality=quality, exif=exif)
    return Image.fromarray(decode_image(buffer.getvalue(), (255, 255, 255)))


def search(facts: list[Facts]) -> list[tuple[int, int]]:
    return [(int(first), int(second)) for first, second in near_duplicates(of_facts(facts)).pairs_P2]


EDITS = {
    "re-encoded": lambda image: jpeg(image, 30),
    "half the size": lambda image: image.resize((48, 48)),
    "twice the size": lambda image: image.resize((192, 192)),
    "mirrored": lambda image: jpeg(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "cropped": lambda image: jpeg(image.crop((4, 1, 94, 92))),
    "turned, EXIF lost": lambda image: jpeg(image.transpose(Image.Transpose.ROTATE_90)),
    "turned, with EXIF": lambda image: jpeg(image.transpose(Image.Transpose.ROTATE_90), orientation=6),
    "brighter": lambda image: jpeg(ImageEnhance.Brightness(image).enhance(1.2)),
    "gray": lambda image: image.convert("L").convert("RGB"),
}


@pytest.mark.parametrize("kind", EDITS)
def test_copies_are_found_and_nothing_else(kind: str):
    originals = [texture(number) for number in range(COUNT)]
    copies = [EDITS[kind](image) for image in originals]
    assert search([facts_of(image) for image in [*originals, *copies]]) == [(place, place + COUNT) for place in range(COUNT)]


def test_many_images_are_compared_cell_by_cell():
    originals = [texture(number, 40) for number in range(1100)]
    copies = [jpeg(image.crop((1, 0, 40, 39))) for image in originals[:50]]
    pairs = search([facts_of(image) for image in [*originals, *copies]])
    assert len(pairs) >= 49
    assert set(pairs) <= {(place, place + 1100) for place in range(50)}


def test_small_images_and_flat_ones_are_left_to_equal_pixels():
    small = [texture(number, 31) for number in range(4)]
    assert search([facts_of(image) for image in [*small, *map(jpeg, small)]]) == []
    strokes = np.full((64, 64, 3), 255, np.uint8)
    strokes[20:24, 10:50] = 0
    thicker = strokes.copy()
    thicker[24, 10:50] = 0
    assert search([facts_of(Image.fromarray(levels)) for levels in (strokes, thicker)]) == []


def test_drawings_on_paper_must_agree_better_than_photographs():
    drawing = np.full((64, 64, 3), 255, np.uint8)
    drawing[8:40, 8:40] = np.asarray(texture(5, 32))  # three quarters are paper
    bolder = drawing.copy()
    bolder[40:44, 8:40] = 0  # correlates by 0.97
    images = [Image.fromarray(levels) for levels in (drawing, bolder)]
    assert search([facts_of(images[0]), facts_of(jpeg(images[0], 90))]) == [(0, 1)]
    assert search([facts_of(image) for image in images]) == []


def shape(color: tuple[int, int, int], seed: int) -> Image.Image:
    """A square on a dark ground with colored noise, as the quickstart draws."""
    pixels = np.random.default_rng(seed).integers(0, 60, (32, 32, 3)).astype(np.uint8)
    pixels[9:22, 8:21] = color
    return Image.fromarray(pixels)


def test_drawings_of_one_shape_in_other_colors_are_no_near_duplicates():
    pink, green, violet = (250, 190, 200), (190, 240, 180), (200, 180, 250)
    shapes = [shape(color, seed) for seed, color in enumerate((pink, green, violet))]
    assert search([facts_of(image) for image in [*shapes, *map(jpeg, shapes)]]) == [(0, 3), (1, 4), (2, 5)]
    gray = [facts_of(image.convert("L").convert("RGB")) for image in shapes]
    assert len(search(gray)) == 3, "by their brightness alone they are alike"


def test_an_image_of_16_pixels_is_compared_with_a_larger_one():
    large = texture(3, 32)
    assert search([facts_of(large), facts_of(large.resize((16, 16)))]) == [(0, 1)]
    assert search([facts_of(large), facts_of(large.resize((15, 15)))]) == []


def test_images_that_are_like_many_others_are_alike_by_nature():
    frames = [facts_of(jpeg(texture(1), 60 + place)) for place in range(18)]
    found = near_duplicates(of_facts(frames))
    assert found.pairs_P2.tolist() == []
    assert found.alike_M.tolist() == list(range(18))
    fewer = near_duplicates(of_facts(frames[:17]))
    assert len(fewer.pairs_P2) == 17 * 16 // 2
    assert len(fewer.alike_M) == 0


def test_no_images_have_no_pairs():
    assert near_duplicates(of_facts([])).pairs_P2.tolist() == []


def test_the_gray_copy_is_the_mean_of_what_it_stands_for():
    columns = np.repeat(np.arange(64, dtype=np.uint8)[None, :, None], 64, axis=0)
    copy = np.frombuffer(small_copies(columns).thumb, np.uint8).reshape(32, 32)
    assert (
        copy[5, 10:20].tolist() == [round(2 * place + 0.5) for place in range(10, 20)]
        or (np.abs(copy[5, 10:20] - (2 * np.arange(10, 20) + 0.5)) <= 1).all()
    )
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 100
    assert set(small_copies(red).thumb) == {30}  # 0.299 of 100


def wave(shift: float, scale: float = 1.0) -> NDArray[np.float32]:
    places = (np.arange(32) - 15.5) * scale + shift
    return (100 + 50 * np.sin(places / 4)[None, :] + 30 * np.cos(places / 5)[:, None]).astype(np.float32)[None]


def test_a_shift_a_scale_and_brightness_are_undone():
    plain = wave(0.0)
    assert correlation(plain, plain)[0] == pytest.approx(1.0)
    assert correlation(plain, 0.5 * plain + 20)[0] == pytest.approx(1.0)
    moved = wave(1.5, 0.95)
    raw = np.corrcoef(plain[0, 2:-2, 2:-2].ravel(), moved[0, 2:-2, 2:-2].ravel())[0, 1]
    assert raw < 0.95
    assert correlation(plain, moved)[0] > 0.995
    assert correlation(plain, 255 - plain)[0] < 0.5
    assert correlation(plain, moved, enough=0.5)[0] == pytest.approx(raw), "what is enough at once is not aligned"
