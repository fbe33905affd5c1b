"""Child processes that decode images and are kept: from one upload, or one list of files, to the next.

`decoded_pixels.stream` starts its children for each list, which costs as much as decoding some hundred small images. Who is
given short lists again and again, as a worker of a cluster is, keeps them. Each child belongs to one thread for as long as the
pool is there: the kernel ends a child with the thread that started it.
"""

import threading
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from striate.base.child_process import Answer, Call, Child
from striate.data import decode, decoded_pixels, read_ahead
from striate.data.decode import Decoded, InputSpec

_AHEAD = 32  # files that are asked for before the first answer is taken


class DecoderPool:
    """`count` child processes, which are started when they are first needed; closed by `close`."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count, "decoder")
        self._own = threading.local()
        self._children: list[Child] = []
        self._ahead = max(count, _AHEAD)

    def stream(self, paths: Iterable[Path], input_spec: InputSpec) -> Generator[Decoded]:
        """What `decoded_pixels.stream` gives for these files: the verdict on each, in order."""
        yield from decoded_pixels.verdicts(self._answers(paths, input_spec), input_spec)

    def _answers(self, paths: Iterable[Path], input_spec: InputSpec) -> Generator[Answer]:
        waiting = deque[Future[Answer]]()
        try:
            with read_ahead.Files(paths) as files:
                for file in files:
                    if len(waiting) == self._ahead:
                        yield waiting.popleft().result()
                    waiting.append(self._threads.submit(self._decoded, read_ahead.call(file, input_spec)))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for answer in waiting:
                answer.cancel()

    def _decoded(self, call: Call) -> Answer:
        child: Child | None = getattr(self._own, "child", None)
        if child is None:
            child = self._own.child = Child(decoded_pixels.CHILD, decode.CHILD_MB, decode.CHILD_SECONDS)
            self._children.append(child)
        return child.call(*call)

    def close(self) -> None:
        """End the children."""
        for child in self._children:
            child.give_up()
        self._threads.shutdown(cancel_futures=True)
        for child in self._children:
            child.close()


def child_for_uploads() -> Child:
    """A child process whose calls have the bytes of a file as payload, an `InputSpec` as argument, and pixels as answer."""
    return Child("striate.data.decoder_pool:upload_in_child", decode.CHILD_MB, decode.CHILD_SECONDS)


def upload_in_child(argument: Any, content: bytes = b"") -> tuple[object, bytes]:
    """What such a child runs."""
    spec = InputSpec._make([*argument[:3], tuple(argument[3]), *argument[4:]])
    return None, decode.square(decode.decode_image(content, spec.background, spec.white_level), spec).tobytes()
