"""Hostile requests: each gets 4xx or the end of its connection, never 5xx, and costs the server no memory to speak of."""

import random
import select
import socket
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress

import pytest

from striate.workflows.serve import server as server_module
from support.http_load import Address, address_of
from support.serving import MeanModel, Running, png, running

HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
FORM = HEAD + b"Content-Type: multipart/form-data; boundary=x\r\n"
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n'
ROUTES = ("/", "/page.js", "/live", "/ready", "/metrics", "/openapi.json", "/v1/model", "/v1/predict", "/v1/embed")


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running(MeanModel()) as server:
        yield server


def exchange(address: Address, pieces: Iterable[bytes], end: bool = False) -> bytes:
    """What the server sends before it closes, which may be while the request is sent; `end` where it may wait for more."""
    with socket.create_connection(address, 60) as connection:
        with suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
            if end:
                select.select([connection], [], [], 0.03)
                connection.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(ConnectionError):
            while part := connection.recv(65_536):
                answer += part
        return answer


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def chunked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def repeated(content: bytes, mib: int) -> Iterator[bytes]:
    piece = content * (2**16 // len(content))
    for _ in range(mib * 16):
        yield piece


def with_length(head: bytes, first: bytes, rest: Iterable[bytes], length: int) -> Iterator[bytes]:
    yield head + b"Content-Length: %d\r\n\r\n" % length + first
    yield from rest


def bomb() -> bytes:
    """A body of 10 KB that would be 10 MiB."""
    return zlib.compress(bytes(10 * 2**20), 9)


CHUNKED = FORM + b"Transfer-Encoding: chunked\r\n\r\n"
UPLOADS = {
    "100 MiB, announced": (413, lambda: with_length(HEAD, b"", repeated(b"x", 100), 100 * 2**20)),
    "100 MiB, not announced": (413, lambda: [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *chunked(repeated(b"x", 12))]),
    "a filename of 50 MB": (400, lambda: [CHUNKED, *chunked([PART.partition(b"%s")[0], *repeated(b"n", 9)])]),
    "1,001 parts": (413, lambda: [CHUNKED, *chunked([(PART % b"a" + b"1\r\n") * 1001 + b"--x--\r\n"])]),
    "a part of 100 MB without a name": (
        400, lambda: [CHUNKED, *chunked([b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n', *repeated(b"x", 9)])],
    ),
    "10,000 Range items": (431, lambda: [HEAD + b"Range: bytes=" + b"0-1," * 10_000 + b"\r\n\r\n"]),
    "a boundary of 1 MiB": (431, lambda: [HEAD + b"Content-Type: multipart/form-data; boundary=" + b"x" * 2**20 + b"\r\n\r\n"]),
    "a gzip bomb": (415, lambda: with_length(HEAD + b"Content-Encoding: gzip\r\n", bomb(), (), len(bomb()))),
    "a bomb as an image": (422, lambda: with_length(HEAD + b"Content-Type: image/png\r\n", bomb(), (), len(bomb()))),
}  # fmt: skip


@pytest.mark.parametrize("name", UPLOADS)
def test_an_upload_beyond_the_limits_is_refused_before_the_rest_is_read(served: Running, name: str):
    expected, pieces = UPLOADS[name]
    # h11 itself refuses headers that are too long, with 400
    assert status_of(exchange(address_of(served.url), pieces())) in {expected, 400 if expected == 431 else expected}
    while served.server.state.budget._left != 64 * 10 * 2**20:
        time.sleep(0.01)
    assert served.client.post("/v1/predict", files={"file": png(1)}).status_code == 200


def slow_connections(served: Running, stack: ExitStack, first: Iterable[bytes]) -> list[socket.socket]:
    connections = []
    for content in first:
        connection = stack.enter_context(socket.create_connection(address_of(served.url), 60))
        connection.sendall(content)
        connections.append(connection)
    return connections


@pytest.mark.parametrize("count", [10, pytest.param(100, marks=pytest.mark.soak)])
def test_slow_clients_keep_nobody_waiting_and_are_let_go(monkeypatch: pytest.MonkeyPatch, count: int):
    monkeypatch.setattr("striate.workflows.serve.protocol._HEADER_SECONDS", 0.5)
    monkeypatch.setattr(server_module, "_KEEP_ALIVE_SECONDS", 1)
    monkeypatch.setattr("striate.workflows.serve.protocol._BODY_SECONDS", 0.1)
    monkeypatch.setattr("striate.workflows.serve.uploads._START_SECONDS", 0.5)
    with running(MeanModel()) as served, ExitStack() as stack:
        whole = b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n"
        headers = slow_connections(served, stack, [b"POST /v1/predict HTTP/1.1\r\nHost: loc"] * 2 * count)
        later = slow_connections(served, stack, [whole] * count)
        for connection in later:  # the second request of a connection may be the slow one
            connection.sendall(b"GET /live HTTP/1.1\r\nHo")
        bodies = slow_connections(served, stack, [FORM + b"Content-Length: 1000\r\n\r\n--x"] * count)
        half = slow_connections(served, stack, [FORM + b"Content-Length: 1000\r\n\r\n--x"] * count)
        for connection in half:
            connection.shutdown(socket.SHUT_WR)
        for level in (3, 200):
            answer = served.client.post("/v1/embed", files={"file": png(level)})
            assert answer.json()["embeddings"][0]["embedding"] == [level]
        for connection in headers + later + bodies + half:
            answer = b""
            with suppress(ConnectionError):
                while part := connection.recv(65_536):
                    answer += part
            expected = {0} if connection in headers else {200} if connection in later else {0, 408}
            assert status_of(answer) in expected
        assert served.client.post("/v1/predict", files={"file": png(1)}).status_code == 200
        assert {entry["status"] for entry in served.log if entry["path"] == "/v1/predict"} <= {200, 408, 499}


METHODS = (b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"TRACE", b"CONNECT", b"get", b"P\x00ST", b"")
LINES = (
    b"Host: localhost", b"Host: evil.example", b"Host:", b"Content-Length: 5", b"Content-Length: 5, 6", b"Content-Length: -1",
    b"Content-Length: 99999999999999999999", b"Content-Length: 0x5", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: xchunked", b"Transfer-Encoding : chunked", b" folded: line",
    b"Expect: 100-continue", b"Connection: close", b"Connection: upgrade", b"Upgrade: websocket", b"Content-Type: image/png",
    b"Content-Type: multipart/form-data; boundary=x", b"Content-Type: multipart/form-data; boundary*=utf-8''x",
    b"Content-Type: multipart/form-data; boundary=\"", b"Content-Type: \xff\xfe", b"Content-Encoding: gzip", b"Range: bytes=0-",
    b"A\x00: b", b"A: b\x00", b"no colon", b": no name", b"Origin: null", b"Cookie: " + b"a" * 5000, b"Authorization: Bearer x",
    b"X: " + b"y" * 20_000, b"Content-Type: image/png\r\nContent-Length: 3",
)  # fmt: skip
BODIES = (
    b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\n", b"ffffffffffffffffff\r\n", b"5;" + b"e" * 3000 + b"\r\nhello\r\n",
    b"-5\r\nhello\r\n", PART % b"a" + b"1\r\n--x--\r\n", PART % b"../../\x00a" + b"1\r\n--x--\r\n", b"--x\r\n\r\n\r\n--x--",
    b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20, bytes(range(256)),
)  # fmt: skip


def random_request(rng: random.Random) -> bytes:
    """A request line, up to eight headers and a body; any of them may be wrong, or broken off."""
    path = rng.choice(ROUTES).encode() + rng.choice((b"", b"?a=%00", b"#x", b"/..", b"\xff", b" x", b"%", b"a" * 3000))
    version = rng.choice((b"HTTP/1.1",) * 6 + (b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.10", b""))
    lines = [b"%s %s %s" % (rng.choice(METHODS), path, version), *rng.choices(LINES, k=rng.randrange(8))]
    if rng.random() < 0.01:
        lines += [b"A: b"] * 10_000
    content = rng.choice((b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r")).join(lines) + b"\r\n\r\n" + rng.choice(BODIES)
    return content[: rng.randrange(len(content))] if rng.random() < 0.1 else content


@pytest.mark.parametrize("count", [200, pytest.param(20_000, marks=pytest.mark.soak)])
def test_whatever_comes_over_the_socket_the_server_does_not_fail(served: Running, count: int):
    rng, statuses = random.Random(8), dict[int, int]()
    for _ in range(count):
        content = random_request(rng)
        status = status_of(exchange(address_of(served.url), [content], end=True))
        statuses[status] = statuses.get(status, 0) + 1
        assert status < 500, content[:500]
    assert {400, 404, 421} <= statuses.keys()
    assert served.client.post("/v1/predict", files={"file": png(1)}).status_code == 200
    assert 'status="5' not in served.client.get("/metrics").text


DOTS = ("..", "%2e%2e", "%252e%252e", "..;", ".%2e", "%c0%ae%c0%ae", "..%00", "....//", "..\\", "..%5c", "%uff0e%uff0e")
PATHS = (
    *(f"/{dots}/{dots}/{dots}/{target}" for dots in DOTS for target in ("etc/passwd", "proc/self/environ", "run.toml")),
    *(f"/{name}" for name in ("C:/x", "C:%5cx", "%5c%5chost%5cshare", "~/x", "$HOME", "*", "con", "nul.js", ".git/config")),
    "//etc/passwd", "//evil.example/x", "///", "/./././x", "/%00", "/a%00.js", "/%0d%0aX-Injected:%20a", "/%0a", "/%ff%fe",
    "/" + "a" * 8000, "/" + "a/" * 2000, "/%", "/%zz", "/;x", "/?/../x", "/page.js.map", "/index.html", "/page/",
)  # fmt: skip


@pytest.mark.parametrize("routes", [("", "/v1/model"), pytest.param(ROUTES[1:], marks=pytest.mark.soak)])
def test_of_60_paths_none_leads_to_a_file(served: Running, routes: tuple[str, ...]):
    assert len(PATHS) == 60
    for route in routes:
        for path in PATHS:
            head = f"GET {route}{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            answer = exchange(address_of(served.url), [head])
            if path.startswith("/?") and not route:
                continue  # the page, with a query
            assert status_of(answer) in (400, 404), path
            assert b"root:" not in answer
            assert b"X-Injected:" not in answer


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("headers", ["Origin: null", "Origin: http://evil.example", "Sec-Fetch-Site: cross-site"])
def test_no_route_takes_a_post_of_another_page(served: Running, path: str, headers: str):
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n\r\n".encode()
    assert status_of(exchange(address_of(served.url), [head])) == 403
    evil = f"GET {path} HTTP/1.1\r\nHost: localhost.evil.example\r\nConnection: close\r\n\r\n".encode()
    assert status_of(exchange(address_of(served.url), [evil])) == 421
