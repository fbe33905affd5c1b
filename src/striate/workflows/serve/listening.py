"""The socket on which a server listens, and the address under which it is reached."""

import errno
import socket

from striate.base.errors import SettingError


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises SettingError: the address is in use, or none of this machine."""
    try:
        # With its protocol: asyncio sends small writes at once (TCP_NODELAY) only where a socket names TCP
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(2048)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        port_is_wrong = error.errno in (errno.EADDRINUSE, errno.EACCES)
        advice = (
            "Use another --port, or 0 for any that is free."
            if port_is_wrong
            else "Use an address of this machine as --host, or leave it out to serve this machine alone."
        )
        raise SettingError(f"cannot listen on {host}, port {port}: {error.strerror or error}. {advice}") from None
    return listening


def url_of(host: str, listening: socket.socket) -> str:
    """The address of a server, as a browser takes it."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listening.getsockname()[1]}"
