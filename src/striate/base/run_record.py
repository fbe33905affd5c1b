"""`record.json`: what binds the files of a run together - its id, its settings, and the SHA-256 of each file.

A file that was changed, or that comes from another run, is refused by name before anything in it is used. A digest is written
before its file, beside the one that is valid until then, so the two agree after a crash at any instant. The record has its own
digest too. That notices accidents and edits, not forgery: whoever writes the record anew as well goes unnoticed.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from striate.base import files
from striate.base.errors import ArtifactError
from striate.base.events import Json

RECORD = "record.json"
MODEL = f"model/{files.MANIFEST}"  # stands for every file of the model
_PLACES = ("data.path", "data.data_dir")  # images that were moved are recognized by their content
RESTORE = "Restore it from a copy, or start a new run."


class Identity(NamedTuple):
    """Which run this is."""

    run_id: str  # 16 hexadecimal digits of a hash of the settings and of what else the result depends on
    settings: Json  # complete, as in run.toml

    def stamp(self) -> dict[str, str]:
        """What predictions and models of the run carry."""
        return {"run_id": self.run_id, "settings_sha256": _sha256(_canonical(self.settings))}


class Record(NamedTuple):
    """The content of record.json."""

    identity: Identity
    sha256: dict[str, list[str]]  # by file: the digests that are valid, two while a file is being replaced


def identify(settings: Json, **circumstances: object) -> Identity:
    """The identity of a run with these settings in these circumstances: data, versions, machine."""
    return Identity(_sha256(_canonical({"settings": settings, **circumstances}))[:16], settings)


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, allow_nan=False).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def begin(folder: Path, identity: Identity, contents: Mapping[str, bytes]) -> None:
    """Write the record of a run that begins, or begins again, then its first files in the order given."""
    before: dict[str, list[str]] = {}
    with suppress(ArtifactError):
        before = read(folder).sha256
    _write(folder, Record(identity, {name: before[name] for name in contents if name in before}), contents)


def add(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write more files of a run, or write them anew."""
    _write(folder, read(folder), contents)


def add_model(folder: Path) -> None:
    """Enter the model that now lies in the folder of a run."""
    add(folder, {MODEL: (folder / MODEL).read_bytes()})


def expect(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Enter what files of a run are about to become, which may be as they are until then."""
    _enter(folder, read(folder), contents)


def _write(folder: Path, record: Record, contents: Mapping[str, bytes]) -> None:
    _enter(folder, record, contents)
    for name, content in contents.items():
        files.write_bytes(folder / name, content)


def _enter(folder: Path, record: Record, contents: Mapping[str, bytes]) -> None:
    valid = {name: _valid(folder / name, record.sha256.get(name, [])) for name in contents}
    digests = {name: [*valid[name], _sha256(content)] for name, content in contents.items()}
    value = {"run_id": record.identity.run_id, "settings": record.identity.settings, "sha256": {**record.sha256, **digests}}
    value["record_sha256"] = _sha256(_canonical(value))
    files.write_text(folder / RECORD, json.dumps(value, indent=1, allow_nan=False) + "\n")


def _valid(path: Path, digests: list[str]) -> list[str]:
    """Of these digests, that of the file which is there."""
    with files.explained(path, "read"):
        return [digest for digest in digests if path.is_file() and files.sha256(path) == digest][:1]


def read(folder: Path) -> Record:
    """The record of a run. Raises ArtifactError: it is missing or damaged."""
    path = folder / RECORD
    with files.explained(path, "read"):
        present = path.is_file()
    if not present:
        raise ArtifactError(f"expected {RECORD} in {folder}, which says what belongs to the run; there is none. {RESTORE}")
    with files.explained(path, "read"):
        content = path.read_bytes()
    try:
        value: Json = json.loads(content)
        digest = value.pop("record_sha256")
        record = Record(Identity(value["run_id"], value["settings"]), value["sha256"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path} is damaged: {error}. {RESTORE}") from None
    if digest != _sha256(_canonical(value)):
        raise ArtifactError(f"{path} has changed since it was written. {RESTORE}")
    return record


def content(folder: Path, name: str) -> bytes | None:
    """The bytes of a file as the run wrote it; None where it is not there. Raises ArtifactError: it is not what was written."""
    path = folder / name
    with files.explained(path, "read"):
        if not path.is_file():
            return None
        present = path.read_bytes()
    record = read(folder)
    digest, valid = _sha256(present), record.sha256.get(name)
    if valid is None:
        raise ArtifactError(f"{path} was not written by this run (see {RECORD}). Remove it, or start a new run.")
    if digest not in valid:
        raise ArtifactError(
            f"{path} has changed since the run wrote it, or is of another run: expected SHA-256 {valid[-1][:16]}..., got "
            f"{digest[:16]}... {RESTORE}"
        )
    return present


def missing(folder: Path) -> str | None:
    """The first file that the record has and the folder has not: in a run that has ended, one that was lost."""
    return next((name for name in read(folder).sha256 if not (folder / name).is_file()), None)


def refuse_missing(folder: Path) -> None:
    """Raise ArtifactError where a file of a run that has ended was lost."""
    if name := missing(folder):
        raise ArtifactError(f"{folder / name} is missing, though the run wrote it. {RESTORE}")


def difference(before: Json, now: Json) -> str | None:
    """The first setting but the images' place that is not the same, as `train.lr was 0.1 and is 0.2`; None where all are."""
    for path in differing(before, now):
        was, is_now = (repr(tree[path]) if path in tree else "not set" for tree in (dict(flat(before)), dict(flat(now))))
        return f"{path} was {was} and is {is_now}"
    return None


def differing(before: Json, now: Json) -> list[str]:
    """The settings but the images' place that are not the same, as `train.lr`."""
    old, new = dict(flat(before)), dict(flat(now))
    return [path for path in {**old, **new} if path not in _PLACES and old.get(path) != new.get(path)]


def flat(settings: Json, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Each setting with its path, as `train.lr`."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(dict(value), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
