"""One JSON line for each request on stderr, its id in the response, its figures in the metrics."""

import asyncio
import itertools
import json
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from striate.workflows.serve.metrics import Metrics
from striate.workflows.serve.refusals import ClientGoneError

_PAGE = ("/", "/page.js", "/page.css", "/icon.svg")
_ROUTES = (*_PAGE, "/live", "/ready", "/metrics", "/openapi.json", "/v1/model", "/v1/predict", "/v1/embed")
CLIENT_GONE = 499  # as web servers note it; nobody is sent it


_next_id = itertools.count(secrets.randbits(63)).__next__


def new_id() -> str:
    """Of a request."""
    return f"{_next_id() % 2**64:016x}"


class LogLines:
    """Lines of the log on stderr; those of one pass of the event loop are written at once."""

    def __init__(self) -> None:
        self._waiting: list[str] = []

    def __call__(self, entry: dict[str, Any]) -> None:
        """Write a line, once the event loop has done what is ready now."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(json.dumps(entry) + "\n")

    def _flush(self) -> None:
        lines, self._waiting = self._waiting, []
        sys.stderr.write("".join(lines))
        sys.stderr.flush()


class Noted(NamedTuple):
    """A request that was answered, or whose client went away."""

    id: str
    client: str | None
    method: str
    path: str
    status: int
    seconds: float
    received_bytes: int
    ended_ns: int  # since 1970


def note(
    noted: Noted, metrics: Metrics, write: Callable[[dict[str, Any]], None], more: Mapping[str, Any] | None = None
) -> None:
    """Write its line, and count it."""
    route = noted.path if noted.path in _ROUTES else "other"
    metrics.count_request(route, noted.status, noted.seconds)
    seconds, milliseconds = divmod(noted.ended_ns // 1_000_000, 1000)
    write(
        {
            "time": f"{_second(seconds)}.{milliseconds:03d}+00:00", "id": noted.id, "client": noted.client,
            "method": noted.method, "path": noted.path[:200], "status": noted.status, "ms": round(1000 * noted.seconds, 1),
            "bytes": noted.received_bytes, **(more or {}),
        }
    )  # fmt: skip


@lru_cache(1)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")


class AccessLog:
    """Notes every request, whatever becomes of it."""

    def __init__(self, app: ASGIApp, metrics: Metrics, write: Callable[[dict[str, Any]], None]) -> None:
        self.app, self._metrics, self._write = app, metrics, write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request, and note it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, received_bytes = time.perf_counter(), CLIENT_GONE, 0
        scope["request_id"] = request_id = new_id()

        async def received() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            return message

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", request_id.encode())]}
            await send(message)

        try:
            await self.app(scope, received, sent)
        except ClientGoneError:
            status = CLIENT_GONE
        finally:
            client = scope.get("client")
            noted = Noted(
                request_id, client[0] if client else None, scope["method"], scope["path"], status,
                time.perf_counter() - began, received_bytes, time.time_ns(),
            )  # fmt: skip
            note(noted, self._metrics, self._write, scope.get("striate"))
