"""Pixels alone: those, and the refusals, that `decode.stream` gives."""

from pathlib import Path

import numpy as np

from striate.data import decode, decoded_pixels
from striate.data.decode import InputSpec
from support.odd_images import odd_images

SPEC = InputSpec(24, 3, "crop", share=0.875)


def test_they_are_those_of_the_decoder_that_measures_too(tmp_path: Path):
    paths = [*odd_images(tmp_path), tmp_path / "absent.png"]
    both = list(zip(decoded_pixels.stream(paths, SPEC), decode.stream(paths, SPEC), strict=True))
    assert len(both) == len(paths)
    for plain, measured in both:
        assert (plain.reason, plain.outage) == (measured.reason, measured.outage)
        assert plain.facts is None
        assert (plain.pixels_HWC is None) == (measured.pixels_HWC is None) == (plain.reason is not None)
        assert plain.pixels_HWC is None or np.array_equal(plain.pixels_HWC, measured.pixels_HWC)
    assert 0 < sum(plain.reason is None for plain, _ in both) < len(paths)
