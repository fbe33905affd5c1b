"""Decoders that are kept: the answers of `decode.stream`, from the same processes for every list."""

from pathlib import Path

import numpy as np
from PIL import Image

from striate.data import decode
from striate.data.decode import InputSpec
from striate.data.decoder_pool import DecoderPool

SPEC = InputSpec(6, 3, "squash")


def test_every_list_has_the_answers_of_the_stream_by_the_same_children(tmp_path: Path):
    paths = [tmp_path / f"{n}.png" for n in range(80)]
    for n, path in enumerate(paths):
        Image.fromarray(np.full((6, 6, 3), n, np.uint8)).save(path)
    paths[3].write_bytes(b"no image")
    pool = DecoderPool(2)
    try:
        for given in (paths, paths[:5], []):
            answers = list(pool.stream(given, SPEC))
            for answer, expected in zip(answers, decode.stream(given, SPEC), strict=True):
                assert answer.reason == expected.reason
                assert np.array_equal(answer.pixels_HWC, expected.pixels_HWC)
        assert len(pool._children) == 2
    finally:
        pool.close()
    assert all(child.process_id is None or child.died for child in pool._children)
