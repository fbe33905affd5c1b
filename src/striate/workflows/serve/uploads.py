"""The images of a request, read within limits: of its bytes, parts, headers and time, all of them while it comes in."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from striate.workflows.serve.multipart import FormReader, Upload, options_of
from striate.workflows.serve.refusals import ClientGoneError, Refusal

_RAW = ("application/octet-stream", "")
_START_SECONDS, _BYTES_A_SECOND = 20.0, 16_384  # a body may take so long, and longer by this rate
_LINGER_SECONDS, _LINGER_BYTES = 2.0, 2**24
_SMALL_SECONDS, _SMALL_BYTES = 0.2, 2**18


class ByteBudget:
    """The bytes of all uploads that are in memory at once."""

    def __init__(self, most: int) -> None:
        self._left = most

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """For the block, what one request holds."""
        held = Share(self)
        try:
            yield held
        finally:
            held.give_back()

    def take(self, count: int) -> None:
        """Hold so many bytes more. Raises Refusal: of 429, where there is no room for them."""
        if count > self._left:
            raise Refusal(429, "too many uploads at once; try again later.", 1)
        self._left -= count


class Share:
    """What one request holds of a budget."""

    def __init__(self, budget: ByteBudget) -> None:
        self.bytes, self._budget = 0, budget

    def take(self, count: int) -> None:
        """Hold so many bytes more. Raises Refusal: as the budget."""
        self._budget.take(count)
        self.bytes += count

    def give_back(self) -> None:
        """Hold nothing more."""
        self._budget.take(-self.bytes)
        self.bytes = 0


async def read_uploads(request: Request, max_bytes: int, share: "Share") -> list[Upload]:
    """The files of a request: parts of a form, or its whole body.

    Raises:
        Refusal: of 400, 408, 411, 413, 415 or 429: what it was to be.
        ClientGoneError: the client went away.

    """
    kind, options = options_of(request.headers.get("content-type", ""))
    form = kind == "multipart/form-data"
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "expected a body without Content-Encoding; got one with it. Send images as they are.")
    if not (form or kind in _RAW or kind.startswith("image/")):
        raise Refusal(
            415,
            f"expected multipart/form-data, image/* or application/octet-stream; got {kind[:60]}. With curl: "
            "-F file=@photo.jpg, or --data-binary @photo.jpg -H 'Content-Type: application/octet-stream'.",
        )
    length = request.headers.get("content-length")
    if length is not None and int(length) > max_bytes:
        raise Refusal(413, _too_large(max_bytes))
    if form:
        reader = FormReader(options)
        async for part in _chunks(request.receive, max_bytes, share):
            reader.write(part)
        return reader.finish()
    content = b"".join([part async for part in _chunks(request.receive, max_bytes, share)])
    if not content:
        raise Refusal(400, "expected an image as the body; got an empty one.")
    return [Upload("", content)]


def _too_large(max_bytes: int) -> str:
    return f"expected a request of at most {max_bytes / 2**20:.4g} MiB; got more. Send fewer or smaller images at once."


async def _chunks(receive: Receive, max_bytes: int, share: "Share") -> AsyncIterator[bytes]:
    """The body as it comes in, within its bytes and its time."""
    began, count, more = time.monotonic(), 0, True
    while more:
        left = began + _START_SECONDS + count / _BYTES_A_SECOND - time.monotonic()
        try:
            message = await asyncio.wait_for(receive(), max(0.0, left))
        except TimeoutError:
            raise Refusal(408, "the request came in too slowly; try again on a faster line, or send a smaller image.") from None
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part, more = message.get("body", b""), message.get("more_body", False)
        count += len(part)
        if count > max_bytes:
            raise Refusal(413, _too_large(max_bytes))
        share.take(len(part))
        yield part


class LingeringClose:
    """Where a request is refused before its body was read: reads a small body all the same, and keeps the connection.

    Of a large one it closes the connection, but reads a little further first: else the client, which is still sending, would be
    cut off before it reads the refusal.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        unread = b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
        started = False
        small = int(headers.get(b"content-length", b"0")) <= _SMALL_BYTES and b"transfer-encoding" not in headers

        async def received() -> Message:
            nonlocal unread, started
            started = True
            message = await receive()
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                unread = False
            return message

        async def sent(message: Message) -> None:
            nonlocal unread
            starts = message["type"] == "http.response.start"
            if unread and starts and small and not (b"expect" in headers and not started):
                with suppress(TimeoutError):
                    unread = not await asyncio.wait_for(_discard(receive), _SMALL_SECONDS)
            if unread and starts:
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if not (unread and last) or (b"expect" in headers and not started):
                await send(message)
                return
            await send({**message, "more_body": True})
            with suppress(TimeoutError):
                await asyncio.wait_for(_discard(receive), _LINGER_SECONDS)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self.app(scope, received, sent)


async def _discard(receive: Receive) -> bool:
    """Read what is left of a body, within limits; whether that was all."""
    count, more = 0, True
    while more and count < _LINGER_BYTES:
        message: Any = await receive()
        count += len(message.get("body", b""))
        more = message["type"] != "http.disconnect" and message.get("more_body", False)
    return not more
