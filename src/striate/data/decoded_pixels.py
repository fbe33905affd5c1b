"""The pixels of files for predictions, by child processes that measure nothing else of them.

What is known of an image besides (`image_facts`) takes as long to compute as to decode a photograph.
"""

from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from striate.base import worker_pool
from striate.base.child_process import Answer
from striate.data import decode
from striate.data.decode import Decoded, InputSpec

CHILD = "striate.data.decoded_pixels:in_child"


def stream(paths: Iterable[Path], input_spec: InputSpec) -> Generator[Decoded]:
    """The verdict on each file, in order, without its facts; close the iterator to end the child processes early."""
    with closing(decode.children(CHILD, paths, input_spec, worker_pool.workers(None))) as answers:
        yield from verdicts(answers, input_spec)


def verdicts(answers: Iterable[Answer], input_spec: InputSpec) -> Generator[Decoded]:
    """What the answers of children that run `in_child` mean."""
    shape = (input_spec.size_px, input_spec.size_px, input_spec.channels)
    for answer in answers:
        if answer.error is not None:
            yield Decoded(None, None, answer.error, outage=answer.outage)
        else:
            yield Decoded(np.frombuffer(answer.payload, np.uint8).reshape(shape), None, None)


def in_child(argument: Any, content: bytes = b"") -> tuple[object, bytes]:
    """What a child runs for one file."""
    content, input_spec = decode.parse_request(argument, content)
    assert input_spec is not None
    levels_HWC = decode.decode_image(content, input_spec.background, input_spec.white_level)
    return None, decode.square(levels_HWC, input_spec).tobytes()
