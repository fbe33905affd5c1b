"""Who may ask: the Host is one of ours, a request of a page comes from our own page, and a token where others reach us.

A page elsewhere may have the browser send requests here (cross-site request), and may make its own name lead here (DNS
rebinding). The first is known by Origin and Sec-Fetch-Site, the second by Host. There are no cookies and no CORS headers.
"""

import hmac
import ipaddress
import json
from collections.abc import Callable, Mapping
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from striate.workflows.serve.options import LOOPBACK, is_loopback
from striate.workflows.serve.refusals import Refusal

_POLICY = (
    "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_POLICY_HEADER = b"content-security-policy"
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
_MOST_HEADERS, _MOST_HEADER_BYTES = 100, 16_384


class Reachable(Protocol):
    """What of a server's options says who reaches it."""

    @property
    def host(self) -> str:
        """The address that is listened on."""

    @property
    def token(self) -> str | None:
        """What requests must bring; none for no token."""

    @property
    def allow_host(self) -> tuple[str, ...]:
        """Further names under which the server is reached."""


class Security:
    """Refuses requests that may not be answered, and puts the headers of `HEADERS` on every response.

    `is_open` says of a path whether it needs no token.
    """

    def __init__(self, app: ASGIApp, options: Reachable, is_open: Callable[[str], bool]) -> None:
        self.app, self._options, self._is_open = app, options, is_open
        self._names = {name.lower() for name in (*LOOPBACK, *options.allow_host)}
        if not is_loopback(options.host):
            self._names |= {options.host.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {
                    name.lower() for name, _ in message["headers"]
                }  # a page that is another's work may have its own policy
                own = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *(pair for pair in own if pair[0] not in given)]}
            await send(message)

        try:
            self._check(scope)
        except Refusal as refusal:
            await answer_refusal(refusal, sent)
            return
        await self.app(scope, receive, sent)

    def _check(self, scope: Scope) -> None:
        names = [name for name, _ in scope["headers"]]
        if len(names) > _MOST_HEADERS or sum(len(name) + len(value) for name, value in scope["headers"]) > _MOST_HEADER_BYTES:
            raise Refusal(431, f"expected at most {_MOST_HEADERS} headers of {_MOST_HEADER_BYTES:,} bytes in all; got more.")
        if b"content-length" in names and b"transfer-encoding" in names:
            raise Refusal(400, "expected Content-Length or Transfer-Encoding; got both, which proxies read in two ways.")
        if not scope["path"].isprintable():  # routes are matched by expressions whose $ lets a newline pass
            raise Refusal(404, "there is nothing here.")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if names.count(b"host") != 1 or not self._is_ours(headers["host"]):
            raise Refusal(421, "this Host is not served here; allow it with --allow-host NAME where it is one of yours.")
        if scope["method"] not in ("GET", "HEAD"):
            _check_origin(headers)
        token = self._options.token
        if token is not None and not self._is_open(scope["path"]):
            scheme, _, given = headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
                raise Refusal(401, "expected the token of this server, as header Authorization: Bearer TOKEN.")

    def _is_ours(self, host: str) -> bool:
        name = host_name(host)
        if name is None:
            return False
        if not is_loopback(self._options.host):
            try:  # an address cannot be made to lead elsewhere, as a name can
                ipaddress.ip_address(name)
            except ValueError:
                pass
            else:
                return True
        return name in self._names


def host_name(host: str) -> str | None:
    """The name in a Host header without its port, in lower case; None where it is none.

    >>> host_name("LOCALHOST:8000"), host_name("[::1]:80"), host_name("a:b")
    ('localhost', '::1', None)

    """
    name, bracket, rest = host.lower().partition("]")
    if bracket:
        name = name.removeprefix("[")
        port = rest.removeprefix(":")
    else:
        name, _, port = host.lower().partition(":")
    return name if name and (not port or (port.isascii() and port.isdigit())) else None


def _check_origin(headers: Mapping[str, str]) -> None:
    origin, host = headers.get("origin"), headers["host"].lower()
    if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
        raise Refusal(403, "expected requests of this server's own page, or of a program; this one comes from another page.")
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise Refusal(403, "expected requests of this server's own page, or of a program; this one comes from another site.")


async def answer_refusal(refusal: Refusal, send: Send) -> None:
    """Send the response to a refused request."""
    content = json.dumps({"error": refusal.sentence}).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(content)), **refusal.headers}
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})
