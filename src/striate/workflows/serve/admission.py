"""Which uploads are let in: decided from their bytes, when all of them have come, before the application is entered.

Parser, routes and task of a request cost as much as an answer of a small model does, so under a load of several times what can
be answered, refusals made there would take the processor from the requests that were accepted. And an upload that is let in has
its place from then on: no other comes in for the same one, to be refused on the long way. Uploads of another form than usual,
large ones and slow ones go that way.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple

from striate.workflows.serve.access_log import CLIENT_GONE, Noted, new_id, note
from striate.workflows.serve.refusals import Refusal
from striate.workflows.serve.security import HEADERS
from striate.workflows.serve.state import Place, State

_HEAD = re.compile(rb"POST (/v1/(?:predict|embed)) HTTP/1\.1\r\n((?:[^\r\n]+\r\n)+)\r\n")
_DECIDING = re.compile(rb"^(content-length|transfer-encoding|expect|connection|upgrade)[ \t]*:[ \t]*([^\r]*)", re.I | re.M)
_NOTE_SECONDS = 0.02  # in which refusals are noted together, which costs a third of noting each by itself
_MOST_BYTES = 2**20  # of a body that is kept, or of a refused one read to its end, so that the connection can be kept


class PlainUpload(NamedTuple):
    """The first bytes of a request for a prediction or an embedding."""

    path: str
    length: int  # of its body
    left: int  # bytes of it that are still to come


def plain_upload(data: bytes) -> PlainUpload | None:
    r"""The upload that begins with these bytes; None where its headers are not complete, or it is of another form.

    >>> plain_upload(b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab")
    PlainUpload(path='/v1/predict', length=3, left=1)
    """
    head = _HEAD.match(data)
    if head is None:
        return None
    fields = _DECIDING.findall(head[2])
    if len(fields) != 1 or fields[0][0].lower() != b"content-length" or not (digits := fields[0][1].rstrip()).isdigit():
        return None
    length = int(digits[:20])
    left = length - (len(data) - head.end())
    return PlainUpload(head[1].decode(), length, left) if left >= 0 and length <= _MOST_BYTES else None


class Admission:
    """Gives uploads a place, or the bytes of a refusal; these are noted as the access log does, many at a time."""

    def __init__(self, state: Callable[[], State], write_log: Callable[[dict[str, Any]], None]) -> None:
        self._state, self._write_log = state, write_log
        self._noted: list[Noted] = []

    @property
    def state(self) -> State:
        """Of the server, while it runs."""
        return self._state()

    def enter(self, upload: PlainUpload, client: str | None) -> Place | bytes:
        """A place for an upload whose bytes are all here; where there is none, the response."""
        state = self._state()
        refusal = state.refusal()
        return Place(state) if refusal is None else self.refuse(refusal, upload, client)

    def refuse(self, refusal: Refusal, upload: PlainUpload, client: str | None) -> bytes:
        """The response to an upload, which is noted as refused."""
        request_id = new_id()
        self._note(request_id, upload, client, refusal.status)
        return response(refusal, request_id)

    def note_gone(self, upload: PlainUpload, client: str | None) -> None:
        """Note an upload whose client went away."""
        self._note(new_id(), upload, client, CLIENT_GONE)

    def write_notes(self) -> None:
        """Put what was noted into the log and the metrics."""
        noted, self._noted = self._noted, []
        for each in noted:
            note(each, self.state.metrics, self._write_log)

    def _note(self, request_id: str, upload: PlainUpload, client: str | None, status: int) -> None:
        if not self._noted:
            asyncio.get_running_loop().call_later(_NOTE_SECONDS, self.write_notes)
        self._noted.append(Noted(request_id, client, "POST", upload.path, status, 0.0, upload.length, time.time_ns()))


def response(refusal: Refusal, request_id: str) -> bytes:
    """The whole response, after which the connection is kept."""
    before, after = _around_id(refusal.status, refusal.sentence, refusal.retry_after)
    return before + request_id.encode() + after


@lru_cache(64)
def _around_id(status: int, sentence: str, retry_after: int | None) -> tuple[bytes, bytes]:
    """A response before and after its request's id."""
    content = json.dumps({"error": sentence}).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    headers |= {**Refusal(status, sentence, retry_after).headers, **HEADERS}
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name.lower()}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "x-request-id: "]).encode(), b"\r\n\r\n" + content
