"""Requests of the ledger from a process of its own on the last core, against a server on the first, which they cost nothing.

Time is the processor time of the server's processes, which runs only while they work: so other work on the machine takes
nothing from the capacity, and a rate is a share of what one core can do. While nothing is asked, the next request is sent.

    python pinned_load.py HOST PORT PIDS clients|rate NUMBER SECONDS
"""

import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from support.http_load import Reply
from support.serve_process import ServeProcess

_TESTS = Path(__file__).parents[1]


def load(server: ServeProcess, kind: str, number: float, seconds: float) -> list[tuple[int, Reply]]:
    """So many `clients` that wait for their answers, or a `rate` that does not; one reply for each request."""
    pids = ",".join(map(str, server.processes()))
    command = [sys.executable, __file__, *map(str, (*server.address, pids, kind, number, seconds))]
    environment = {**os.environ, "PYTHONPATH": f"{_TESTS}{os.pathsep}{_TESTS.parent / 'src'}"}
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return [(number, Reply(*rest[:2], rest[2].encode("latin-1"), rest[3])) for number, *rest in json.loads(output)]


def processor_clock(pids: list[int]) -> Callable[[], float]:
    """Seconds of processor time of these processes, looked up at most once a millisecond."""
    files = [os.open(path, os.O_RDONLY) for pid in pids for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    seen, now = 0.0, 0.0

    def clock() -> float:
        nonlocal seen, now
        if time.perf_counter() - seen > 0.001:
            now = sum(int(os.pread(file, 64, 0).split()[0]) for file in files) / 1e9
            seen = time.perf_counter()
        return now

    return clock


class Connection:
    """One that is kept; a reply is complete when its Content-Length has come."""

    def __init__(self, address: tuple[str, int], selector: selectors.BaseSelector) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received, self.number, self.began = b"", 0, 0.0
        selector.register(self.socket, selectors.EVENT_READ, self)

    def send(self, number: int, began: float, request: bytes) -> None:
        """The next request."""
        self.number, self.began = number, began
        self.socket.sendall(request)

    def reply(self, clock: Callable[[], float]) -> tuple[int, int, dict[str, str], str, float] | None:
        """What has come is a reply; None while it is not complete."""
        data = self.socket.recv(65_536)
        if not data:
            raise ConnectionError("the server closed a connection that is to be kept.")
        self.received += data
        head, ends, body = self.received.partition(b"\r\n\r\n")
        if not ends:
            return None
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        if len(body) < int(headers["content-length"]):
            return None
        self.received = b""
        shown = {name: headers[name] for name in ("retry-after",) if name in headers}
        return self.number, int(lines[0].split()[1]), shown, body.decode("latin-1"), clock() - self.began


def main(host: str, port: str, pids: str, kind: str, number: str, seconds: str) -> None:
    """Print the replies."""
    from support.ledger import content

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    requests = [content(level) for level in range(256)]
    clock = processor_clock([int(pid) for pid in pids.split(",")])
    address, selector = (host, int(port)), selectors.DefaultSelector()
    idle: list[Connection] = []
    replies, sent, began = [], 0, clock()

    def send(when: float) -> None:
        nonlocal sent
        connection = idle.pop() if idle else Connection(address, selector)
        connection.send(sent, when, requests[sent % 256])
        sent += 1

    rate, total = float(number), round(float(number) * float(seconds))
    if kind == "clients":
        rate, total = float("inf"), 10**9
    while sent < total or len(replies) < sent:
        now = clock()
        if kind == "clients":
            total = total if now < began + float(seconds) else sent
            while sent < total and sent - len(replies) < float(number):
                send(now)
        else:
            if sent == len(replies):
                began -= max(0.0, began + sent / rate - now)
            while sent < total and now >= began + sent / rate:
                send(began + sent / rate)
        for key, _ in selector.select(0.001):
            if (reply := key.data.reply(clock)) is not None:
                replies.append(reply)
                idle.append(key.data)
    print(json.dumps(replies))


if __name__ == "__main__":
    main(*sys.argv[1:])
