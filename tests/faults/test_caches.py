"""What the caches hold is made anew where one bit of it has changed, a file is cut short, or an entry is another's."""

import logging
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from striate.base.errors import DecodeError
from striate.data import decode, folders, image_facts, pixel_cache
from striate.data.decode import Decoded, InputSpec
from striate.data.examples import Examples
from striate.nets.factory import build
from striate.training.transfer import feature_cache
from support.shape_images import make_folder

SPEC = InputSpec(8, 3, "squash")
BITS = 8


def flips(content: bytes, count: int) -> list[int]:
    """So many bits of a file, drawn once; all of them where it has no more."""
    bits = range(len(content) * BITS)
    return sorted(random.Random(0).sample(bits, min(count, len(bits))))


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // BITS] ^= 1 << bit % BITS
    path.write_bytes(content)


def decoded_here(paths: Any, input_spec: InputSpec | None, _workers: object = None) -> Iterator[Decoded]:
    """As `decode.stream`, without a process: the images are ours."""
    for path in paths:
        try:
            pixels_HWC = decode.decode_image(path, (255, 255, 255))
            yield Decoded(input_spec and decode.square(pixels_HWC, input_spec), image_facts.measure(pixels_HWC), None)
        except DecodeError as error:
            yield Decoded(None, None, str(error))


class Store:
    """Twelve files, of which two cannot be decoded, and their entry in the cache."""

    def __init__(self, folder: Path) -> None:
        self.cache, photos = folder / "cache", make_folder(folder / "photos", each=4)
        (photos / "circle" / "001.png").write_bytes(b"")
        (photos / "square" / "002.png").write_bytes(b"no image")
        self.examples: Examples = folders.read(photos)
        self.expected = self.read()
        (self.entry,) = (path.parent for path in self.cache.glob("pixels/*/store.json"))

    def read(self) -> list[Any]:
        """All that the rest of the program takes from it."""
        kept = pixel_cache.build(self.examples, SPEC, self.cache)
        columns = (kept.sizes_N2, kept.gray_N, kept.pixel_hash_N, kept.means_N3, kept.squares_N3)
        pixels = np.asarray(kept.pixels_NHWC).tobytes()
        return [kept.examples.names, kept.examples.quarantined, pixels, *(column.tolist() for column in columns)]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(decode, "stream", decoded_here)
    return Store(tmp_path)


STORE_FILES = ("store.json", "sizes_N2.npy", "thumbs_NSS.npy", "contents.npy", "pixels.npy", "MANIFEST.sha256")


def flip_in_store(store: Store, name: str, count: int, caplog: pytest.LogCaptureFixture) -> None:
    path = store.entry / name
    whole = path.read_bytes()
    for bit in flips(whole, count):
        flip(path, bit)
        caplog.clear()
        with caplog.at_level(logging.WARNING, "striate"):
            assert store.read() == store.expected, bit
        if bit // BITS in unread(name, whole):
            path.write_bytes(whole)
        else:
            assert f"The pixel cache {store.entry} is damaged (" in caplog.text, bit
            assert caplog.text.strip().endswith("); it is rebuilt."), bit


def unread(name: str, content: bytes) -> set[int]:
    """The bytes that nothing reads: the room of the two bad images, and the SHA-256 of pixels.npy and of marks.bin.

    Pixels have other sums; marks that differ cost a comparison of the files' contents.
    """
    if name == "pixels.npy":
        return set(range(len(content) - 2 * 8 * 8 * 3, len(content)))
    if name == "MANIFEST.sha256":
        ends = [content.index(b"  " + other) for other in (b"pixels.npy", b"marks.bin")]
        return {byte for end in ends for byte in range(end - 64, end)}
    return set()


@pytest.mark.parametrize("name", STORE_FILES)
def test_a_flipped_bit_in_the_pixel_cache_moves_no_image_and_no_quarantine(
    name: str, store: Store, caplog: pytest.LogCaptureFixture
):
    flip_in_store(store, name, 17, caplog)


@pytest.mark.soak
@pytest.mark.parametrize("name", STORE_FILES)
def test_thousands_of_bits_of_the_pixel_cache(name: str, store: Store, caplog: pytest.LogCaptureFixture):
    flip_in_store(store, name, 3000, caplog)


@pytest.mark.parametrize(("before", "after"), [('"1"', '"2"'), ('"count": 10', '"count": 9'), ("empty file", "another")])
def test_an_edited_store_is_rebuilt(before: str, after: str, store: Store, caplog: pytest.LogCaptureFixture):
    path = store.entry / "store.json"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    with caplog.at_level(logging.WARNING, "striate"):
        assert store.read() == store.expected
    assert f"{path} has changed since it was written: expected SHA-256" in caplog.text


def test_an_entry_under_the_name_of_another_is_rebuilt(store: Store, caplog: pytest.LogCaptureFixture):
    other = pixel_cache.build(store.examples, SPEC._replace(resize_mode="crop"), store.cache)
    (path,) = (path.parent for path in store.cache.glob("pixels/*/store.json") if path.parent != store.entry)
    del other
    shutil.rmtree(store.entry)
    path.rename(store.entry)
    with caplog.at_level(logging.WARNING, "striate"):
        assert store.read() == store.expected
    assert f"is damaged (it is the store {path.name}); it is rebuilt." in caplog.text


# ---- features


class Images(NamedTuple):
    """What `load_or_compute` hands to `compute`, which is replaced."""

    steps: int = 1


class Features:
    """Features of 9 images by two layers, in the cache."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.net, self.passes = folder, build("lenet5", (1, 32, 32), 3), 0
        self.values = [np.random.default_rng(seed).normal(size=(9, 4)).astype(np.float32) for seed in (0, 1)]
        monkeypatch.setattr(feature_cache, "compute", self.compute)
        self.read()

    def compute(self, _net: object, _batches: object, reads: Sequence[str | None], *_more: object) -> list[Any]:
        self.passes += 1
        return [self.values[0 if read is None else 1] for read in reads]

    def read(self) -> list[Any]:
        images: Any = Images()
        cached = feature_cache.load_or_compute(self.folder, self.net, images, {"images": "a", "changed": None}, [None, "pool2"])
        return [np.array(values_MD) for values_MD in cached.values]


@pytest.fixture
def features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Features:
    return Features(tmp_path / "features", monkeypatch)


FEATURE_FILES = ("values.npy", "about.json", "MANIFEST.sha256")


def flip_in_features(features: Features, name: str, count: int, caplog: pytest.LogCaptureFixture) -> None:
    path = next(features.folder.glob(f"*/{name}"))
    for bit in flips(path.read_bytes(), count):
        passes = features.passes
        flip(path, bit)
        caplog.clear()
        with caplog.at_level(logging.WARNING, "striate"):
            assert np.array_equal(features.read(), features.values), bit
        assert "Features in the cache are damaged (" in caplog.text, bit
        assert features.passes == passes + 1, bit


@pytest.mark.parametrize("name", FEATURE_FILES)
def test_a_flipped_bit_in_kept_features_is_noticed_and_they_are_computed_anew(
    name: str, features: Features, caplog: pytest.LogCaptureFixture
):
    flip_in_features(features, name, 40, caplog)


@pytest.mark.soak
@pytest.mark.parametrize("name", FEATURE_FILES)
def test_thousands_of_bits_of_kept_features(name: str, features: Features, caplog: pytest.LogCaptureFixture):
    flip_in_features(features, name, 3000, caplog)


def test_features_cut_short_or_gone_are_computed_anew(features: Features):
    for name in FEATURE_FILES:
        path = next(features.folder.glob(f"*/{name}"))
        path.write_bytes(path.read_bytes()[:-1])
        assert np.array_equal(features.read(), features.values)
        path.unlink()
        assert np.array_equal(features.read(), features.values)


def test_features_under_the_name_of_others_are_computed_anew(features: Features, caplog: pytest.LogCaptureFixture):
    one, other = sorted(path for path in features.folder.iterdir())
    shutil.rmtree(one)
    shutil.copytree(other, one)
    with caplog.at_level(logging.WARNING, "striate"):
        assert np.array_equal(features.read(), features.values)
    assert f"({one} holds other features)" in caplog.text
