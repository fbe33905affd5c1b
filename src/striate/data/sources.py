"""From what the user names to `Examples`: a folder, a table, shards, or a data set by name or of Hugging Face's."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

from striate.base import addresses, files, nameless_files
from striate.base.config import Data
from striate.base.errors import DataError, nearest
from striate.base.events import Watch, quiet
from striate.data import (
    builtin_datasets,
    cifar10,
    csv_parquet,
    folders,
    groups,
    hugging_face,
    in_memory,
    label_edits,
    mnist_idx,
    shards,
)
from striate.data.examples import Examples

_TAR = " Give the folder that it lies in, with no folder beside it."
_MANY = 100_000  # images, whose listing took tens of megabytes
_ADVICE = {".zip": " Unpack it.", ".tar": _TAR} | dict.fromkeys((".xlsx", ".xls", ".ods"), " Save it as CSV.")


class _Listing(NamedTuple):
    """What a block has listed."""

    examples: dict[Data, Examples]
    watch: Watch


_listing: ContextVar[_Listing | None] = ContextVar("listing", default=None)
_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


@contextmanager
def listing(watch: Watch = quiet) -> Iterator[None]:
    """Let `read` list each source once within the block, as where a command checks its images before it trains with them.

    `watch` is called with what takes long: the stages `download`, `collect` and `keep`.
    """
    outer = _listing.get()
    token = _listing.set(_Listing({}, watch) if outer is None else outer)
    try:
        yield
    finally:
        _listing.reset(token)


def listed_once(function: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """A function that takes `watch`, with its calls as such blocks."""
    signature = inspect.signature(function)

    @wraps(function)
    def listed(*args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
        with listing(signature.bind(*args, **kwargs).arguments.get("watch", quiet)):
            return function(*args, **kwargs)

    return listed


def read(data: Data) -> Examples:
    """The labeled images that `data.path` means: a name, a table, what `in_memory` keeps, or a folder of classes, IDX
    or CIFAR files, or shards, or a data set of Hugging Face's.

    A folder with the name of a data set is written with a slash: `./mnist`.
    """
    now = _listing.get()
    if now is None:
        return _complete(data, quiet)
    if data not in now.examples:
        now.examples[data] = _complete(data, now.watch)
    return now.examples[data]


def read_as_given(data: Data, watch: Watch = quiet) -> Examples:
    """The same, without corrections, and with groups only of a column of a table that the settings name."""
    return _read(data, watch)


def _complete(data: Data, watch: Watch) -> Examples:
    """The images with their groups, and with the corrections of their labels."""
    return settled(label_edits.apply(groups.apply(_read(data, watch), data), data))


def settled(examples: Examples) -> Examples:
    """The same images in as little memory as they need from here on."""
    examples = examples.in_files()
    if len(examples) >= _MANY:
        nameless_files.give_back()  # what listing them took
    return examples


def _is_table(path: str) -> bool:
    return path not in builtin_datasets.NAMES and (hugging_face.holds(path) or not Path(path).is_dir())


def _read(data: Data, watch: Watch) -> Examples:
    if (data.labels_from or data.follow_links) and not Path(data.path).is_dir():
        name = "labels_from" if data.labels_from else "follow_links"
        raise DataError(f"data.{name} applies to a folder of images; got {data.path}. Leave it out.")
    if data.multi_label and not _is_table(data.path):
        raise DataError(
            f"data.multi_label applies to a table, whose rows have several labels each; got {data.path}. Give a CSV or Parquet "
            "table with a column of labels as cat|dog, or a column of 0 and 1 for each label."
        )
    if data.path in builtin_datasets.NAMES:
        return builtin_datasets.read(data.path, data.data_dir, watch)
    path = addresses.as_path(data.path)
    if addresses.is_address(path):
        return shards.read(path, data)
    if hugging_face.holds(data.path):
        return in_memory.read(in_memory.kept(hugging_face.load(data.path), data.path, watch), data)
    if in_memory.holds(path):
        return in_memory.read(path, data)
    with files.explained(path, "read"):  # a name that is too long, or a folder that is closed
        there = path.exists()
    if not there:
        if any(mark in data.path for mark in "*?["):
            raise DataError(
                f"expected a folder of images by class, a table or a name; got the pattern {data.path!r}. Give the folder "
                "above the classes, or in Python the pattern with labels=[...], one for each of its files by name."
            )
        near = [name for name in builtin_datasets.NAMES if name.startswith(data.path[:3])]
        hint = nearest(data.path, near or builtin_datasets.NAMES)
        raise DataError(
            f"expected a folder of images by class, a table or a name; there is nothing at {data.path!r}. "
            f"By name, {hint[0].lower()}{hint[1:]}"
        )
    if own := [what for file, what in (("run.toml", "a run"), ("model.json", "a model")) if (path / file).is_file()]:
        raise DataError(f"expected a folder of images by class; got {own[0]} of striate, {path}. Give the images as DATA.")
    if shards.holds_shards(path):
        return shards.read(path, data)
    if path.is_file():
        if path.suffix.lower() not in csv_parquet.ENDINGS:
            raise DataError(
                f"expected a folder, or a table that ends in {', '.join(csv_parquet.ENDINGS)}; got the file {path}."
                + _ADVICE.get(path.suffix.lower(), "")
            )
        unpacked = in_memory.unpacked(path, watch) if path.suffix.lower() == ".parquet" else None
        return csv_parquet.read(path, data) if unpacked is None else in_memory.read(unpacked, data)
    if mnist_idx.holds_idx(path):
        return mnist_idx.read(path)
    if cifar10.holds_cifar(path):
        return cifar10.read(path)
    return folders.read(path, data)
