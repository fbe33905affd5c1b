"""One JSON line for each request on stderr, its id in the response, its figures in the metrics."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from striate.workflows.serve.metrics import Metrics
from striate.workflows.serve.refusals import ClientGoneError

_PAGE = ("/", "/page.js", "/page.css", "/icon.svg")
_ROUTES = (*_PAGE, "/live", "/ready", "/metrics", "/openapi.json", "/v1/model", "/v1/predict", "/v1/embed")
_CLIENT_GONE = 499  # as web servers note it; nobody is sent it


def to_stderr(entry: dict[str, Any]) -> None:
    """Write a line of the log."""
    print(json.dumps(entry), file=sys.stderr, flush=True)


class Noted(NamedTuple):
    """A request that was answered, or whose client went away."""

    id: str
    client: str | None
    method: str
    path: str
    status: int
    seconds: float
    received_bytes: int


def note(
    noted: Noted, metrics: Metrics, write: Callable[[dict[str, Any]], None], more: Mapping[str, Any] | None = None
) -> None:
    """Write its line, and count it."""
    route = noted.path if noted.path in _ROUTES else "other"
    metrics.requests.labels(route, str(noted.status)).inc()
    metrics.seconds.labels(route).observe(noted.seconds)
    write(
        {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"), "id": noted.id, "client": noted.client,
            "method": noted.method, "path": noted.path[:200], "status": noted.status, "ms": round(1000 * noted.seconds, 1),
            "bytes": noted.received_bytes, **(more or {}),
        }
    )  # fmt: skip


class AccessLog:
    """Notes every request, whatever becomes of it."""

    def __init__(self, app: ASGIApp, metrics: Metrics, write: Callable[[dict[str, Any]], None] = to_stderr) -> None:
        self.app, self._metrics, self._write = app, metrics, write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request, and note it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, received_bytes = time.perf_counter(), _CLIENT_GONE, 0
        scope["request_id"] = request_id = token_hex(8)

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
            status = _CLIENT_GONE
        finally:
            client = scope.get("client")
            noted = Noted(
                request_id, client[0] if client else None, scope["method"], scope["path"], status,
                time.perf_counter() - began, received_bytes,
            )  # fmt: skip
            note(noted, self._metrics, self._write, scope.get("striate"))
