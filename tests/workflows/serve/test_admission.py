import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from striate.workflows.serve.admission import PlainUpload, plain_upload, response
from striate.workflows.serve.refusals import Refusal
from striate.workflows.serve.security import HEADERS
from striate.workflows.serve.state import Place
from support.serving import MeanModel, Running, png, running

HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"


def upload(*lines: bytes, body: bytes = b"") -> bytes:
    return HEAD + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (upload(b"Content-Length: 4", body=b"abcd"), PlainUpload("/v1/predict", 4, 0)),
        (upload(b"CONTENT-length:4", body=b"abc"), PlainUpload("/v1/predict", 4, 1)),
        (upload(b"Content-Length: 0"), PlainUpload("/v1/predict", 0, 0)),
        (upload(b"Content-Length: 1048576").replace(b"predict", b"embed"), PlainUpload("/v1/embed", 2**20, 2**20)),
        (upload(b"Content-Length: 1048577"), None),  # too much to read for nothing
        (upload(b"Content-Length: 3", body=b"abcd"), None),  # another request behind it
        (upload(b"Content-Length: 4", b"Content-Length: 4", body=b"abcd"), None),
        (upload(b"Content-Length: -4"), None),
        (upload(b"Content-Length: +4", body=b"abcd"), None),
        (upload(), None),
        (upload(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"abcd"), None),
        (upload(b"Content-Length: 4", b"Expect: 100-continue"), None),
        (upload(b"Content-Length: 4", b"Connection: close", body=b"abcd"), None),
        (upload(b"Content-Length: 4", body=b"abcd").replace(b"1.1", b"1.0"), None),
        (upload(b"Content-Length: 4", body=b"abcd").replace(b"/v1/predict", b"/v1/predict?a=b"), None),
        (upload(b"Content-Length: 4", body=b"abcd").replace(b"POST", b"GET"), None),
        (HEAD, None),  # more headers are to come
    ],
)
def test_a_plain_upload_is_known_by_its_first_bytes(data: bytes, expected: PlainUpload | None):
    assert plain_upload(data) == expected


def test_the_response_says_what_the_long_way_says():
    head, _, body = response(Refusal(429, "so.", 3), "ab").partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[:4] == [
        "HTTP/1.1 429 Too Many Requests", "content-type: application/json", "content-length: 16", "retry-after: 3",
    ]  # fmt: skip
    assert lines[4:] == [*(f"{name.lower()}: {value}" for name, value in HEADERS.items()), "x-request-id: ab"]
    assert json.loads(body) == {"error": "so."}


@pytest.fixture(scope="module")
def full() -> Iterator[Running]:
    """A server whose only place is taken."""
    model = MeanModel()
    with running(model, queue=1) as server, ThreadPoolExecutor(1) as pool:
        model.open.clear()
        pool.submit(server.client.post, "/v1/predict", content=png(10), headers={"Content-Type": "image/png"})
        while server.server.state.accepted < 1:
            time.sleep(0.01)
        yield server
        model.open.set()


def answers(server: Running, *pieces: bytes, count: int = 1) -> list[bytes]:
    """The heads of responses on one connection, to which these pieces are sent one after another."""
    heads: list[bytes] = []
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=30) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.05)
        buffer = b""
        while len(heads) < count and (data := connection.recv(65_536)):
            buffer += data
            while (end := buffer.find(b"}")) >= 0:  # each body is one object without another in it
                heads.append(buffer[:end].partition(b"\r\n\r\n")[0])
                buffer = buffer[end + 1 :]
    return heads


def test_where_the_queue_is_full_the_connection_is_kept(full: Running):
    whole = upload(b"Content-Length: 4", body=b"abcd")
    heads = answers(full, whole, whole[:-1], whole[-1:], whole[:20], whole[20:], count=3)
    assert [head.split()[1] for head in heads] == [b"429"] * 3
    assert all(b"connection: close" not in head for head in heads)


def test_each_refusal_is_in_the_log_and_in_the_metrics(full: Running):
    (head,) = answers(full, upload(b"Content-Length: 4", body=b"abcd"))
    request_id = head.partition(b"x-request-id: ")[2].decode()[:16]
    while not (entries := [entry for entry in full.log if entry["id"] == request_id]):
        time.sleep(0.01)  # refusals are noted together, after their responses
    (entry,) = entries
    assert (entry["status"], entry["method"], entry["path"], entry["bytes"]) == (429, "POST", "/v1/predict", 4)
    assert entry["client"] == "127.0.0.1"
    page = full.client.get("/metrics").text
    refused = sum(entry["status"] == 429 for entry in full.log)
    assert f'striate_requests_total{{route="/v1/predict",status="429"}} {float(refused)}' in page


def test_other_requests_go_the_long_way_and_are_answered(full: Running):
    assert full.client.get("/live").status_code == 200
    large = full.client.post("/v1/predict", content=b"a" * (2**20 + 1), headers={"Content-Type": "image/png"})
    assert (large.status_code, large.headers["Retry-After"]) == (429, "1")


def test_a_request_behind_one_that_is_refused_ends_the_connection(full: Running):
    whole = upload(b"Content-Length: 4", body=b"abcd")
    assert answers(full, whole[:-1], whole[-1:] + whole) == []


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    """A server of one place, which waits a tenth of a second for a body."""
    with pytest.MonkeyPatch.context() as patch, running(MeanModel(), queue=1) as server:
        patch.setattr("striate.workflows.serve.protocol._BODY_SECONDS", 0.1)
        yield server


WHOLE = upload(b"Content-Length: %d" % len(png(10)), body=png(10))


def statuses(server: Running, *pieces: bytes, count: int = 1) -> list[bytes]:
    """As `answers`, with the body's end where it is an answer; and all that was held is given back."""
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=30) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.05)
        received = b""
        while received.count(b"HTTP/1.1 ") < count and (data := connection.recv(65_536)):
            received += data
    while (server.server.state.accepted, server.server.state.budget._left) != (0, 4 * 10 * 2**20):
        time.sleep(0.01)  # some of it is given back after the response
    return [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]]


def test_an_upload_is_answered_whether_it_comes_whole_in_parts_or_slowly(served: Running):
    assert statuses(served, WHOLE) == [b"200"]
    assert statuses(served, WHOLE[:-40], WHOLE[-40:-20], WHOLE[-20:]) == [b"200"]
    assert statuses(served, WHOLE[:-40], b"", b"", b"", WHOLE[-40:]) == [b"200"]
    assert statuses(served, WHOLE[:-40], WHOLE[-40:] + WHOLE, count=2) == [b"200"] * 2


def test_a_place_is_given_back_where_the_request_is_refused_further_on(served: Running):
    for _ in range(2):
        assert statuses(served, WHOLE.replace(b"localhost", b"elsewhere")) == [b"421"]
        assert statuses(served, WHOLE.replace(b"Host: localhost", b"No name")) == [b"400"]
        assert statuses(served, WHOLE.replace(b"image/png", b"text/html")) == [b"415"]
    assert statuses(served, WHOLE) == [b"200"]


def test_an_upload_that_is_cut_off_is_noted_as_gone_and_holds_nothing(served: Running):
    with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2]))) as connection:
        connection.sendall(WHOLE[:-1])
    while 499 not in [entry["status"] for entry in served.log if entry["path"] == "/v1/predict"]:
        time.sleep(0.01)
    assert statuses(served, WHOLE) == [b"200"]


def test_a_connection_of_refusals_alone_is_closed_when_it_has_been_idle(full: Running, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(full.server.config, "timeout_keep_alive", 0.2)
    whole = upload(b"Content-Length: 4", body=b"abcd")
    assert len(answers(full, whole, whole, whole, count=4)) == 3


def test_a_place_is_of_one_request_and_left_once(served: Running):
    admission, state = served.server._admission, served.server.state
    place = admission.enter(PlainUpload("/v1/predict", 3, 0), None)
    assert isinstance(place, Place)
    assert state.accepted == 1
    refused = served.do(lambda: admission.enter(PlainUpload("/v1/predict", 3, 0), None))
    assert refused.startswith(b"HTTP/1.1 429 ")
    place.leave()
    place.leave()
    assert state.accepted == 0
