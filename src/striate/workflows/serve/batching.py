"""Micro-batches: what waits while the model is busy is answered by its next pass, without waiting for more.

An image is in no batch after its deadline, and what nobody waits for any more is left out.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from striate.data.image_facts import Pixels
from striate.workflows.serve.loaded_model import Inferred
from striate.workflows.serve.refusals import Refusal, internal_fault

log = logging.getLogger("striate")


class _Waiting(NamedTuple):
    pixels_HWC: Pixels
    answer: asyncio.Future[Inferred]


class Batcher:
    """Collects images of requests that run at the same time; at most `most` are given to `infer` at once."""

    def __init__(
        self, infer: Callable[[Pixels], Awaitable[list[Inferred]]], most: int, observe: Callable[[int], None] = lambda _: None
    ) -> None:
        self._infer, self._most, self._observe = infer, most, observe
        self._waiting: deque[_Waiting] = deque()
        self._came = asyncio.Event()
        self._task = asyncio.create_task(self._work())

    async def submit(self, images: Sequence[Pixels]) -> list[Inferred]:
        """What is said of these images, in order.

        Raises Refusal: what `infer` raises for a batch that has one of them, or of 500, where it raises something else.
        """
        entries = [_Waiting(image, asyncio.get_running_loop().create_future()) for image in images]
        self._waiting.extend(entries)
        self._came.set()
        try:
            return list(await asyncio.gather(*(entry.answer for entry in entries)))
        finally:
            for entry in entries:
                entry.answer.cancel()

    async def close(self) -> None:
        """Answer nothing more."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _work(self) -> None:
        while True:
            await self._came.wait()
            self._came.clear()
            while batch := self._next():
                await self._answer(batch)

    def _next(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < self._most:
            entry = self._waiting.popleft()
            if not entry.answer.done():
                batch.append(entry)
        return batch

    async def _answer(self, batch: list[_Waiting]) -> None:
        self._observe(len(batch))
        try:
            answers = await self._infer(np.stack([entry.pixels_HWC for entry in batch]))
            if len(answers) != len(batch):
                raise ValueError(f"expected {len(batch)} answers of the model; got {len(answers)}.")
        except Exception as error:  # whatever it is, the next batch is answered
            refusal = error if isinstance(error, Refusal) else internal_fault()
            if refusal is not error:
                log.error("A batch of %d images failed.", len(batch), exc_info=error)
            for entry in batch:
                if not entry.answer.done():
                    entry.answer.set_exception(refusal)
            return
        for entry, answer in zip(batch, answers, strict=True):
            if not entry.answer.done():
                entry.answer.set_result(answer)
