import logging
import zlib
from pathlib import Path

import numpy as np
import pytest

from striate.data import folders, pixel_cache, pixel_cache_integrity
from striate.data.decode import InputSpec
from support.shape_images import make_folder

PIXELS = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 3), np.uint8)  # 48 bytes an image


@pytest.fixture(autouse=True)
def three_in_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_cache_integrity, "_BLOCK_BYTES", 150)


def sums() -> list[int]:
    found = pixel_cache_integrity.Sums(PIXELS.shape)
    for pixels_HWC in PIXELS:
        found.add(pixels_HWC)
    return found.done()


def test_each_block_has_the_sum_of_its_bytes():
    assert sums() == [zlib.crc32(PIXELS[first : first + 3].tobytes()) for first in (0, 3, 6, 9)]
    assert pixel_cache_integrity.Sums(PIXELS.shape).done() == []


def test_a_changed_bit_is_found_wherever_it_is():
    pixel_cache_integrity.check(PIXELS, sums(), turn=0)
    for row in range(10):
        changed = PIXELS.copy()
        changed[row, 3, 2, 1] ^= 16
        first = row // 3 * 3
        with pytest.raises(ValueError, match=rf"pixels.npy has changed between images {first} and {min(first + 3, 10)}"):
            pixel_cache_integrity.check(changed, sums(), turn=row)
    with pytest.raises(ValueError, match="3 sums for 4 blocks of pixels"):
        pixel_cache_integrity.check(PIXELS, sums()[:3], turn=0)


def test_of_a_large_store_each_turn_reads_other_blocks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pixel_cache_integrity, "_CHECKED_BYTES", 240)  # half of the 480
    changed = PIXELS.copy()
    changed[4] ^= 1
    pixel_cache_integrity.check(changed, sums(), turn=0)
    with pytest.raises(ValueError, match="between images 3 and 6"):
        pixel_cache_integrity.check(changed, sums(), turn=1)


def test_a_flipped_bit_in_a_store_is_noticed_and_mended(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    examples, input_spec = folders.read(make_folder(tmp_path / "photos", each=4)), InputSpec(8, 3, "squash")
    (tmp_path / "photos" / "circle" / "000.png").write_bytes(b"")
    expected = np.array(pixel_cache.build(examples, input_spec, tmp_path / "cache").pixels_NHWC)
    (path,) = tmp_path.glob("cache/pixels/*/pixels.npy")
    content = bytearray(path.read_bytes())
    content[-300] ^= 1  # in the last image; after it lies the place of the one that is bad
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, "striate"):
        again = pixel_cache.build(examples, input_spec, tmp_path / "cache")
    assert "is damaged (pixels.npy has changed between images" in caplog.text
    assert np.array_equal(again.pixels_NHWC, expected)
