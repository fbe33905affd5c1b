"""Whether the files of the served model are others than before, and are there to stay."""

from pathlib import Path

from striate.base import files, run_folder
from striate.base.errors import StriateError
from striate.workflows.checks import is_external

Fingerprint = tuple[int, ...]


def fingerprint(run: str) -> Fingerprint | None:
    """What changes with each writing of a model; None while there is none, or where it is not on this machine.

    A model's folder gets its manifest last, so that looking at that one file is enough.
    """
    path = Path(run)
    try:
        if not path.is_file():
            if is_external(run):
                return None
            folder = run_folder.find(run)  # and nothing more: a training may be writing there
            path = (folder if (folder / "model.json").is_file() else folder / "model") / files.MANIFEST
        status = path.stat()
    except (OSError, StriateError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


class ChangeDetector:
    """Says once of each change that it is there, when two looks after each other saw the same files."""

    def __init__(self, current: Fingerprint | None) -> None:
        self._loaded = self._last = current

    def changed(self, current: Fingerprint | None) -> bool:
        """Whether the files that are seen now are to be loaded; those are not said again, also where they cannot be loaded."""
        settled = current is not None and current == self._last
        self._last = current
        if not settled or current == self._loaded:
            return False
        self._loaded = current
        return True
