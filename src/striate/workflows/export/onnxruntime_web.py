"""onnxruntime for browsers: the two files of its npm package that a page needs, of one version whose every byte is known."""

import base64
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from striate.base import files
from striate.base.download import fetch
from striate.base.errors import WeightsError
from striate.base.events import Watch, quiet
from striate.base.option_names import option

VERSION = "1.30.0"
ARCHIVE = f"onnxruntime-web-{VERSION}.tgz"
# SHA-512 in base64, as npm writes it into lock files
INTEGRITY = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
# Name in the archive -> in the folder. Not every server knows that .mjs is JavaScript. This build needs no other files.
FILES = {
    "package/dist/ort.wasm.bundle.min.mjs": "onnxruntime-web.js",
    "package/dist/ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
}
_REGISTRY = "https://registry.npmjs.org/"
_SECONDS = 20


def read(archive: Path | None = None, watch: Watch = quiet) -> dict[str, bytes]:
    """The files by name: of this archive, else of the cache, else fetched from the npm registry that npm is set to.

    Raises:
        WeightsError: it cannot be had, or is another.

    """
    cached = files.cache_folder() / "npm" / ARCHIVE
    given = archive or (cached if cached.is_file() else None)
    content = _fetched(watch) if given is None else _read(given)
    place = _address() if given is None else str(given)
    integrity = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if integrity != INTEGRITY:
        raise WeightsError(
            f"{place}: expected {ARCHIVE} with the SHA-512 {INTEGRITY[:12]}...; got {integrity[:12]}... It is damaged or "
            f"another version. {_advice()}"
        )
    if given is None:
        files.write_bytes(cached, content)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as packed:
        members = {name: packed.extractfile(name) for name in FILES}
        return {FILES[name]: member.read() for name, member in members.items() if member is not None}


def _read(archive: Path) -> bytes:
    try:
        return archive.read_bytes()
    except OSError as error:
        raise WeightsError(f"{archive} cannot be read: {error.strerror or error}. {_advice()}") from error


def _fetched(watch: Watch) -> bytes:
    address = _address()
    try:
        return fetch(address, watch)
    except OSError as error:
        raise WeightsError(
            f"The page needs {ARCHIVE}, which is not on this machine and cannot be downloaded ({error}). {_advice()}"
        ) from error


def _advice() -> str:
    return f"Get it by `npm pack onnxruntime-web@{VERSION}` and give the file by {option('onnxruntime_web')}."


def _address() -> str:
    return f"{registry().rstrip('/')}/onnxruntime-web/-/{ARCHIVE}"


def registry() -> str:
    """The registry that npm is set to; where there is no npm, that of its variable, else the public one."""
    npm = shutil.which("npm")
    if npm is not None:
        try:
            printed = subprocess.run(
                [npm, "config", "get", "registry"], capture_output=True, text=True, timeout=_SECONDS
            ).stdout
            if printed.strip().startswith(("https://", "http://")):
                return printed.strip()
        except (OSError, subprocess.SubprocessError):
            pass
    return os.environ.get("npm_config_registry") or _REGISTRY  # noqa: SIM112 - as npm spells it
