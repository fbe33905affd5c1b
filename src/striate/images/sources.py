"""From what the user names to `Examples`: a folder, a table, or a data set by name."""

from pathlib import Path

from striate.base import disk
from striate.base.config import Data
from striate.base.errors import DataError, nearest
from striate.images import cifar, folders, idx, named, tables
from striate.images.examples import Examples


def read(data: Data) -> Examples:
    """The labelled images that `data.path` means: a name, a table, or a folder of classes, IDX or CIFAR files.

    A folder with the name of a data set is written with a slash: `./mnist`.

    Raises:
        DataError: nothing is there, or it cannot be used; says what was expected and what to do.
        DiskError: the disk refuses to say what is there.

    """
    if data.path in named.NAMES:
        return named.read(data.path, data.data_dir)
    path = Path(data.path)
    with disk.explained(path, "read"):  # a name that is too long, or a folder that is closed
        there = path.exists()
    if not there:
        near = [name for name in named.NAMES if name.startswith(data.path[:3])]
        hint = nearest(data.path, near or named.NAMES)
        raise DataError(
            f"expected a folder of images by class, a table or a name; there is nothing at {data.path!r}. "
            f"By name, {hint[0].lower()}{hint[1:]}"
        )
    if path.is_file():
        if path.suffix.lower() not in tables.ENDINGS:
            raise DataError(f"expected a folder, or a table that ends in {' or '.join(tables.ENDINGS)}; got the file {path}.")
        return tables.read(path, data)
    if idx.holds_idx(path):
        return idx.read(path)
    if cifar.holds_cifar(path):
        return cifar.read(path)
    return folders.read(path)
