"""The server as its clients meet it, with a model that computes nothing."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import html5lib
import httpx
import pytest

from striate.workflows.serve import uploads
from striate.workflows.serve.security import HEADERS, host_name
from support.serving import MeanModel, Running, png, running

TOKEN = "0123456789abcdef"
PAGE = Path("src/striate/workflows/serve/page")


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running(MeanModel()) as server:
        yield server


def post(server: Running, content: bytes = b"", path: str = "/v1/predict", **headers: str) -> httpx.Response:
    return server.client.post(path, content=content or png(200), headers={"Content-Type": "image/png", **headers})


def test_a_raw_body_and_a_form_of_several_files_have_a_row_each(served: Running):
    raw = post(served)
    assert raw.status_code == 200
    assert raw.json() == {
        "model": {"name": "mean", "sha256": "ab" * 32}, "predictions": [{"path": "", "label": "light"}]
    }  # fmt: skip
    assert raw.headers["X-Model-Sha256"] == "ab" * 32
    files = [("file", ("a.png", png(200))), ("file", ("b.png", b"no image")), ("other", ("c.png", png(10)))]
    assert served.client.post("/v1/predict", files=files).json()["predictions"] == [
        {"path": "a.png", "label": "light"},
        {"path": "b.png", "error": "not one of the formats JPEG, PNG, WEBP, BMP, GIF, TIFF, AVIF, or damaged at its beginning"},
        {"path": "c.png", "label": "dark"},
    ]


def test_embeddings_are_given_for_each_file(served: Running):
    assert post(served, png(7), "/v1/embed").json()["embeddings"] == [{"path": "", "embedding": [7.0]}]


def test_where_no_file_can_be_decoded_each_has_its_reason(served: Running):
    files = [("file", ("a.svg", b"<svg></svg>")), ("file", ("b.png", b""))]
    refused = served.client.post("/v1/predict", files=files)
    assert refused.status_code == 422
    assert refused.json() == {
        "error": "none of the 2 files can be decoded.",
        "files": [
            {"path": "a.svg", "error": "SVG is a drawing, not an image; save it as PNG"},
            {"path": "b.png", "error": "empty file"},
        ],
    }
    assert post(served, png(9)[:50]).json()["error"].startswith("cannot be decoded")


@pytest.mark.parametrize(
    ("headers", "status", "sentence"),
    [
        (
            {"Content-Type": "text/plain"},
            415,
            "expected multipart/form-data, image/* or application/octet-stream; got text/",
        ),
        ({"Content-Encoding": "gzip"}, 415, "expected a body without Content-Encoding; got one with it."),
        ({"Content-Type": "multipart/form-data"}, 400, "with a boundary of 1 to 70 bytes."),
        ({"Host": "evil.example"}, 421, "this Host is not served here; allow it with --allow-host NAME"),
        ({"Host": "127.0.0.1.evil.example"}, 421, "this Host is not served here"),
        ({"Host": "192.168.1.7"}, 421, "this Host is not served here"),
        ({"Origin": "http://evil.example"}, 403, "this one comes from another page."),
        ({"Origin": "null"}, 403, "this one comes from another page."),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "this one comes from another site."),
        ({"Sec-Fetch-Site": "same-site"}, 403, "this one comes from another site."),
    ],
)
def test_what_may_not_be_asked_is_refused(served: Running, headers: dict[str, str], status: int, sentence: str):
    refused = post(served, **headers)
    assert refused.status_code == status
    assert sentence in refused.json()["error"]


def test_the_own_page_and_programs_may_ask(served: Running):
    assert post(served, Origin=served.url, **{"Sec-Fetch-Site": "same-origin"}).status_code == 200
    port = served.url.rpartition(":")[2]
    assert post(served, Host=f"localhost:{port}", Origin=f"http://localhost:{port}").status_code == 200


@pytest.mark.parametrize(
    ("host", "name"),
    [("[::1]:80", "::1"), ("A.B:1", "a.b"), ("a.b", "a.b"), ("", None), (":80", None), ("a:b", None), ("a:1:2", None)],
)
def test_the_name_in_a_host_header(host: str, name: str | None):
    assert host_name(host) == name


def test_every_response_has_the_headers_of_a_careful_server(served: Running):
    for response in (served.client.get("/"), post(served), served.client.get("/nothing"), post(served, Host="evil.example")):
        assert {name: response.headers[name] for name in HEADERS} == HEADERS
        assert not [name for name in response.headers if name.startswith("access-control") or name in ("set-cookie", "server")]
        assert len(response.headers["X-Request-Id"]) == 16


@pytest.mark.parametrize(
    "path",
    ["/docs", "/redoc", "/favicon.ico", "/page.js/", "/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/%252e%252e/x",
     "//etc/passwd", "/C:/x", "/page/index.html", "/a%00b", "/..%5c..%5cx", "/" + "a" * 5000],
)  # fmt: skip
def test_there_is_nothing_else(served: Running, path: str):
    response = served.client.get(path)
    assert response.status_code == 404
    assert response.json() == {"error": "there is nothing here."}


def test_other_methods_are_refused(served: Running):
    assert served.client.get("/v1/predict").json() == {"error": "GET is not possible here."}
    assert served.client.request("TRACE", "/").status_code == 405


def raw(server: Running, request: bytes) -> bytes:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 30) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    return answer


def test_too_large_a_request_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(uploads, "_LINGER_SECONDS", 0.3)  # for what is still being sent; each refusal here waits so long
    with running(MeanModel(), max_upload_mb=0.1) as served:
        head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        announced = raw(served, head + b"Content-Length: 5000000000\r\n\r\nx")
        assert announced.startswith(b"HTTP/1.1 413 ")
        assert b"expected a request of at most 0.1 MiB; got more." in announced
        chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        unannounced = raw(served, head + b"Transfer-Encoding: chunked\r\n\r\n" + 2 * chunk)
        assert unannounced.startswith(b"HTTP/1.1 413 ")
        assert served.client.post("/v1/predict", files={"file": png(1)}).status_code == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"no request at all\r\n\r\n",
    ],
)
def test_requests_that_are_none_are_answered_with_4xx(served: Running, request_: bytes):
    head = raw(served, request_).partition(b"\r\n")[0]
    assert head.startswith(b"HTTP/1.1 4"), head


def test_a_full_queue_is_answered_with_429_and_what_was_accepted_is_answered(served: Running):
    model = MeanModel()
    with running(model, queue=2) as server, ThreadPoolExecutor(8) as pool:
        model.open.clear()
        waiting = [pool.submit(post, server, png(level)) for level in (10, 200)]
        while server.server.state.accepted < 2:
            time.sleep(0.01)
        refused = post(server)
        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == "1"
        assert refused.json() == {"error": "2 requests wait already; try again later."}
        model.open.set()
        assert [answer.result().json()["predictions"][0]["label"] for answer in waiting] == ["dark", "light"]
        assert server.client.get("/metrics").text.count('status="429"} 1.0') == 1


def test_past_its_deadline_a_request_gets_503():
    model = MeanModel()
    with running(model, deadline=0.2) as server:
        model.open.clear()
        late = post(server)
        assert (late.status_code, late.headers["Retry-After"]) == (503, "1")
        assert late.json() == {"error": "no answer within 0.2 s, which is the deadline of a request; try again later."}
        model.open.set()
        assert server.server.state.accepted == 0


def test_told_to_stop_it_answers_what_it_accepted_and_nothing_else():
    model = MeanModel()
    with running(model) as server, ThreadPoolExecutor(1) as pool:
        model.open.clear()
        waiting = pool.submit(post, server, png(200))
        while not server.server.state.accepted:
            time.sleep(0.01)
        server.do(server.server.stop)
        ready = server.client.get("/ready")
        assert (ready.status_code, ready.json()) == (503, {"status": "stopping"})
        assert server.client.get("/live").status_code == 200
        refused = post(server)
        assert (refused.status_code, refused.json()) == (503, {"error": "this server is stopping; ask another one."})
        model.open.set()
        assert waiting.result().json()["predictions"][0]["label"] == "light"


def test_with_a_token_only_the_page_and_the_probes_are_open():
    with running(MeanModel(), token=TOKEN, host="0.0.0.0", allow_host=("shop.example",)) as server:
        refused = post(server)
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert refused.json() == {"error": "expected the token of this server, as header Authorization: Bearer TOKEN."}
        assert post(server, Authorization=f"Bearer {TOKEN}x").status_code == 401
        assert post(server, Authorization=f"Bearer {TOKEN}").status_code == 200
        assert [server.client.get(path).status_code for path in ("/", "/page.js", "/live", "/ready")] == [200] * 4
        assert [server.client.get(path).status_code for path in ("/v1/model", "/metrics", "/openapi.json")] == [401] * 3
        # An address cannot be made to lead elsewhere; a name can, but for those that are allowed
        hosts = ("192.168.1.7:80", "[fe80::1]", "shop.example", "evil.example")
        assert [server.client.get("/live", headers={"Host": host}).status_code for host in hosts] == [200, 200, 200, 421]


def test_requests_are_logged_as_json_with_what_became_of_them(served: Running):
    own = post(served).headers["X-Request-Id"]
    while not (entries := [entry for entry in served.log if entry["id"] == own]):
        time.sleep(0.01)  # it is written after the response
    (entry,) = json.loads(json.dumps(entries))
    assert entry["status"] == 200
    assert (entry["method"], entry["path"], entry["images"], entry["model"]) == ("POST", "/v1/predict", 1, "ab" * 6)
    assert entry["bytes"] == len(png(200))
    assert {"time", "id", "client", "ms"} <= entry.keys()


def test_a_client_that_goes_away_is_noted_and_costs_nobody_anything(served: Running):
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\nhalf")
        time.sleep(0.1)
    while 499 not in [entry["status"] for entry in served.log]:
        time.sleep(0.01)
    assert post(served).status_code == 200


def test_a_response_is_sent_at_once_and_not_after_the_acknowledgement_of_its_headers(served: Running):
    post(served)  # on a connection that is kept
    sockets = [connection.transport.get_extra_info("socket") for connection in served.server.server_state.connections]
    assert {each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for each in sockets} == {1}


def test_many_clients_at_once_get_each_their_own_answer(served: Running):
    def ask(level: int) -> float:
        return float(post(served, png(level), "/v1/embed").json()["embeddings"][0]["embedding"][0])

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(100))) == [float(level) for level in range(100)]


def test_the_page_is_whole_and_loads_nothing_from_elsewhere(served: Running):
    page = served.client.get("/").text
    html5lib.HTMLParser(strict=True).parse(page)
    for name, kind in {"page.js": "text/javascript", "image_page.js": "text/javascript", "page.css": "text/css"}.items():
        assert name in page
        file = served.client.get(f"/{name}")
        assert file.headers["Content-Type"] == f"{kind}; charset=utf-8"
        page += file.text
    assert "//" not in re.sub(r"^ *//.*", "", page, flags=re.MULTILINE)
    assert "innerHTML" not in page
    assert "style=" not in page


def test_the_api_describes_itself(served: Running):
    described = served.client.get("/openapi.json").json()
    assert sorted(described["paths"]) == ["/live", "/metrics", "/ready", "/v1/embed", "/v1/model", "/v1/predict"]
    assert served.client.get("/v1/model").json()["input"] == {"size_px": 2, "channels": 1, "resize_mode": "squash"}


def test_threads_end_with_the_server():
    before = threading.active_count()
    with running(MeanModel()) as server:
        post(server)
    assert threading.active_count() <= before
