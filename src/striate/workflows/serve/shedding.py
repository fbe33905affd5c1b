"""Uploads that come while the queue is full, refused from their bytes alone.

Parser, routes and task of a request take 1.5 ms of the processor, so under a load of several times what can be answered the
refusals would take all of it from the requests that were accepted. Uploads of another form than usual go the long way.
"""

import json
import re
from http import HTTPStatus
from typing import NamedTuple

from striate.workflows.serve.refusals import Refusal
from striate.workflows.serve.security import HEADERS

_HEAD = re.compile(rb"POST (/v1/(?:predict|embed)) HTTP/1\.1\r\n(.*?)\r\n\r\n", re.DOTALL)
_NOT_PLAIN = {b"transfer-encoding", b"expect", b"connection", b"upgrade"}
_MOST_BYTES = 2**20  # of a body that is read to its end, so that the connection can be kept


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
    fields = [line.partition(b":") for line in head[2].lower().split(b"\r\n")]
    lengths = [value.strip() for name, _, value in fields if name == b"content-length"]
    if len(lengths) != 1 or not lengths[0].isdigit() or any(name in _NOT_PLAIN for name, *_ in fields):
        return None
    length = int(lengths[0])
    left = length - (len(data) - head.end())
    return PlainUpload(head[1].decode(), length, left) if left >= 0 and length <= _MOST_BYTES else None


def response(refusal: Refusal, request_id: str) -> bytes:
    """The whole response, after which the connection is kept."""
    content = json.dumps({"error": refusal.sentence}).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(content)), **refusal.headers, **HEADERS}
    lines = [f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}"]
    lines += [f"{name.lower()}: {value}" for name, value in (*headers.items(), ("X-Request-Id", request_id))]
    return "\r\n".join([*lines, "", ""]).encode() + content
