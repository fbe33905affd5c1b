import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from striate.base import download
from striate.base.download import fetch


class Answers(BaseHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        content = bytes(range(256)) * 4
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/whole")
            self.end_headers()
        elif self.path in ("/whole", "/short"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content) + (self.path == "/short")))
            self.end_headers()
            self.wfile.write(content)
        elif self.path == "/large":
            self.send_response(200)
            self.send_header("Content-Length", "2500000")
            self.end_headers()
            self.wfile.write(bytes(2_500_000))
        elif self.path == "/unsaid":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)
        elif self.path == "/slow":
            threading.Event().wait(1.0)
        elif self.path == "/nonsense":
            self.wfile.write(b"hello\r\n")
        else:
            self.send_error(404)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path", ["/whole", "/moved"])
def test_the_content_comes_whole(address: str, path: str):
    assert fetch(address + path) == bytes(range(256)) * 4


def test_how_far_it_is_is_said_in_megabytes_rounded_up(address: str):
    events: list[dict[str, object]] = []
    assert len(fetch(address + "/large", events.append)) == 2_500_000
    assert {event["event"] for event in events} == {"download"}
    assert {event["total"] for event in events} == {3}
    done = [event["done"] for event in events]
    assert done == sorted(done)
    assert done[-1] == 3
    assert {1, 2} & set(done)


def test_a_length_that_is_not_said_is_unknown_until_the_end(address: str):
    events: list[dict[str, object]] = []
    assert len(fetch(address + "/unsaid", events.append)) == 1024
    assert [(event["done"], event["total"]) for event in events] == [(1, None), (1, 1)]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/absent", r"Not Found"),
        ("/short", r"IncompleteRead\(1024 bytes read, 1 more expected\)"),
        ("/nonsense", r"hello"),
        ("/slow", r"timed out"),
    ],
)
def test_what_cannot_be_had_is_an_oserror_that_says_why(address: str, path: str, reason: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(download, "_SECONDS", 0.3 if path == "/slow" else 30)
    with pytest.raises(OSError, match=reason):
        fetch(address + path)


def test_a_server_that_is_not_there_is_an_oserror():
    with pytest.raises(OSError, match="refused"):
        fetch("http://127.0.0.1:9/")
