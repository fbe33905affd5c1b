"""One loaded model in the serving process: its description, and the inference process that answers for it.

The process is started again when it dies; the batch that it was working on is lost, and said to be. After 5 deaths within 60 s
nothing is sent to it for 30 s, so that a model that kills its process does not take the machine with it.

Legend: N images, H x W pixels, C channels, D features.
"""

import asyncio
import logging
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from striate.base.child_process import Answer, Child
from striate.base.errors import ArtifactError, StriateError
from striate.data.decode import InputSpec
from striate.data.image_facts import Pixels
from striate.workflows.serve.refusals import Refusal

log = logging.getLogger("striate")
WORKER = "striate.workflows.serve.worker:infer"
_DEATHS, _WITHIN, _OPEN = 5, 60.0, 30.0  # seconds
_HANG_SECONDS = 60.0


class Inferred(NamedTuple):
    """What the model says of one image."""

    row: dict[str, Any]
    embedding_D: NDArray[np.float32]


class Circuit:
    """Whether a process that died may be tried again: not for 30 s after 5 deaths within 60 s."""

    def __init__(self) -> None:
        self._deaths: deque[float] = deque(maxlen=_DEATHS)

    def died(self, now: float) -> None:
        """Count a death."""
        self._deaths.append(now)

    def wait(self, now: float) -> float:
        """Seconds until it may be tried again; 0 for at once."""
        if len(self._deaths) < _DEATHS or self._deaths[-1] - self._deaths[0] > _WITHIN:
            return 0.0
        return max(0.0, self._deaths[-1] + _OPEN - now)


def shown_name(run: str) -> str:
    """A model's name without the folders that it lies in.

    >>> shown_name("runs/first"), shown_name("/srv/m.onnx"), shown_name("resnet18@/srv/w.safetensors")
    ('first', 'm.onnx', 'resnet18@w.safetensors')

    """
    net, at, weights = run.partition("@")
    if at and "/" not in net:
        return f"{net}@{Path(weights).name}"
    return Path(run).name or Path(run).resolve().name


class LoadedModel:
    """A model in an inference process of its own, which runs the function `worker`."""

    def __init__(self, run: str, device: str, worker: str = WORKER) -> None:
        self.worker = worker
        self.run, self.device, self.circuit, self.deaths = run, device, Circuit(), 0
        self.replaced = False  # its files are of another model now, and its process is gone
        self.description: dict[str, Any] = {}
        self._child = Child(worker, memory_mb=0, seconds=0, tries=1)
        self._child.hang_seconds = _HANG_SECONDS
        # One thread: calls follow each other, and Linux ends a child with the thread that started it
        self._thread = ThreadPoolExecutor(1, "inference")

    @property
    def sha256(self) -> str:
        """Of the artifact."""
        return str(self.description["sha256"])

    @property
    def input_spec(self) -> InputSpec:
        """How images are decoded for it."""
        spec = self.description["input_spec"]
        return InputSpec._make([*spec[:3], tuple(spec[3]), *spec[4:]])

    @property
    def name(self) -> str:
        """For clients: without the folders, since they need not know where it lies."""
        return shown_name(self.run)

    @property
    def process_id(self) -> int | None:
        """Of the inference process, while there is one."""
        return self._child.process_id

    def load(self) -> None:
        """Start the process and load the model. Raises ArtifactError: why that is not possible."""
        self.description = self._thread.submit(self._describe).result()

    async def infer(self, pixels_NHWC: Pixels) -> list[Inferred]:
        """What the model says of images. Raises Refusal: of 503, where the process died or may not be tried yet."""
        if wait := self.circuit.wait(time.monotonic()):
            raise Refusal(503, "the inference process died again and again; it is tried again later.", int(wait) + 1)
        argument = {"run": self.run, "device": self.device, "shape": pixels_NHWC.shape}
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._thread, self._call, argument, pixels_NHWC.tobytes())
        value = cast(Any, answer.value)
        if answer.error is not None:
            self._count_death()
            log.error("The inference process failed (%s); it is started again.", answer.error)
            if not self.circuit.wait(time.monotonic()):
                loop.run_in_executor(self._thread, self._start_again)
            raise Refusal(503, "the inference process failed; it is started again.", 1)
        if "error" in value:
            log.error("The model cannot answer: %s", value["error"])
            raise Refusal(503, "the model cannot be loaded any more; the log of the server says why.", 1)
        if value["sha256"] != self.sha256:  # the files were changed after the model was loaded, and the process started anew
            self.replaced = True
            raise Refusal(503, "the model's files changed while it was served; reload it (SIGHUP).", 1)
        embeddings_ND = np.frombuffer(answer.payload, np.float32).reshape(len(pixels_NHWC), -1)
        return [Inferred(row, embedding_D) for row, embedding_D in zip(value["rows"], embeddings_ND, strict=True)]

    def close(self) -> None:
        """End the process."""
        self._child.give_up()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._child.close()

    def _describe(self) -> dict[str, Any]:
        answer = self._call({"run": self.run, "device": self.device}, b"")
        reason = answer.error if answer.error is not None else cast(Any, answer.value).get("error")
        if reason is not None:
            raise ArtifactError(str(reason))
        return cast(dict[str, Any], answer.value)

    def _start_again(self) -> None:
        self._child.close()  # one that raised, and did not die, may be broken too
        if self._call({"run": self.run, "device": self.device}, b"").error is not None:
            self._count_death()

    def _count_death(self) -> None:
        self.circuit.died(time.monotonic())
        self.deaths += 1

    def _call(self, argument: object, content: bytes) -> Answer:
        if self._child.died:  # while it had nothing to do: no request is lost by that
            self._count_death()
            self._child.close()
        try:
            return self._child.call(argument, content)
        except StriateError as error:  # it does not start, or was given up
            return Answer(None, b"", str(error), outage=True)
