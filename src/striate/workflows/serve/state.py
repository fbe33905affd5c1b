"""What a server holds while it runs: its model, decoders, queue; and how an upload becomes an answer."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from striate.base import worker_pool
from striate.base.errors import DecodeError
from striate.workflows.serve.batching import Batcher
from striate.workflows.serve.decoders import Decoders
from striate.workflows.serve.loaded_model import Inferred, LoadedModel
from striate.workflows.serve.metrics import Metrics
from striate.workflows.serve.multipart import Upload
from striate.workflows.serve.options import ServeOptions
from striate.workflows.serve.refusals import Refusal
from striate.workflows.serve.uploads import ByteBudget

log = logging.getLogger("striate")
_MOST_DECODERS = 4
_STOPPING = Refusal(503, "this server is stopping; ask another one.", 1)
PLACE = "striate.place"  # of a request in its scope, where it was given one before the application was entered


class Verdict(NamedTuple):
    """What became of one file: what the model says, or why it cannot be decoded."""

    name: str
    inferred: Inferred | None
    error: str | None


class Verdicts(NamedTuple):
    """What became of a request's files, and the model that they were shown to."""

    files: list[Verdict]
    sha256: str


class _Serving:
    """A model with its batches, and the number of requests that it still has to answer."""

    def __init__(self, model: LoadedModel, options: ServeOptions, metrics: Metrics) -> None:
        self.model, self.requests = model, 0
        self.batcher = Batcher(model.infer, options.batch, metrics.batch_size.observe)
        metrics.model.labels(model.sha256, model.description["net"]).set(1)


class Place:
    """Of an accepted request, until it has its answer or a refusal; for a `with` block."""

    def __init__(self, state: "State") -> None:
        self._state: State | None = state
        state.count_accepted(1)

    def __enter__(self) -> None:
        """Keep it for the block."""

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Give the place to another request; once, however often it is called."""
        if self._state is not None:
            self._state.count_accepted(-1)
            self._state = None


class State:
    """Everything behind the routes; made inside of the server's event loop."""

    def __init__(self, model: LoadedModel, options: ServeOptions, metrics: Metrics) -> None:
        self.options, self.metrics = options, metrics
        self.budget = ByteBudget(max(4, min(options.queue, 64)) * options.max_bytes)
        self.accepted, self.draining = 0, False
        self._full = Refusal(429, f"{options.queue:,} requests wait already; try again later.", 1)
        self._decoders = Decoders(min(_MOST_DECODERS, worker_pool.cores()))
        self._serving = _Serving(model, options, metrics)
        self._reloading = asyncio.Lock()
        metrics.spare.set_function(lambda: float(self.model.spare_id is not None))
        if options.spare:
            model.keep_spare()

    @property
    def model(self) -> LoadedModel:
        """The model that the next request is answered by."""
        return self._serving.model

    def not_ready(self) -> str | None:
        """Why requests would be refused with 503 now; None where they are accepted."""
        if self.draining:
            return "stopping"
        if self.model.replaced:
            return "the model's files changed"
        return "the inference process died again and again" if self.model.circuit.wait(time.monotonic()) else None

    def refusal(self) -> Refusal | None:
        """Why a request cannot be accepted now: 503 where the server ends, 429 where the queue is full; not to be raised."""
        if self.draining:
            return _STOPPING
        return self._full if self.accepted >= self.options.queue else None

    def check_open(self) -> None:
        """Refuse a request that cannot be accepted now."""
        if (refusal := self.refusal()) is not None:
            raise Refusal(refusal.status, refusal.sentence, refusal.retry_after)

    def take_place(self) -> "Place":
        """Accept a request: it is answered, also where the server is told to stop. Raises Refusal, as `check_open`."""
        self.check_open()
        return Place(self)

    def count_accepted(self, change: int) -> None:
        """One request more or less that waits for its answer."""
        self.accepted += change
        self.metrics.accepted.set(self.accepted)

    async def answer(self, uploads: Sequence[Upload]) -> Verdicts:
        """Decode the files and show them to the model. Raises Refusal: of 503, also where the deadline passes."""
        serving = self._serving
        serving.requests += 1
        try:
            async with asyncio.timeout(self.options.deadline):
                return await self._answer(serving, uploads)
        except TimeoutError:
            sentence = f"no answer within {self.options.deadline:g} s, which is the deadline of a request; try again later."
            raise Refusal(503, sentence, 1) from None
        finally:
            serving.requests -= 1
            self.metrics.deaths.set(self.model.deaths)

    async def _answer(self, serving: _Serving, uploads: Sequence[Upload]) -> Verdicts:
        spec = serving.model.input_spec
        decoding = [self._decoders.decode(upload.content, spec) for upload in uploads]
        decoded = await asyncio.gather(*decoding, return_exceptions=True)
        for outcome in decoded:
            if isinstance(outcome, BaseException) and not isinstance(outcome, DecodeError):
                raise outcome
        pixels = [outcome for outcome in decoded if not isinstance(outcome, BaseException)]
        inferred = iter(await serving.batcher.submit(pixels) if pixels else ())
        self.metrics.images.labels("answered").inc(len(pixels))
        self.metrics.images.labels("refused").inc(len(decoded) - len(pixels))
        files = [
            Verdict(upload.name, None, str(outcome))
            if isinstance(outcome, BaseException)
            else Verdict(upload.name, next(inferred), None)
            for upload, outcome in zip(uploads, decoded, strict=True)
        ]
        return Verdicts(files, serving.model.sha256)

    async def reload(self) -> None:
        """Load the model anew.

        Requests that came before are answered by the model before, which stays where the new one is bad.
        """
        async with self._reloading:
            before, loop = self._serving, asyncio.get_running_loop()
            model = LoadedModel(before.model.run, before.model.device, before.model.worker, before.model.precision)
            try:
                await loop.run_in_executor(None, model.load)
            except BaseException as error:
                # Also where this server ends meanwhile: else its end would wait for the loading
                await loop.run_in_executor(None, model.close)
                if not isinstance(error, Exception):
                    raise
                self.metrics.reloads.labels("failed").inc()
                log.error("The model was not reloaded; the one before is served on: %s", error)
                return
            self._serving = _Serving(model, self.options, self.metrics)
            if model.sha256 != before.model.sha256:
                with suppress(KeyError):
                    self.metrics.model.remove(before.model.sha256, before.model.description["net"])
            self.metrics.reloads.labels("done").inc()
            log.info("Reloaded: model %s is served.", model.sha256[:12])
            try:
                while before.requests:
                    await asyncio.sleep(0.05)
            finally:
                await self._end(before)
            if self.options.spare:  # now, so that there are never four processes with a model
                model.keep_spare()

    async def close(self) -> None:
        """End the processes."""
        await self._end(self._serving)
        self._decoders.close()

    async def _end(self, serving: _Serving) -> None:
        await serving.batcher.close()
        await asyncio.get_running_loop().run_in_executor(None, serving.model.close)

    def described(self) -> dict[str, Any]:
        """The model, for /v1/model."""
        description = self.model.description
        names = (
            "sha256", "net", "classes", "license", "precision", "threshold", "coverage", "abstains", "flags_unknown",
            "several_labels", "embedding_size",
        )  # fmt: skip
        spec = self.model.input_spec
        own = {"size_px": spec.size_px, "channels": spec.channels, "resize_mode": spec.resize_mode}
        return {"name": self.model.name, "input": own, **{name: description[name] for name in names}}
