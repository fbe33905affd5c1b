"""Labeled images as people hold them in Python.

| data | labels |
|---|---|
| array or tensor, N x H x W, N x H x W x C or N x C x H x W | `labels` |
| list or column of paths, PIL images, arrays, tensors, bytes of files, open files, `{"bytes": ...}` | `labels` |
| a glob | `labels`, for its files by name |
| `(images, labels)`, or a list of `(image, label)` | in it |
| table of pandas, polars or pyarrow, data set of Hugging Face | a column |
| data set of torch | second of each item; numbers are positions in its `classes` |
| `{"train": ..., "val": ..., "test": ...}` of any of these | in them |

Labels are text or whole numbers; or lists of these, of several labels an image (`data.multi_label`). Nothing is imported to
recognize all this: names of modules and of attributes tell.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from glob import glob
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from striate.base.errors import DataError
from striate.base.phrases import join_names
from striate.data import table_objects
from striate.data.examples_from_source import part_named
from striate.data.image_objects import as_array, is_array, is_missing, packages
from striate.data.table_objects import Table

TAKEN = (
    "a path; a glob, a list of paths, of PIL images, of arrays or of the bytes of files, or an array or tensor of images, each "
    "with labels=...; a pair (images, labels) or a list of such pairs; a table of pandas, polars or pyarrow; a data set of "
    "torch or of Hugging Face's; or a dictionary of these by train, val and test"
)
_SHOWN = 10
_LISTS = (list, tuple, set, frozenset, np.ndarray)  # of the labels of an image


class Labeled(NamedTuple):
    """Images with labels, which can be gone through more than once."""

    rows: Callable[[], Iterable[tuple[object, str | None]]]  # an image and its label, None where it has none
    total: int
    parts: Sequence[str] = ()  # train, val or test for each image, where they are divided
    table: Table | None = None  # which has the labels and parts, where the images are those of a table


def read(data: Any, labels: Any) -> Labeled:
    """What was given as images and labels. Raises DataError: it is none of `TAKEN`, or images and labels do not fit."""
    if labels is None and isinstance(data, tuple) and len(data) == 2:
        if all(isinstance(part, tuple) and len(part) == 2 and is_array(part[0]) for part in data):  # as Keras has them
            return _parts({"train": data[0], "test": data[1]}, None)
        data, labels = data
    if isinstance(data, Mapping):
        return _parts(data, labels)
    if table_objects.is_table(data):
        if labels is not None:
            raise DataError(
                "expected no labels beside a table, which has them in a column. Name that by data.label_column, or give the "
                "column of images alone beside labels."
            )
        return of_table(table_objects.read(data))
    if type(data).__name__ == "DataLoader":
        raise DataError("expected a data set, not its loader; give loader.dataset.")
    if labels is None and (_is_dataset(data) or _is_list_of_pairs(data)):
        return _dataset(data)
    return _pairs(_images(data), labels)


def of_table(table: Table) -> Labeled:
    """The images of a table, whose labels are in it."""
    return Labeled(lambda: ((image, None) for image in table.images()), table.total, table=table)


def _images(data: Any) -> Sequence[object]:
    """The images without their labels."""
    if isinstance(data, str | os.PathLike):
        pattern = os.fsdecode(data)
        names = sorted(name for name in glob(pattern, recursive=True) if Path(name).is_file())
        if not names or Path(pattern).exists():
            what = "the labels of a folder or a table are in it" if Path(pattern).exists() else "no file matches it"
            raise DataError(f"labels go with images in memory, a list of paths or a glob; got {pattern!r}, and {what}.")
        return names
    if is_array(data) and data.ndim != 1:
        if data.ndim not in (3, 4):
            raise DataError(
                f"expected images as an array N x H x W, N x H x W x C or N x C x H x W; got the shape {tuple(data.shape)}. "
                "Reshape it, as by images.reshape(-1, 28, 28)."
            )
        return cast(Sequence[object], data)
    if hasattr(data, "columns") or isinstance(data, bytes | bytearray) or not isinstance(data, Iterable):
        raise DataError(f"expected {TAKEN}; got {type(data).__name__}.")
    return data if isinstance(data, list | tuple) else _listed(data)


def _listed(values: Any) -> list[Any]:
    """The values of an array, a tensor, a series or anything else that can be gone through."""
    if "torch" in packages(values) and hasattr(values, "detach"):
        values = as_array(values)
    for method in ("tolist", "to_list"):
        if hasattr(values, method):
            return list(getattr(values, method)())
    return list(values)


def _pairs(images: Sequence[object], labels: Any) -> Labeled:
    if labels is None:
        raise DataError(
            "expected labels=..., one for each image. Where the folder of an image is its class: "
            "labels=[Path(path).parent.name for path in paths]."
        )
    if isinstance(labels, str | bytes | Mapping) or not isinstance(labels, Iterable):
        raise DataError(
            f"expected labels as a list, an array or a column of a table; got {type(labels).__name__} {labels!r:.60}."
        )
    values = _listed(labels)
    if len(images) != len(values):
        raise DataError(f"expected a label for each image; got {len(images):,} images and {len(values):,} labels.")
    if not values:
        raise DataError("expected images with labels; got none.")
    values = _without_one_hot(values)
    if any(isinstance(value, _LISTS) for value in values):
        return of_table(_with_label_sets(images, values))
    words = refuse_missing([label_text(value, position) for position, value in enumerate(values)])
    return Labeled(lambda: zip(images, words, strict=True), len(words))


def _without_one_hot(values: list[Any]) -> list[Any]:
    """Labels N x 1 as N labels, and rows of zeros with a single one as the position of the one."""
    if all(isinstance(value, list | tuple | np.ndarray) and len(value) == 1 for value in values):
        return [value[0] for value in values]
    rows = [list(value) for value in values if isinstance(value, list | tuple | np.ndarray)]
    if rows and all(row.count(1) == 1 and row.count(0) == len(rows[0]) - 1 for row in rows) and len(rows) == len(values):
        return [row.index(1) for row in rows]
    return values


def _with_label_sets(images: Sequence[object], values: list[Any]) -> Table:
    """A table of images with a list of labels each, as JSON; an empty list means none of them.

    Raises:
        DataError: a label is missing or neither text nor a whole number, or rows of 0 and 1 have no names.

    """
    rows = [list(value) if isinstance(value, _LISTS) else [value] for value in values]
    if len({len(row) for row in rows}) == 1 and all(item in (0, 1) for row in rows for item in row):
        raise DataError(
            "expected the names of the labels of each image; got rows of 0 and 1, which have no names. Give labels=[[name for "
            "name, there in zip(names, row) if there] for row in rows], or a table with a column for each label."
        )
    words = [[label_text(item, position) for item in row] for position, row in enumerate(rows)]
    if missing := [position for position, row in enumerate(words) if None in row]:
        raise DataError(
            f"label {missing[0]}: expected a list of labels, empty where the image has none; got {values[missing[0]]!r:.60} "
            f"({len(missing):,} in all such). Leave these images out, or label them."
        )
    cells = [json.dumps(row) for row in words]
    if all(isinstance(image, str | os.PathLike) for image in images):
        paths = [os.fsdecode(cast(str, image)) for image in images]
        return Table({"path": paths, "label": cells}, None, lambda: (), len(rows))
    return Table({"label": cells}, "image", lambda: images, len(rows))


def label_text(value: Any, position: int, names: Sequence[str] | None = None) -> str | None:
    """A label as the name of its class; None for one that is missing. A whole number is a position in `names`.

    Raises:
        DataError: it is neither text, nor a whole number, nor true or false.

    """
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()  # of a numpy or torch scalar
    if is_missing(value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and names is not None:
        if not 0 <= value < len(names):
            raise DataError(
                f"label {position}: expected a number from 0 to {len(names) - 1}, as there are {len(names)} names; got {value}."
            )
        return str(names[value])
    if isinstance(value, str | int):
        return str(value) if str(value).strip() else None
    many = isinstance(value, Iterable) and not isinstance(value, bytes)
    got = "several labels" if many else f"a {type(value).__name__}"
    raise DataError(
        f"label {position}: expected one label for each image, text or a whole number; got {got}, {value!r:.60}. "
        "Give each image one class, or a list of labels=... for each, by settings={'data': {'multi_label': True}}."
    )


def refuse_missing(labels: Sequence[str | None]) -> list[str]:
    """The same labels, of which none is missing. Raises DataError: some are None, NaN or empty, at these positions."""
    if missing := [str(position) for position, label in enumerate(labels) if label is None]:
        shown = (
            join_names(missing)
            if len(missing) <= _SHOWN
            else f"{', '.join(missing[:_SHOWN])} and {len(missing) - _SHOWN:,} more"
        )
        raise DataError(
            f"expected a label for each image; {len(missing):,} of {len(labels):,} are None, NaN or empty, at {shown}. Leave "
            "these images out, or label them."
        )
    return [label for label in labels if label is not None]


def _is_dataset(data: object) -> bool:
    """Whether this is a data set of torch's kind: items (image, label) by position."""
    names = {base.__name__ for base in type(data).__mro__}
    own = "torch" in packages(data) and "Dataset" in names
    return own or (hasattr(data, "__getitem__") and hasattr(data, "__len__") and hasattr(data, "classes"))


def _is_list_of_pairs(data: object) -> bool:
    return isinstance(data, list) and bool(data) and all(isinstance(item, tuple) and len(item) == 2 for item in data)


def _dataset(data: Any) -> Labeled:
    if not hasattr(data, "__len__"):
        raise DataError(
            f"expected a data set with a length and items by position; got {type(data).__name__}. Give a list of its items."
        )
    if not len(data):
        raise DataError("expected images with labels; got an empty data set.")
    names = _class_names(data)
    transforms = [getattr(data, name, None) for name in ("transform", "target_transform", "transforms")]
    if (samples := getattr(data, "samples", None)) and transforms == [None] * 3 and isinstance(samples[0][0], str):
        return Labeled(lambda: ((path, label_text(label, n, names)) for n, (path, label) in enumerate(samples)), len(samples))
    return Labeled(lambda: _items(data, names), len(data))


def _class_names(data: Any) -> Sequence[str] | None:
    """The names of classes that a data set has, or the one that it is a part of."""
    for _ in range(10):
        if (names := getattr(data, "classes", None)) is not None:
            return [str(name) for name in names]
        if (data := getattr(data, "dataset", None)) is None:
            return None
    return None


def _items(data: Any, names: Sequence[str] | None) -> Iterator[tuple[object, str | None]]:
    for position in range(len(data)):
        item = data[position]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise DataError(f"item {position}: expected (image, label); got {type(item).__name__} {item!r:.60}.")
        yield item[0], label_text(item[1], position, names)


def _parts(data: Mapping[Any, Any], labels: Any) -> Labeled:
    """Data by part, as {"train": ..., "test": ...}."""
    parts = {str(name): part_named(str(name)) for name in data}
    if not data or labels is not None or None in parts.values():
        got = "labels beside it" if labels is not None else join_names([repr(name) for name in parts]) if data else "nothing"
        raise DataError(
            f"expected a dictionary of (images, labels) by train, val and test, without labels beside it; got {got}."
        )
    sources = [read(value, None) for value in data.values()]
    tables = [source.table for source in sources if source.table is not None]
    if len(tables) == len(sources):
        return of_table(table_objects.joined(tables, [part.name.lower() for part in parts.values() if part]))
    if tables:
        raise DataError("expected tables for all parts, or for none; got some. Give the others as tables too.")
    words = [
        part.name.lower() for part, source in zip(parts.values(), sources, strict=True) if part for _ in range(source.total)
    ]
    return Labeled(
        lambda: chain.from_iterable(source.rows() for source in sources), sum(source.total for source in sources), words
    )
