"""Data sets of Hugging Face's library: `hf:NAME`, `hf:PATH`, and folders that `save_to_disk` wrote. Data, never code.

Releases of the library before 4 could run a script that comes with a data set; those are refused.
"""

import os
from importlib import metadata
from pathlib import Path
from typing import Any

from striate.base.errors import DataError, MissingExtraError

PREFIX = "hf:"
_LEAST_RELEASE = 4
_SAVED = (("dataset_dict.json",), ("state.json", "dataset_info.json"))  # of several parts, and of one


def holds(path: str) -> bool:
    """Whether this names such a data set.

    >>> holds("hf:owner/flowers"), holds("photos")
    (True, False)
    """
    return path.startswith(PREFIX) or is_saved(Path(path))


def is_saved(path: Path) -> bool:
    """Whether this is a folder that `save_to_disk` wrote."""
    try:
        return any(all((path / name).is_file() for name in names) for names in _SAVED)
    except OSError:  # a name that no file can have, which is said where it is looked for
        return False


def load(path: str) -> Any:
    """The data set, or its parts by name: of what is on this machine first, else from the hub.

    Raises:
        DataError: it is not there, or the library cannot read it.
        MissingExtraError: the library is not installed, or is of a release that may run code.

    """
    _check_library()
    import datasets

    name = path.removeprefix(PREFIX)
    if not name:
        raise DataError("expected hf: and the name of a data set, or its path; got hf: alone.")
    there = Path(name)
    try:
        datasets.disable_progress_bars()
        if is_saved(there):
            return datasets.load_from_disk(os.fspath(there))
        if there.exists() or not there.is_absolute():
            return datasets.load_dataset(name)
    except Exception as error:  # of a dozen packages below it
        text = " ".join(str(error).split())[:300] or type(error).__name__
        raise DataError(
            f"{path} is not read by Hugging Face's datasets: {text}. Load it in Python and give the data set itself, or the "
            "folder that its save_to_disk wrote."
        ) from error
    raise DataError(f"expected a data set of Hugging Face's at {name}; there is nothing.")


def _check_library() -> None:
    try:
        release = metadata.version("datasets")
    except metadata.PackageNotFoundError:
        release = "0"
    if int(release.partition(".")[0]) < _LEAST_RELEASE:
        raise MissingExtraError("A data set of Hugging Face's", f"datasets {_LEAST_RELEASE} or newer", "hf")
