"""Fetching a file over the network, for those who check what came."""

import http.client
import urllib.request

_SECONDS = 30


def fetch(url: str) -> bytes:
    """The content at an address. Raises OSError: it cannot be had; its text says why."""
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
            content: bytes = answer.read()
            return content
    except (OSError, http.client.HTTPException) as error:
        raise OSError(str(getattr(error, "reason", error))) from error
