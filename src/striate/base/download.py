"""Fetching a file over the network, for those who check what came."""

from striate.base.events import Watch, progress, quiet

_SECONDS = 30
_PIECE = 2**20  # bytes that are read at a time


def fetch(url: str, watch: Watch = quiet) -> bytes:
    """The content at an address; `watch` is called with the stage `download`, in MB.

    Raises:
        OSError: it cannot be had; its text says why.

    """
    import http.client  # not at the top, since most commands download nothing
    import urllib.request

    report = progress(watch, "download")
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
            length = answer.headers.get("Content-Length")
            size = int(length) if length is not None and length.isdecimal() else None
            content = bytearray()
            while piece := answer.read(_PIECE):
                content += piece
                report(_megabytes(len(content)), None if size is None else _megabytes(size))
            if size is not None and len(content) < size:
                raise http.client.IncompleteRead(bytes(content), size - len(content))
            report(_megabytes(len(content)), _megabytes(len(content)))
            return bytes(content)
    except (OSError, http.client.HTTPException) as error:
        raise OSError(str(getattr(error, "reason", error))) from error


def _megabytes(count: int) -> int:
    return -(-count // 10**6)
