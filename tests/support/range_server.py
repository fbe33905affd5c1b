"""A small server of files on loopback that knows range requests, and misbehaves as it is told."""

import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


class RangeServer:
    """The files of a folder at `address`.

    `faults` has by file name what its next answers are, in order: a status (`500`), a redirection (an address), or `hang`,
    `short` (ends early), `changed` (other bytes), `whole` (ignores the range), `slow` (a byte now and then), `elsewhere`
    (another range), `drop` (no answer). With `always`, the fault stays.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.faults, self.always = folder, dict[str, deque[Any]](), dict[str, Any]()
        self.requests = list[tuple[str, str, dict[str, str]]]()  # target, range, headers
        self.bytes, self.lock = 0, threading.Lock()
        self.connections, self.hang_seconds = 0, 2.0
        self.allowed: Callable[[dict[str, str], str], bool] = lambda headers, target: True
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.address = f"http://{self.host}"

    def asked(self) -> Counter[str]:
        """Requests by file."""
        return Counter(unquote(urlsplit(target).path).rpartition("/")[2] for target, _, _ in self.requests)

    def fault(self, name: str) -> Any:
        with self.lock:
            waiting = self.faults.get(name)
            return waiting.popleft() if waiting else self.always.get(name)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes, and the second would wait for an answer to the first

    def __init__(self, owner: RangeServer, *arguments: Any) -> None:
        self.owner = owner
        with owner.lock:
            owner.connections += 1
        super().__init__(*arguments)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        owner = self.owner
        with owner.lock:
            owner.requests.append((self.path, self.headers.get("Range", ""), dict(self.headers)))
        path = owner.folder / unquote(urlsplit(self.path).path).lstrip("/")
        fault = owner.fault(path.name)
        if not owner.allowed(dict(self.headers), self.path):
            fault = 403
        if not path.is_file() and fault is None:
            fault = 404
        if isinstance(fault, int):
            return self._answer(fault, b"", {})
        if isinstance(fault, str) and fault.startswith("http"):
            return self._answer(302, b"", {"Location": fault})
        if fault == "drop":
            self.close_connection = True
            return None
        if fault == "hang":
            time.sleep(self.owner.hang_seconds)
            self.close_connection = True
            return None
        return self._part(path.read_bytes(), fault)

    def _part(self, whole: bytes, fault: str | None) -> None:
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if match is None or fault == "whole":
            return self._answer(200, whole, {})
        begin, last = int(match[1]), min(int(match[2]), len(whole) - 1)
        if begin >= len(whole):
            return self._answer(416, b"", {"Content-Range": f"bytes */{len(whole)}"})
        content = whole[begin : last + 1]
        if fault == "changed":
            content = bytes(byte ^ 1 for byte in content)
        stated = begin + 1 if fault == "elsewhere" else begin
        headers = {"Content-Range": f"bytes {stated}-{last + stated - begin}/{len(whole)}"}
        return self._answer(206, content, headers, fault)

    def _answer(self, status: int, content: bytes, headers: dict[str, str], fault: str | None = None) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        with self.owner.lock:
            self.owner.bytes += len(content)
        if fault == "short":
            self.close_connection = True
            content = content[: len(content) // 2]
        with suppress(OSError):  # the client went away
            for piece in [content[n : n + 1] for n in range(len(content))] if fault == "slow" else [content]:
                self.wfile.write(piece)
                time.sleep(0.05 if fault == "slow" else 0)


@contextmanager
def serving(folder: Path) -> Iterator[RangeServer]:
    """Serve a folder for the block."""
    server = RangeServer(folder)
    thread = threading.Thread(target=server.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.server.shutdown()
        server.server.server_close()
        thread.join()
