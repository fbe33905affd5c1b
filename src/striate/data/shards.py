"""Shards as a source: tar files with an index of ours, or as the webdataset package writes them, without.

The names, ids, labels, parts and notes are those of the data that shards were written of, so what is trained on them is the
same. For tars without an index one is made in the cache, under `shards/`, from their headers.

Legend: N images.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from striate.base import addresses, files
from striate.base.errors import DataError
from striate.data import remote_files, remote_index, shard_index, shard_paths, webdataset_tars
from striate.data.examples import Examples, Ignored, Quarantined
from striate.data.examples_from_source import check_classes, left_out
from striate.data.shard_index import ShardIndex

if TYPE_CHECKING:
    from striate.base.settings import Data

FOLDER = remote_index.FOLDER  # in the cache: indexes of tars that came without one, or from an address
WORK = ".unfinished"  # in a folder of shards that are being written
_APPLY = "labels_from", "follow_links", "multi_label"


def holds_shards(path: Path) -> bool:
    """Whether a path is an address, an index, or a folder with one, with tars alone, or with shards half written."""
    if addresses.is_address(path):
        return shard_paths.entry_of(path) is None
    if path.is_file():
        return path.name == shard_index.NAME
    if not path.is_dir():
        return False
    return (path / shard_index.NAME).is_file() or (path / WORK).is_dir() or webdataset_tars.holds_tars(path)


def open_shards(path: Path) -> ShardIndex:
    """The index of shards; each of them is there, and as long as it was.

    Raises:
        DataError: the index is damaged, or a shard is missing or has another length; the shards are half written; an
            address is not read.

    """
    if addresses.is_address(path):
        if path.suffix.lower() == ".tar":
            raise DataError(
                f"expected the address of a folder of shards; got that of the tar {addresses.shown(path)}. Give the folder "
                "that has its striate.index. A tar without one is read from a disk: copy it to a folder and give that, also to "
                "write shards with an index for the address (`striate data FOLDER --shards OUT`)."
            )
        return _at_address(addresses.shown(path.parent if path.name == shard_index.NAME else path))
    folder = path if path.is_dir() else path.parent
    if (folder / shard_index.NAME).is_file():
        return _checked(shard_index.open_index(folder / shard_index.NAME))
    if (folder / WORK).is_dir():
        raise DataError(f"the shards in {folder} are not finished. Give the command that wrote them again: it goes on.")
    name = webdataset_tars.stamp(folder)
    index = files.cache_folder().absolute() / FOLDER / name / shard_index.NAME
    if not index.is_file():
        webdataset_tars.write(folder, index)
    try:
        opened = shard_index.open_index(index)
    except DataError:  # in the cache it is made anew
        webdataset_tars.write(folder, index)
        opened = shard_index.open_index(index)
    return _checked(opened)


def _at_address(address: str) -> ShardIndex:
    """The index as it is there now, with all its shards there."""
    remote_index.refresh(address, shard_index.NAME)
    index = shard_paths.open_address(address)
    places = [addresses.join(address, shard.name) for shard in index.shards]
    sizes = remote_files.start(partial(remote_files.size, place) for place in places)
    for shard, place, size in zip(index.shards, places, sizes, strict=True):
        if (bytes_there := size.result()) != shard.bytes:
            raise DataError(
                f"the shard {place} has {bytes_there:,} bytes, and had {shard.bytes:,} when it was written. Copy it there "
                "again."
            )
    return index


def _checked(index: ShardIndex) -> ShardIndex:
    for shard in index.shards:
        path = index.folder / shard.name
        with files.explained(path, "read"):
            size = path.stat().st_size if path.is_file() else None
        if size is None:
            raise DataError(
                f"the shard {path} is missing: {index.path.name} lists {len(index.shards):,}. Copy it to the others, or write "
                "the shards anew."
            )
        if size != shard.bytes:
            raise DataError(
                f"the shard {path} has {size:,} bytes, and had {shard.bytes:,} when it was written. Copy it again, or write "
                "the shards anew."
            )
    return index


def read(path: Path, data: "Data") -> Examples:
    """The images of shards, by class. Raises DataError: as `open_shards`; a setting that does not apply to shards."""
    if given := [name for name in _APPLY if getattr(data, name)]:
        raise DataError(
            f"data.{given[0]} does not apply to shards, whose images have their labels; got {addresses.shown(path)}. Leave it "
            "out."
        )
    index = open_shards(path)
    header, columns = index.header, index.columns
    grouped = "groups" in columns and data.group is not None and data.group == header.get("group")
    examples = Examples(
        root=index.path, names=index.names, labels_N=columns["labels"], classes=tuple(header["classes"]), ids_N=columns["ids"],
        parts_N=columns["parts"], groups_N=columns["groups"] if grouped else None,
        quarantined=tuple(Quarantined(*row) for row in header["quarantined"]),
        ignored=tuple(Ignored(*row) for row in header["ignored"]), notes=tuple(header["notes"]),
        without_test=header["without_test"],
    )  # fmt: skip
    unlabeled_N = columns["labels"] == -1
    if not examples.several and unlabeled_N.any():
        bad = tuple(Quarantined(examples.names[row], webdataset_tars.NO_LABEL) for row in np.flatnonzero(unlabeled_N).tolist())
        examples = examples.keep(np.flatnonzero(~unlabeled_N), bad)
    advice = "Write KEY.cls for each image, and shards of two classes or more."
    check_classes(addresses.shown(path), examples.classes, left_out(examples.quarantined, examples.ignored), advice)
    return examples


def paths(path: Path) -> Iterator[Path]:
    """The path of every image of shards, labeled or not, as `decode.read_file` takes it; for predictions."""
    index = open_shards(path)
    return (index.path / name for name in index.names)
