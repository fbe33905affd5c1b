"""One JSON line for each request on stderr, its id in the response, its figures in the metrics."""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from striate.workflows.serve.metrics import Metrics
from striate.workflows.serve.refusals import ClientGoneError

_PAGE = ("/", "/page.js", "/page.css", "/icon.svg")
_ROUTES = (*_PAGE, "/live", "/ready", "/metrics", "/openapi.json", "/v1/model", "/v1/predict", "/v1/embed")
_CLIENT_GONE = 499  # as web servers note it; nobody is sent it


def to_stderr(entry: dict[str, Any]) -> None:
    """Write a line of the log."""
    print(json.dumps(entry), file=sys.stderr, flush=True)


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
            seconds = time.perf_counter() - began
            route = scope["path"] if scope["path"] in _ROUTES else "other"
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(seconds)
            client = scope.get("client")
            self._write(
                {
                    "time": datetime.now(UTC).isoformat(timespec="milliseconds"), "id": request_id,
                    "client": client[0] if client else None, "method": scope["method"], "path": scope["path"][:200],
                    "status": status, "ms": round(1000 * seconds, 1), "bytes": received_bytes,
                    **scope.get("striate", {}),
                }
            )  # fmt: skip
