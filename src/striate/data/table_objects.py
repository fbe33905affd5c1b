"""Tables in memory, and Parquet files with images in them: pandas, polars, pyarrow and Hugging Face data sets.

They become a table of text, whose column of images names the files that the images are written to; one of paths stays as it is.
A data set of Hugging Face's is read without decoding its images, and its numbers of classes by their names.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from striate.base.errors import DataError, MissingExtraError
from striate.base.phrases import join_names
from striate.data import decode
from striate.data.image_objects import is_array, is_missing, packages

_BATCH = 32  # rows that are in memory at a time, with their images
_MOST_TEXT = 200  # letters of a cell that is not text itself

Batches = Callable[[Sequence[str]], Iterator[Any]]  # of rows of some columns, as pyarrow has them


class Table(NamedTuple):
    """A table of text, and beside it a column of images."""

    columns: Mapping[str, Sequence[str]]  # without that of the images
    image_column: str | None  # None where images are named by paths alone
    images: Callable[[], Iterable[object]]  # of each row; None where it has none
    total: int  # rows
    label_column: str | None = None  # the only one with names of classes, of Hugging Face


def is_table(data: object) -> bool:
    """Whether this is a table of pandas, polars or pyarrow, or a data set of Hugging Face's."""
    is_named = bool(packages(data) & {"pandas", "polars", "pyarrow", "datasets"})
    return is_named and any(hasattr(data, name) for name in ("column_names", "collect", "columns"))


def read(data: Any) -> Table:
    """The cells of a table. Raises DataError: it has several columns of images, or its rows are not at hand."""
    if not hasattr(data, "__len__") and not hasattr(data, "num_rows"):
        raise DataError(f"expected a table whose rows are at hand; got {type(data).__name__}. Collect it, or load it whole.")
    if "datasets" in packages(data):
        return _from_hugging_face(data)
    if "pyarrow" in packages(data):
        return _from_arrow(lambda columns: iter([data.select(columns)]), data.schema, data.num_rows)
    columns = {str(name): _cells(data[name]) for name in data.columns}
    firsts = {name: next((cell for cell in cells if not is_missing(cell)), None) for name, cells in columns.items()}
    image = _only([name for name, cell in firsts.items() if _is_image(cell)])
    texts = {name: [text(cell) for cell in cells] for name, cells in columns.items() if name != image}
    return Table(texts, image, lambda: () if image is None else columns[image], len(data))


def _cells(column: Any) -> list[Any]:
    if hasattr(column, "columns"):
        raise DataError("expected a name of its own for each column; got one twice. Rename it.")
    return list(column.to_list())


def _is_image(cell: object) -> bool:
    is_file = isinstance(cell, bytes) or (isinstance(cell, Mapping) and "bytes" in cell)
    return is_file or decode.is_pil(cell) or (is_array(cell) and getattr(cell, "ndim", 0) > 1)


def _only(images: Sequence[str]) -> str | None:
    if len(images) > 1:
        raise DataError(
            f"expected one column of images; got {join_names([repr(name) for name in images])}. Leave the others out."
        )
    return images[0] if images else None


def text(value: Any, names: Sequence[str] | None = None) -> str:
    """A cell as text: nothing for what is missing; a whole number without a point, by the name of its class; lists as JSON."""
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, set | frozenset) or (is_array(value) and getattr(value, "ndim", 0) == 1):
        value = sorted(value, key=str) if isinstance(value, set | frozenset) else list(value.tolist())
    if isinstance(value, list | tuple) and all(isinstance(item, str | int) for item in value):
        return json.dumps([*value])
    if is_missing(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if names is not None and isinstance(value, int):
        return names[value] if 0 <= value < len(names) else ""  # -1 stands for an unknown class
    return value if isinstance(value, str) else str(value)[:_MOST_TEXT]


def _from_hugging_face(data: Any) -> Table:
    kinds = {name: type(feature).__name__ for name, feature in data.features.items()}
    class_names = {name: list(data.features[name].names) for name, kind in kinds.items() if kind == "ClassLabel"}

    def batches(columns: Sequence[str]) -> Iterator[Any]:
        yield from data.select_columns(list(columns)).with_format("arrow").iter(batch_size=_BATCH)

    return _of_batches(batches, list(kinds), [name for name, kind in kinds.items() if kind == "Image"], class_names, len(data))


def _from_arrow(batches: Batches, schema: Any, total: int) -> Table:
    return _of_batches(batches, schema.names, _image_columns(schema), _class_names(schema), total)


def _of_batches(
    batches: Batches, names: Sequence[str], images: Sequence[str], class_names: Mapping[str, Sequence[str]], total: int
) -> Table:
    image = _only(images)
    others = [name for name in names if name != image]
    texts: dict[str, list[str]] = {name: [] for name in others}
    for batch in batches(others) if others else ():
        for name in others:
            texts[name] += [text(cell, class_names.get(name)) for cell in batch.column(name).to_pylist()]

    def cells() -> Iterable[object]:
        wanted = [] if image is None else [image]
        return chain.from_iterable(batch.column(0).to_pylist() for batch in (batches(wanted) if wanted else ()))

    return Table(texts, image, cells, total, next(iter(class_names)) if len(class_names) == 1 else None)


def joined(tables: Sequence[Table], parts: Sequence[str]) -> Table:
    """Tables of parts as one with a column split; columns that not all of them have are left out."""
    images = {table.image_column for table in tables}
    if len(images) > 1:
        raise DataError(
            f"expected the images of all parts in one column; got {join_names(sorted(map(repr, images)))}. Rename it."
        )
    shared = [name for name in tables[0].columns if all(name in table.columns for table in tables) and name != "split"]
    columns = {name: [cell for table in tables for cell in table.columns[name]] for name in shared}
    split = [part for part, table in zip(parts, tables, strict=True) for _ in range(table.total)]
    cells = [table.images for table in tables]
    return Table(
        {**columns, "split": split}, tables[0].image_column, lambda: chain.from_iterable(images() for images in cells),
        len(split), tables[0].label_column,
    )  # fmt: skip


def _image_columns(schema: Any) -> list[str]:
    """Columns of bytes, or of what Hugging Face writes for an image: its bytes and its path."""
    kinds = {field.name: str(field.type) for field in schema}
    return [name for name, kind in kinds.items() if kind in ("binary", "large_binary") or "bytes: binary" in kind]


def _class_names(schema: Any) -> dict[str, list[str]]:
    """The names of classes that Hugging Face writes beside a table, by column."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        labels = {name: feature["names"] for name, feature in features.items() if feature.get("_type") == "ClassLabel"}
        return {name: [str(word) for word in words] for name, words in labels.items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def from_parquet(path: Path) -> Table | None:
    """The cells of a Parquet file that has images in it; None where it names them by paths, or is no Parquet file."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("a Parquet table", "pyarrow", "tables") from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            schema, total = file.schema_arrow, file.metadata.num_rows
    except (pyarrow.ArrowInvalid, OSError):
        return None

    def batches(columns: Sequence[str]) -> Iterator[Any]:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield from file.iter_batches(_BATCH, columns=list(columns))

    return _from_arrow(batches, schema, total) if _image_columns(schema) else None
