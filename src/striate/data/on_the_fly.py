"""Decoding on the fly: images too many to keep decoded are decoded whenever their rows are requested, ahead of use.

`DecodedOnTheFly` stands where an array of pixels stands, and gives the same bytes. `read` goes through rows of either.

Legend: N images, M rows of a group, H x W pixels, C channels.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from striate.base import addresses
from striate.base.child_process import Answer
from striate.base.errors import DataError
from striate.data import decode, image_facts
from striate.data.decode import InputSpec
from striate.data.examples import Examples

Group = TypeVar("Group")
_AHEAD = 64


class PixelRows(Protocol):
    """What is needed of N images: an array has it, and so has `DecodedOnTheFly`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows_M: NDArray[np.int64], /) -> Any:
        """uint8, M x H x W x C."""


class DecodedOnTheFly:
    """Images by row, uint8, decoded in child processes each time; one whose `pixel_hash_N` has changed is refused."""

    def __init__(self, examples: Examples, input_spec: InputSpec, pixel_hash_N: NDArray[np.uint64], workers: int) -> None:
        self.examples, self.input_spec, self.pixel_hash_N, self.workers = examples, input_spec, pixel_hash_N, workers
        self.shape = (len(examples), input_spec.size_px, input_spec.size_px, input_spec.channels)
        self._running: list[Generator[Answer]] = []

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, rows_M: NDArray[np.int64], /) -> NDArray[np.uint8]:
        (pixels_MHWC,) = (pixels for _, pixels in self.each([rows_M], lambda rows: rows, _AHEAD))
        return pixels_MHWC

    def each(
        self, groups: Iterable[Group], rows: Callable[[Group], NDArray[np.int64]], ahead: int
    ) -> Generator[tuple[Group, NDArray[np.uint8]]]:
        """Each group with the pixels of its rows; at most `ahead` images are decoded before they are asked for."""
        if self.examples.pixels_NHWC is not None:
            for group in groups:
                yield group, self._resized(rows(group))
            return
        drawn: deque[Group] = deque()

        def paths() -> Iterator[Path]:
            for group in groups:
                drawn.append(group)
                for row in rows(group):
                    yield self.examples.root / self.examples.names[row]

        answers = decode.children("striate.data.on_the_fly:in_child", paths(), self.input_spec, self.workers, ahead)
        self._running.append(answers)
        try:
            first = next(answers, None)
            while drawn:
                group = drawn.popleft()
                wanted_M = rows(group)
                pixels_MHWC = np.empty((len(wanted_M), *self.shape[1:]), np.uint8)
                for position, row in enumerate(wanted_M):
                    assert first is not None
                    pixels_MHWC[position] = self._checked(first, int(row))
                    if position + 1 < len(wanted_M):
                        first = next(answers, None)
                yield group, pixels_MHWC
                if len(wanted_M):
                    first = next(answers, None)
        finally:
            answers.close()
            self._running.remove(answers)

    def close(self) -> None:
        """End the processes of every reading that was left half-way, as an error or an interruption leaves it."""
        for answers in tuple(self._running):
            answers.close()

    def _resized(self, rows_M: NDArray[np.int64]) -> NDArray[np.uint8]:
        assert self.examples.pixels_NHWC is not None
        whole = (decode.canonical(self.examples.pixels_NHWC[row]) for row in rows_M)
        squares = [decode.square(pixels_HWC, self.input_spec) for pixels_HWC in whole]
        return np.stack(squares) if squares else np.empty((0, *self.shape[1:]), np.uint8)

    def _checked(self, answer: Answer, row: int) -> NDArray[np.uint8]:
        if answer.error is None and answer.value == int(self.pixel_hash_N[row]):
            return np.frombuffer(answer.payload, np.uint8).reshape(self.shape[1:])
        name = addresses.shown(self.examples.root / self.examples.names[row])
        if answer.outage:
            raise DataError(
                f"{name} is not decoded, in two tries: {answer.error}. The disk or the machine may be the reason: resume with "
                "--resume once it is well."
            )
        what = "it is another image now" if answer.error is None else f"it cannot be decoded any more: {answer.error}"
        raise DataError(f"{name} has changed since this run first decoded it: {what}. Restore it, then resume with --resume.")


def in_child(argument: Any, content: bytes = b"") -> tuple[object, bytes]:
    """What a child runs for one file: the hash of its pixels, and the pixels of the spec."""
    content, input_spec = decode.parse_request(argument, content)
    assert input_spec is not None
    levels_HWC = decode.decode_image(content, input_spec.background, input_spec.white_level)
    return image_facts.pixel_hash(levels_HWC), decode.square(levels_HWC, input_spec).tobytes()


def read(
    pixels_NHWC: PixelRows, groups: Iterable[Group], rows: Callable[[Group], NDArray[np.int64]], ahead: int = _AHEAD
) -> Generator[tuple[Group, NDArray[np.uint8]]]:
    """Each group with the pixels of its rows, in order; of images decoded on the fly the next `ahead` are decoded meanwhile.

    Groups may be drawn early, and by another thread.
    """
    if isinstance(pixels_NHWC, DecodedOnTheFly):
        with closing(pixels_NHWC.each(groups, rows, ahead)) as answers:
            yield from answers
        return
    for group in groups:
        yield group, pixels_NHWC[rows(group)]


def in_chunks(pixels_NHWC: PixelRows, rows_M: NDArray[np.int64], chunk: int) -> Iterator[NDArray[np.uint8]]:
    """The pixels of M rows, so many rows at a time."""
    parts = (rows_M[start : start + chunk] for start in range(0, len(rows_M), chunk))
    return (pixels for _, pixels in read(pixels_NHWC, parts, lambda rows: rows))
