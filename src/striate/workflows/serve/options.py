"""What a server is asked for besides its model, and what of it is refused."""

import ipaddress
from typing import NamedTuple

from striate.base.errors import SettingError

_BOUNDS: dict[str, tuple[float, float]] = {
    "port": (0, 65535), "queue": (1, 100_000), "batch": (1, 4096), "deadline": (0.01, 600), "max_upload_mb": (0.001, 1024),
}  # fmt: skip
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ServeOptions(NamedTuple):
    """Options of `striate.serve`, as it describes them."""

    host: str = "127.0.0.1"
    port: int = 8000
    device: str = "auto"
    token: str | None = None
    allow_host: tuple[str, ...] = ()
    queue: int = 64
    batch: int = 32
    deadline: float = 10.0
    max_upload_mb: float = 10.0
    watch: bool = False
    spare: bool = True
    precision: str = "fp32"

    @property
    def max_bytes(self) -> int:
        """Of one request."""
        return int(self.max_upload_mb * 2**20)


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches an address that is listened on."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_address(host: str, token: str | None) -> None:
    """Refuse an address that others reach without a token, and a token that can be guessed."""
    if not is_loopback(host) and not token:
        raise SettingError(
            f"expected a token, since others can reach {host}; got none. Put a long random text into $STRIATE_TOKEN or "
            "a file given as --token-file (in Python token=), or leave --host out to serve this machine alone."
        )
    if token is not None and (len(token) < 16 or not token.isascii() or " " in token):
        raise SettingError(
            f"expected a token of at least 16 ASCII characters without spaces; got {len(token)} characters. Make one "
            "with: python -c 'import secrets; print(secrets.token_urlsafe(32))'."
        )


def check_options(options: ServeOptions) -> None:
    """Refuse an address that others reach without a token, and numbers that no server can work with."""
    check_address(options.host, options.token)
    for name, (least, most) in _BOUNDS.items():
        value = getattr(options, name)
        if not least <= value <= most:
            raise SettingError(f"expected {name} from {least:g} to {most:,g}; got {value:,.12g}.")
