"""Addresses of data on servers: `https://host/shards`, `s3://bucket/shards`; and what must not be shown of them.

A user, a password and what follows a question mark, as in signed addresses, are kept in this process alone: messages, settings
and run folders have the address without them. A `Path` makes one slash of two, so `s3:/bucket/shards` is the same address.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):/(?!$)")  # two letters or more: C:/ is a drive
_NONE = ("hf",)  # Hugging Face's data sets, which are no files at an address
_HTTP = ("http", "https")


class _Secret(NamedTuple):
    """What an address was given with."""

    user: str  # user:password, percent-encoded; empty for none
    query: str  # what follows the question mark; empty for none


_secrets: dict[str, _Secret] = {}  # by the address without them


def is_address(place: str | os.PathLike[str]) -> bool:
    """Whether this is an address, also as a path that lost a slash.

    >>> is_address("s3://bucket/shards"), is_address(Path("s3://bucket/shards")), is_address("C:/photos"), is_address("a:b")
    (True, True, False, False)
    """
    match = _ADDRESS.match(os.fspath(place))
    return match is not None and match[1].lower() not in _NONE


def protocol(address: str) -> str:
    """What is before the colon, as `s3`."""
    return address.partition(":")[0].lower()


def take(text: str) -> str:
    """An address without its secrets, which this process keeps for `complete`; another text as it is.

    >>> take("https://me:word@host/shards?key=1"), complete("https://host/shards/a.tar")
    ('https://host/shards', 'https://me:word@host/shards/a.tar?key=1')
    """
    if not is_address(text):
        return text
    clean, user, query = _parts(text)
    if user or query:
        whole = clean.rpartition("/")[0] if clean.endswith(".index") else clean  # an index is given with the files beside it
        _secrets[whole] = _Secret(user, query)
    return clean


def bare(address: str) -> str:
    """An address without its secrets, which are not kept; for messages."""
    return _parts(address)[0]


def _parts(address: str) -> tuple[str, str, str]:
    """An address without secrets, the user with the password, and what follows the question mark."""
    scheme, _, rest = address.partition(":")
    before, _, query = rest.lstrip("/").partition("#")[0].partition("?")
    host, slash, path = before.partition("/")
    user, _, host = host.rpartition("@")
    scheme = scheme.lower()
    return f"{scheme}{':///' if scheme == 'file' else '://'}{host}{slash}{path}".rstrip("/"), user, query


def complete(address: str) -> str:
    """An address of `take`, or of a file below it, with its secrets."""
    secret = _secret(address)
    if secret is None:
        return address
    scheme, _, rest = address.partition("://")
    user = f"{secret.user}@" if secret.user else ""
    return f"{scheme}://{user}{rest}" + (f"?{secret.query}" if secret.query else "")


def _secret(address: str) -> _Secret | None:
    above = (known for known in _secrets if address == known or address.startswith(f"{known}/"))
    return _secrets.get(max(above, key=len, default=""))


def redacted(text: str) -> str:
    """A text, as a library's message, without the secrets that this process keeps."""
    for secret in _secrets.values():
        for part in (secret.user, secret.query):
            text = text.replace(part, "***") if part else text
    return text


def as_path(place: str | os.PathLike[str]) -> Path:
    """A path; of an address as text without its secrets."""
    return Path(take(place) if isinstance(place, str) else place)


def shown(path: str | os.PathLike[str]) -> str:
    """A path of `as_path` as it is shown: an address with both of its slashes.

    >>> shown(Path("s3://bucket/shards/striate.index/cat/1.jpg")), shown(Path("shards/1.jpg"))
    ('s3://bucket/shards/striate.index/cat/1.jpg', 'shards/1.jpg')
    """
    text = os.fspath(path)
    if not is_address(path):
        return text
    scheme, _, rest = text.partition(":")
    return f"{scheme}:{'///' if scheme == 'file' else '//'}{rest.lstrip('/')}"


def absolute(path: Path) -> str:
    """A path that is there as an absolute one; an address, and the name of what lies nowhere, as they are shown."""
    return str(path.absolute()) if path.exists() else shown(path)


def join(folder: str, name: str) -> str:
    """The address of a file in a folder, whose name is not encoded yet.

    >>> join("http://host/shards", "a b.tar"), join("s3://bucket/shards", "a b.tar")
    ('http://host/shards/a%20b.tar', 's3://bucket/shards/a b.tar')
    """
    return f"{folder}/{quote(name) if protocol(folder) in _HTTP else name}"
