"""One loaded model in the serving process: its description, and the inference process that answers for it.

When that dies, the batch that it was working on is lost, and said to be. A spare process, which has loaded the model too, takes
over at once, and the dead one is started again as the spare; without a spare it is waited for. After 5 deaths within 60 s
nothing is sent to it for 30 s, so that a model that kills its process does not take the machine with it.

Legend: N images, H x W pixels, C channels, D features.
"""

import asyncio
import logging
import time
from collections import deque
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from striate.base.child_process import Answer
from striate.base.errors import ArtifactError
from striate.data.decode import InputSpec
from striate.data.image_facts import Pixels
from striate.workflows.serve.inference_process import InferenceProcess
from striate.workflows.serve.refusals import Refusal

log = logging.getLogger("striate")
WORKER = "striate.workflows.serve.worker:infer"
_DEATHS, _WITHIN, _OPEN = 5, 60.0, 30.0  # seconds


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

    def __init__(self, run: str, device: str, worker: str = WORKER, precision: str = "fp32") -> None:
        self.worker, self.precision = worker, precision
        self.run, self.device, self.circuit, self.deaths = run, device, Circuit(), 0
        self.replaced = False  # its files are of another model now, and its process is gone
        self.description: dict[str, Any] = {}
        self._process = InferenceProcess(worker)
        self._spare: InferenceProcess | None = None

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
        return self._process.process_id

    @property
    def spare_id(self) -> int | None:
        """Of the spare process, while there is one that has loaded the model."""
        return None if self._spare is None or self._spare.is_starting else self._spare.process_id

    @property
    def _loading(self) -> dict[str, str]:
        """What a call without pixels is given."""
        return {"run": self.run, "device": self.device, "precision": self.precision}

    def load(self) -> None:
        """Start the process and load the model. Raises ArtifactError: why that is not possible."""
        answer = self._process.load(self._loading).result()
        reason = answer.error if answer.error is not None else cast(Any, answer.value).get("error")
        if reason is not None:
            raise ArtifactError(str(reason))
        self.description = cast(dict[str, Any], answer.value)
        for note in self.description.get("notes", ()):
            log.warning("%s", note)

    def keep_spare(self) -> None:
        """Load the model in a second process, which takes over when the first dies."""
        self._spare = InferenceProcess(self.worker)
        self._start(self._spare)

    async def infer(self, pixels_NHWC: Pixels) -> list[Inferred]:
        """What the model says of images. Raises Refusal: of 503, where the process died or may not be tried yet."""
        self._check_circuit()
        if self._spare is not None and self._spare.is_down:  # it died as the fifth, or while it had nothing to do
            self._start(self._spare)
        if self._process.is_dead:  # while it had nothing to do: no request is lost by that
            self._count_death()
            self._take_over()
            self._check_circuit()
        process, argument = self._process, {**self._loading, "shape": pixels_NHWC.shape}
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(process.thread, process.call, argument, pixels_NHWC.tobytes())
        value = cast(Any, answer.value)
        if answer.error is not None:
            self._count_death()
            log.error("The inference process failed (%s); it is started again.", answer.error)
            self._take_over()
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
        """End the processes."""
        for process in (self._process, self._spare):
            if process is not None:
                process.close()

    def _check_circuit(self) -> None:
        if wait := self.circuit.wait(time.monotonic()):
            raise Refusal(503, "the inference process died again and again; it is tried again later.", int(wait) + 1)

    def _take_over(self) -> None:
        """The spare, where there is one, is asked from now on; the other is started again."""
        down = self._process
        if self._spare is not None:
            self._process, self._spare = self._spare, down
        if self.circuit.wait(time.monotonic()):
            down.forget()
        else:
            self._start(down)

    def _start(self, process: InferenceProcess) -> None:
        process.load(self._loading).add_done_callback(self._count_failed_start)

    def _count_failed_start(self, loading: "Future[Answer]") -> None:
        if not loading.cancelled() and loading.result().error is not None:
            self._count_death()

    def _count_death(self) -> None:
        self.circuit.died(time.monotonic())
        self.deaths += 1
