"""Small results that take seconds to compute, kept in the cache: statistics of a sample, and the test for mirroring.

Each lies in `<cache>/<kind>/<hash of all that it depends on>/`. One that is damaged, or cannot be written, is computed again.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import PIL

from striate.base import addresses, files
from striate.base.errors import DiskError
from striate.data import decode
from striate.data.examples import Examples

SAMPLES, MIRRORING = "samples", "mirroring"
ABOUT, _RESULT = "about.json", "result.json"


def folder(kind: str, *depends: object) -> Path:
    """The place of the result that depends on these, on the decoder, and on nothing else."""
    text = "\x1f".join(map(repr, (decode.DECODER_VERSION, PIL.__version__, *depends)))
    return files.cache_folder() / kind / hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()


def read(place: Path, but: Collection[str] = ()) -> dict[str, Any] | None:
    """What was computed before; None where nothing was, or it is damaged. Files named in `but` may have changed since."""
    try:
        if files.damage(place, but):
            return None
        result = json.loads((place / _RESULT).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) else None


def write(place: Path, result: Mapping[str, Any], examples: Examples, beside: Mapping[str, bytes] | None = None) -> None:
    """Keep a result of JSON about these images, with other files beside it; a cache that cannot be written costs time alone."""
    about = {"data": addresses.absolute(examples.root), "images": len(examples)}  # for the list of the cache
    contents = {_RESULT: json.dumps(result).encode(), ABOUT: json.dumps(about).encode(), **(beside or {})}
    with suppress(DiskError):
        files.write_folder(place, contents)
