"""The server in the network: its socket, its signals, how it ends.

SIGTERM and SIGINT: no request is accepted any more, /ready says so, those accepted are answered, then it ends with 0. A second
one ends it at once. SIGHUP: the model is loaded anew; and where it is watched, when its files have changed.
"""

import asyncio
import contextlib
import ctypes
import socket
import time
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import uvicorn
from fastapi import FastAPI

from striate.workflows.serve.access_log import LogLines
from striate.workflows.serve.admission import Admission
from striate.workflows.serve.app import build_app, with_layers
from striate.workflows.serve.loaded_model import LoadedModel
from striate.workflows.serve.loop_signals import handled_in_loop
from striate.workflows.serve.metrics import Metrics
from striate.workflows.serve.model_files import ChangeDetector, Fingerprint, fingerprint
from striate.workflows.serve.options import ServeOptions
from striate.workflows.serve.protocol import Protocol
from striate.workflows.serve.state import PLACE, State

_LEAST_DRAIN, _MOST_DRAIN = 0.5, 8.0  # seconds; the first lets /ready be seen
_KEEP_ALIVE_SECONDS = 15
_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h
_LOOK_SECONDS = 1.0  # between looks at the files of a watched model


class Server(uvicorn.Server):
    """A server of one model."""

    def __init__(
        self,
        model: LoadedModel,
        options: ServeOptions,
        write_log: Callable[[dict[str, Any]], None] | None = None,
        seen: Fingerprint | None = None,
    ) -> None:
        self.metrics = Metrics()
        self._model, self._options = model, options
        self._write_log, self._seen = write_log or LogLines(), seen
        self._state: State | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._app = build_app(lambda: self.state, options)
        self._app.router.lifespan_context = self._lifespan
        self._admission = Admission(lambda: self.state, self._write_log)
        protocol = cast(Any, partial(Protocol, admission=self._admission))
        super().__init__(
            uvicorn.Config(
                self._app_in_layers, interface="asgi3", http=protocol, ws="none", loop="asyncio", lifespan="on",
                log_config=None, access_log=False, server_header=False, proxy_headers=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS, timeout_graceful_shutdown=1, h11_max_incomplete_event_size=32_768,
            )
        )  # fmt: skip

    @property
    def state(self) -> State:
        """While it runs."""
        assert self._state is not None
        return self._state

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until it is told to stop."""
        _give_memory_back()
        super().run(sockets)

    async def _app_in_layers(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            await with_layers(self._app, self.state, self._options, self._write_log)(scope, receive, send)
        finally:  # also where it was refused on the way
            if (place := scope.get(PLACE)) is not None:
                place.leave()

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        self._state = State(self._model, self._options, self.metrics)
        if self._options.watch:
            self._keep(self._watch())
        yield
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._admission.write_notes()
        await self._state.close()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Handle signals as the module says."""
        with handled_in_loop({"SIGTERM": self.stop, "SIGINT": self.stop, "SIGHUP": self.reload}):
            yield

    def stop(self) -> None:
        """Answer what was accepted, then end; called again, end at once. In the event loop's thread."""
        if self.state.draining:
            self.should_exit = self.force_exit = True
            return
        self.state.draining = True
        self._keep(self._drain())

    def reload(self) -> None:
        """Load the model anew. In the event loop's thread."""
        self._keep(self.state.reload())

    async def _watch(self) -> None:
        detector = ChangeDetector(self._seen)
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            current = await asyncio.get_running_loop().run_in_executor(None, fingerprint, self._model.run)
            if detector.changed(current) and not self.state.draining:
                await self.state.reload()

    def _keep(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drain(self) -> None:
        began = time.monotonic()
        while (passed := time.monotonic() - began) < _MOST_DRAIN and (self.state.accepted or passed < _LEAST_DRAIN):
            await asyncio.sleep(0.02)
        self.should_exit = True


def _give_memory_back() -> None:
    """Have glibc return the memory of each upload when it is over; by default it keeps blocks of up to 32 MiB for later."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, 2**18)
