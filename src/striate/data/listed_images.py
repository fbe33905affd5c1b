"""Images without labels that something lists: the rows of a CSV or Parquet table, and a data set of Hugging Face's.

Each row is one image, in their order, and none is left out: a row without one says why. Of a table the column of paths is found
as training finds it, and so are the files; a Parquet file may have the images themselves. Nothing but that column is used.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from striate.base.errors import DataError
from striate.base.phrases import join_names
from striate.data import csv_parquet, hugging_face, table_cells, table_columns, table_objects
from striate.data.table_columns import Place


class ListedImage(NamedTuple):
    """A row."""

    name: str  # the path of its file; of what has none the table's, and its position from 0, as list.csv[3]
    cell: object  # a path, or an image; None where there is none
    reason: str = "an empty cell"  # why there is none


def are_in(path: Path) -> bool:
    """Whether a path is that of a table, or names a data set of Hugging Face's.

    >>> are_in(Path("hf:owner/flowers")), are_in(Path("photo.png"))
    (True, False)
    """
    return hugging_face.holds(str(path)) or (path.suffix.lower() in csv_parquet.ENDINGS and path.is_file())


def read(path: Path) -> Sequence[ListedImage] | Iterable[ListedImage]:
    """The rows, which may be gone through again; those of images themselves are read when their turn comes.

    Raises:
        DataError: it is not read, has no column of images or several, or no row.

    """
    if hugging_face.holds(str(path)):
        data = hugging_face.load(str(path))
        parts: Mapping[str, Any] = (
            {f"/{name}": part for name, part in data.items()} if isinstance(data, Mapping) else {"": data}
        )
        return _InTables({f"{path}{name}": _of_hugging_face(f"{path}{name}", part) for name, part in parts.items()})
    if path.suffix.lower() == ".parquet" and (table := table_objects.from_parquet(path)) is not None:
        return _InTables({str(path): table})
    return _of_paths(path)


class _InTables:
    """The images in the cells of tables, by what each table is called."""

    def __init__(self, tables: Mapping[str, table_objects.Table]) -> None:
        self._tables = tables
        if not len(self):
            raise DataError(f"{join_names([*tables])}: expected rows; there are none.")

    def __len__(self) -> int:
        return sum(table.total for table in self._tables.values())

    def __iter__(self) -> Iterator[ListedImage]:
        for name, table in self._tables.items():
            for position, cell in enumerate(table.images()):
                yield ListedImage(f"{name}[{position}]", cell)


def _of_hugging_face(name: str, data: Any) -> table_objects.Table:
    """Its one column of images, alone."""
    images = [column for column, feature in data.features.items() if type(feature).__name__ == "Image"]
    if not images:
        raise DataError(f"{name}: expected a column of images; its columns are {join_names([*map(repr, data.features)])}.")
    return table_objects.read(data.select_columns(images))


def _of_paths(path: Path) -> list[ListedImage]:
    table = table_cells.read(path, table_columns.KNOWN, advise=False)
    if not table.rows and not table.bad:
        raise DataError(f"{path}: expected rows below the header; there are none.")
    names = table.columns[table_columns.image_column(table)]
    place = table_columns.place_of(path, names) or Place()
    rows = {number: _row(path, number, place.path(name)) for number, name in zip(table.rows, names, strict=True)}
    for bad in table.bad:
        row, _, reason = bad.reason.partition(": ")
        number = int(row.removeprefix("row "))
        rows[number] = ListedImage(f"{path}[{number - 1}]", None, reason)
    return [rows[number] for number in sorted(rows)]


def _row(path: Path, number: int, name: str) -> ListedImage:
    if not name:
        return ListedImage(f"{path}[{number - 1}]", None)
    file = str(path.parent / name)  # a million paths as objects would take twice the memory
    return ListedImage(file, file)
