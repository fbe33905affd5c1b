"""Uploads decoded by the one decoder, in child processes with limits: what a file does to a C library is a verdict on it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from striate.base.child_process import Answer, Child
from striate.base.errors import DecodeError, StriateError
from striate.data import decoder_pool
from striate.data.decode import InputSpec
from striate.data.image_facts import Pixels
from striate.workflows.serve.refusals import Refusal

_ANY = InputSpec(1, 1, "squash")


class _Decoder(NamedTuple):
    child: Child
    thread: ThreadPoolExecutor  # of its own: Linux ends a child with the thread that started it

    def call(self, spec: InputSpec, content: bytes) -> Answer:
        try:
            return self.child.call(list(spec), content)
        except StriateError as error:
            return Answer(None, b"", str(error), outage=True)


class Decoders:
    """So many child processes, each for one file at a time."""

    def __init__(self, count: int) -> None:
        self._all = [_Decoder(decoder_pool.child_for_uploads(), ThreadPoolExecutor(1, "decoder")) for _ in range(count)]
        self._free: asyncio.Queue[_Decoder] = asyncio.Queue()
        for decoder in self._all:
            decoder.thread.submit(decoder.call, _ANY, b"no image")  # starts the child, whose first request need not wait for it
            self._free.put_nowait(decoder)

    async def decode(self, content: bytes, spec: InputSpec) -> Pixels:
        """The pixels of a file.

        Raises:
            DecodeError: why it is none that can be decoded.
            Refusal: of 503, where the machine may be the reason.

        """
        if not content:
            raise DecodeError("empty file")
        decoder = await self._free.get()
        running = asyncio.get_running_loop().run_in_executor(decoder.thread, decoder.call, spec, content)
        running.add_done_callback(lambda _: self._free.put_nowait(decoder))
        answer = await asyncio.shield(running)  # who gives up leaves the decoder to finish, and to others after that
        if answer.outage:
            raise Refusal(503, f"the image could not be decoded now: {answer.error}", 1)
        if answer.error is not None:
            raise DecodeError(answer.error)
        return np.frombuffer(answer.payload, np.uint8).reshape(spec.size_px, spec.size_px, spec.channels)

    def close(self) -> None:
        """End the processes."""
        for decoder in self._all:
            decoder.child.give_up()
            decoder.thread.shutdown(wait=True, cancel_futures=True)
            decoder.child.close()
