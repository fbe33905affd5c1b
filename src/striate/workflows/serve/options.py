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


def check_options(options: ServeOptions) -> None:
    """Refuse an address that others reach without a token, and numbers that no server can work with."""
    if not is_loopback(options.host) and not options.token:
        raise SettingError(
            f"expected a token, since others can reach {options.host}; got none. Put a long random text into $STRIATE_TOKEN or "
            "a file given as --token-file (in Python token=), or leave --host out to serve this machine alone."
        )
    if options.token is not None and (len(options.token) < 16 or not options.token.isascii() or " " in options.token):
        raise SettingError(
            f"expected a token of at least 16 ASCII characters without spaces; got {len(options.token)} characters. Make one "
            "with: python -c 'import secrets; print(secrets.token_urlsafe(32))'."
        )
    for name, (least, most) in _BOUNDS.items():
        value = getattr(options, name)
        if not least <= value <= most:
            raise SettingError(f"expected {name} from {least:g} to {most:,g}; got {value:,.12g}.")
