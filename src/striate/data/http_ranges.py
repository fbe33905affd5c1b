"""Bytes of a file from a server of HTTP, by range requests (RFC 9110, section 14), over connections that are kept open.

The standard library's client: fsspec's needs a package that torch does not bring, and takes the whole file where a server
ignores ranges. Proxies are those of the environment (`https_proxy`, `no_proxy`); a user and a password are those of the
address, else of `~/.netrc`, and never go to another host.
"""

import base64
import os
import re
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from striate.base.addresses import bare
from striate.base.errors import DataError

if TYPE_CHECKING:  # imported where it is used, since most commands have no address
    import http.client

_MOST_REDIRECTS = 5
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_AGAIN = (408, 425, 429, 500, 502, 503, 504)  # what a server answers that may answer otherwise in a moment
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


class TransientError(Exception):
    """What another try may mend; the text is the reason."""


class AbsentError(DataError):
    """There is no such file."""


class Piece(NamedTuple):
    """What came of a range request."""

    content: bytes
    total: int  # bytes of the whole file


class _Kept:
    """Connections that wait for their next request, of this process alone."""

    def __init__(self) -> None:
        self.lock, self.process = threading.Lock(), os.getpid()
        self.waiting: dict[str, list[http.client.HTTPConnection]] = {}

    def take(self, host: str) -> "http.client.HTTPConnection | None":
        with self.lock:
            if self.process != os.getpid():
                self.process, self.waiting = os.getpid(), {}
            return self.waiting[host].pop() if self.waiting.get(host) else None

    def put(self, host: str, connection: "http.client.HTTPConnection") -> None:
        with self.lock:
            self.waiting.setdefault(host, []).append(connection)


_kept = _Kept()


def read(url: str, begin: int, length: int, seconds: float) -> Piece:
    """The bytes from `begin` on, fewer where the file ends before; `seconds` is the longest wait for the server.

    Raises:
        TransientError: the server fails, hangs, or sends fewer bytes than it announces.
        DataError: it refuses, has no such file, or ignores ranges.

    """
    host = urlsplit(url).netloc
    for _ in range(_MOST_REDIRECTS):
        parts = urlsplit(url)
        answer = _request(parts, (begin, length), seconds, parts.netloc == host)
        if isinstance(answer, Piece):
            return answer
        before, url = parts.scheme, urljoin(url, answer)
        if before == "https" and not url.startswith("https:"):
            raise DataError(
                f"the server of {bare(parts.geturl())} leads from https to another protocol, which is not followed."
            )
    raise DataError(f"{bare(url)} leads to another address {_MOST_REDIRECTS} times and on. Give the last address.")


def _request(parts: SplitResult, place: tuple[int, int], seconds: float, own_host: bool) -> Piece | str:
    """What came, or the address that it leads to."""
    import http.client

    headers = {"Range": f"bytes={place[0]}-{sum(place) - 1}", "Accept-Encoding": "identity", "User-Agent": "striate"}
    headers |= _authorization(parts) if own_host else {}
    host, proxy = _host(parts), _proxy(parts)
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (f"?{parts.query}" if parts.query else "")
    if proxy is not None and parts.scheme == "http":
        target, headers = f"{host}{target}", headers | _proxy_headers(proxy)
    connection = _kept.take(host)
    try:
        if connection is not None:
            with suppress(http.client.HTTPException, OSError):  # the server may have closed it meanwhile
                connection.sock.settimeout(seconds)
                return _answer(parts, place, connection, (target, headers))
        return _answer(parts, place, _connect(parts, proxy, seconds), (target, headers))
    except TimeoutError as error:
        raise TransientError(f"no answer within {seconds:g} s") from error
    except (http.client.HTTPException, OSError) as error:
        raise TransientError(f"{getattr(error, 'strerror', None) or error or type(error).__name__}") from error


def _host(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _proxy(parts: SplitResult) -> SplitResult | None:
    """The proxy that the environment names for an address."""
    from urllib.request import getproxies, proxy_bypass

    proxy = getproxies().get(parts.scheme)
    if not proxy or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}")


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    return {f"Proxy-{name}": value for name, value in _basic(proxy.username, proxy.password).items()}


def _connect(parts: SplitResult, proxy: SplitResult | None, seconds: float) -> "http.client.HTTPConnection":
    """A connection to the host, or to its proxy."""
    import http.client

    try:
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError as error:
        raise DataError(f"{bare(parts.geturl())} is no address: {error}.") from error
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    if proxy is None:
        return kind(host, port, timeout=seconds)
    connection = kind(proxy.hostname or "", proxy.port or _PORTS.get(proxy.scheme), timeout=seconds)
    if parts.scheme == "https":
        connection.set_tunnel(host, port, _proxy_headers(proxy))
    return connection


def _answer(
    parts: SplitResult, place: tuple[int, int], connection: "http.client.HTTPConnection", request: tuple[str, dict[str, str]]
) -> Piece | str:
    whole = False
    try:
        connection.request("GET", request[0], headers=request[1])
        response = connection.getresponse()
        if response.status in _REDIRECTS and (elsewhere := response.getheader("Location")):
            return elsewhere
        piece = _piece(bare(parts.geturl()), response, *place)
        whole = response.isclosed() and not response.will_close
        return piece
    finally:
        if whole:
            _kept.put(_host(parts), connection)
        else:
            connection.close()


def _piece(address: str, response: "http.client.HTTPResponse", begin: int, length: int) -> Piece:
    status, stated = response.status, _CONTENT_RANGE.fullmatch(response.getheader("Content-Range", ""))
    answer = f"{status} {response.reason}".strip()
    if status == 206:
        first, last = (int(stated[1]), int(stated[2])) if stated is not None and stated[1] else (-1, -1)
        if stated is None or stated[3] == "*" or first != begin or not begin <= last < begin + length:
            got = response.getheader("Content-Range")
            raise DataError(
                f"the server of {address} sends other bytes than were requested: expected Content-Range bytes "
                f"{begin}-{begin + length - 1}/TOTAL; got {got!r}. Copy the shards to a disk."
            )
        content = response.read(last - first + 1)
        if len(content) != last - first + 1:
            raise TransientError(f"{len(content):,} bytes came, and {last - first + 1:,} were announced")
        return Piece(content, int(stated[3]))
    if status == 416 and stated is not None and stated[3] != "*":
        return Piece(b"", int(stated[3]))
    if status == 200:
        raise DataError(
            f"the server of {address} sends whole files where parts of them are requested, so no image can be read by itself. "
            "Serve the shards by one that knows range requests (nginx, Apache, Caddy, S3), or copy them to a disk."
        )
    if status in (401, 403, 407):
        raise DataError(
            f"the server of {address} refuses it ({answer}). Give an address with its key, a user and a password in ~/.netrc, "
            "or ask for permission."
        )
    if status in (404, 410):
        raise AbsentError(f"there is nothing at {address} ({answer}). Copy it there, or write the shards anew.")
    if status in _AGAIN:
        raise TransientError(f"the server answers {answer}")
    raise DataError(f"the server of {address} answers {answer}; expected 206, a part of the file.")


def _authorization(parts: SplitResult) -> dict[str, str]:
    if parts.username is not None:
        return _basic(parts.username, parts.password)
    import netrc

    with suppress(OSError, netrc.NetrcParseError):
        if (known := netrc.netrc().authenticators(parts.hostname or "")) is not None:
            return _basic(quote(known[0]), quote(known[2] or ""))
    return {}


def _basic(user: str | None, password: str | None) -> dict[str, str]:
    """The header of a user and a password, both percent-encoded."""
    if user is None:
        return {}
    plain = f"{unquote(user)}:{unquote(password or '')}".encode()
    return {"Authorization": f"Basic {base64.b64encode(plain).decode('ascii')}"}
