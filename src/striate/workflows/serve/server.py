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
from secrets import token_hex
from typing import Any, cast

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from striate.workflows.serve.access_log import Noted, note, to_stderr
from striate.workflows.serve.app import build_app, with_layers
from striate.workflows.serve.loaded_model import LoadedModel
from striate.workflows.serve.loop_signals import handled_in_loop
from striate.workflows.serve.metrics import Metrics
from striate.workflows.serve.model_files import ChangeDetector, Fingerprint, fingerprint
from striate.workflows.serve.options import ServeOptions
from striate.workflows.serve.refusals import Refusal
from striate.workflows.serve.shedding import PlainUpload, plain_upload, response
from striate.workflows.serve.state import State

_HEADER_SECONDS = 10.0  # in which the headers of a request must have come, once the connection waits for them
_LEAST_DRAIN, _MOST_DRAIN = 0.5, 8.0  # seconds; the first lets /ready be seen
_KEEP_ALIVE_SECONDS = 15
_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h
_LOOK_SECONDS = 1.0  # between looks at the files of a watched model

Shed = Callable[[PlainUpload, str | None], bytes | None]


class Protocol(H11Protocol):
    """HTTP/1.1 whose headers must come in time, and whose uploads are refused by `shed` where there is no room for them.

    `shed` is given the upload and its client, and gives the response; None where it is let in.
    """

    def __init__(self, *args: Any, shed: Shed, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shed, self._left, self._refused = shed, 0, b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the first request some seconds for its headers."""
        super().connection_made(transport)
        self._header_timer: asyncio.TimerHandle | None = self.loop.call_later(_HEADER_SECONDS, self._close_idle)

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of a later request's headers must be complete in time too."""
        if self._refuses(data):
            return
        super().data_received(data)
        if not self._waits_for_headers():
            self._stop_timer()
        elif self._header_timer is None:  # uvicorn ends its own timer with the first byte
            self._header_timer = self.loop.call_later(_HEADER_SECONDS, self._close_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._stop_timer()
        super().connection_lost(exc)

    def _refuses(self, data: bytes) -> bool:
        """Whether these bytes belong to an upload that is refused; it is answered when all of it has come."""
        if not self._refused:
            new = self._waits_for_headers() and not self.conn.trailing_data[0]
            upload = plain_upload(data) if new else None
            response = None if upload is None else self._shed(upload, self.client[0] if self.client else None)
            if upload is None or response is None:
                return False
            self._refused, self._left = response, upload.left
            self._unset_keepalive_if_required()
            if self._header_timer is None:
                self._header_timer = self.loop.call_later(_HEADER_SECONDS, self._close_idle)
        elif len(data) > self._left:  # a request behind this one, before its response: no client does that
            self.transport.close()
            return True
        else:
            self._left -= len(data)
        if not self._left:
            self._stop_timer()
            self.transport.write(self._refused)
            self._refused = b""
            self.on_response_complete()
        return True

    def _waits_for_headers(self) -> bool:
        cycle = cast(Any, self.cycle)
        return cycle is None or cycle.response_complete

    def _stop_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _close_idle(self) -> None:
        if self._waits_for_headers():
            self.transport.close()


class Server(uvicorn.Server):
    """A server of one model."""

    def __init__(
        self,
        model: LoadedModel,
        options: ServeOptions,
        write_log: Callable[[dict[str, Any]], None] = to_stderr,
        seen: Fingerprint | None = None,
    ) -> None:
        self.metrics = Metrics()
        self._model, self._options = model, options
        self._write_log, self._seen = write_log, seen
        self._state: State | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._app = build_app(lambda: self.state, options)
        self._app.router.lifespan_context = self._lifespan
        protocol = cast(Any, partial(Protocol, shed=self._shed))
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

    def _shed(self, upload: PlainUpload, client: str | None) -> bytes | None:
        """The response to an upload for which there is no room; None where there is."""
        began = time.perf_counter()
        try:
            self.state.check_open()
        except Refusal as refusal:
            request_id = token_hex(8)
            content = response(refusal, request_id)
            seconds = time.perf_counter() - began
            noted = Noted(request_id, client, "POST", upload.path, refusal.status, seconds, upload.length)
            note(noted, self.metrics, self._write_log)
            return content
        return None

    async def _app_in_layers(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        await with_layers(self._app, self.state, self._options, self._write_log)(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        self._state = State(self._model, self._options, self.metrics)
        if self._options.watch:
            self._keep(self._watch())
        yield
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
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
