"""Requests at a given rate or from a given number of clients, each with what became of it; asyncio and nothing else."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

CUT = 0  # the status of a request whose connection ended before its response


class Reply(NamedTuple):
    """What became of one request."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


class Address(NamedTuple):
    """Where the server listens."""

    host: str
    port: int


def address_of(url: str) -> Address:
    """Of http://HOST:PORT."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    return Address(host, int(port))


def request(body: bytes, path: str = "/v1/predict", **headers: str) -> bytes:
    """The bytes of a POST with an image as its body."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: image/png", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def form_request(name: str, content: bytes, path: str = "/v1/predict") -> bytes:
    """The bytes of a POST of a form with one file."""
    part = f'--cut\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    body = part + content + b"\r\n--cut--\r\n"
    return request(body, path).replace(b"image/png", b"multipart/form-data; boundary=cut", 1)


class Client:
    """A connection that is kept between requests and opened anew when the server closes it."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, content: bytes) -> Reply:
        """The reply to a request; of status CUT where the connection ends first."""
        began = time.perf_counter()
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(*self._address)
            reader, writer = self._streams
            writer.write(content)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            if headers.get("transfer-encoding") == "chunked":
                body = await _chunks(reader)
            else:
                body = await reader.readexactly(int(headers.get("content-length", "0")))
        except (OSError, EOFError):
            self.close()
            return Reply(CUT, {}, b"", time.perf_counter() - began)
        if headers.get("connection") == "close":
            self.close()
        return Reply(int(head[0].split()[1]), headers, body, time.perf_counter() - began)

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            with suppress(OSError, RuntimeError):
                self._streams[1].close()
            self._streams = None


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while count := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(count))
        await reader.readline()
    await reader.readline()
    return b"".join(parts)


async def closed_loop(
    address: Address, clients: int, content: Callable[[int], bytes], until: Callable[[], bool]
) -> list[tuple[int, Reply]]:
    """So many clients, each of which sends its next request when the last was answered, until `until` says so."""
    replies: list[tuple[int, Reply]] = []
    numbers = iter(range(10**9))

    async def work() -> None:
        client = Client(address)
        while not until():
            number = next(numbers)
            reply = await client.send(content(number))
            replies.append((number, reply))
            if reply.status == CUT:
                await asyncio.sleep(0.05)
        client.close()

    await asyncio.gather(*(work() for _ in range(clients)))
    return replies


async def open_loop(address: Address, rate: float, seconds: float, content: Callable[[int], bytes]) -> list[tuple[int, Reply]]:
    """Requests at a rate, whether or not those before were answered; one reply for each, in order of their numbers."""
    free: deque[Client] = deque()
    began = time.perf_counter()

    async def one(number: int) -> tuple[int, Reply]:
        client = free.popleft() if free else Client(address)  # the longest idle, which the server would close first
        reply = await client.send(content(number))
        free.append(client)
        return number, reply

    tasks = []
    for number in range(round(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(one(number)))
    replies = list(await asyncio.gather(*tasks))
    for client in free:
        client.close()
    return replies


def for_seconds(seconds: float) -> Callable[[], bool]:
    """Whether so many seconds have passed since now."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() > end


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of them does not exceed; 0 of none."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0
