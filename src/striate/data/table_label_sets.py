"""The labels in each row of a table where an image may have several, or the reason why they are not known.

They are in one cell, with a separator or as a list, or each label has a column of 0 and 1.
"""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from striate.base.errors import DataError
from striate.base.option_names import setting
from striate.base.phrases import join_names, plural
from striate.data.examples_from_source import Label
from striate.data.table_cells import Table
from striate.data.table_columns import Roles, is_flag, is_one, shortened
from striate.data.table_labels import NoLabel

if TYPE_CHECKING:
    from striate.base.config import Data

SEPARATORS = ("|", ";", ",")
_STRAY = 10  # a column of 0 and 1 with other cells, at most one in so many, is taken for a label with mistakes
_ITEM = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s,'"]+)""")  # of a list as Python or numpy prints it


def of_rows(table: Table, roles: Roles, data: "Data") -> tuple[list[Label], list[str]]:
    """The labels of each row, sorted, a `NoLabel` where they are not known, and sentences to read.

    An empty cell means none of the labels.

    Raises:
        DataError: no image has a label, or a column has a few cells beside 0 and 1.

    """
    if roles.label is None:
        _refuse_stray_cells(table, roles, data)
        labels, notes = _from_columns(table, roles.one_hot)
    else:
        labels, notes = _from_cells(table.columns[roles.label], roles.label, data)
    if labels and not any(labels):
        raise DataError(
            f"{table.shown}: expected labels; no image has any. Name their column with {setting('data.label_column')}."
        )
    if empty := labels.count(()):
        advice = "" if roles.label is None else f"; {setting('data.missing_labels')} names what means unknown"
        notes.append(f"{plural(empty, 'image')} without any of the labels{advice}.")
    return labels, notes


def _refuse_stray_cells(table: Table, roles: Roles, data: "Data") -> None:
    """Refuse a column of 0 and 1 but for at most a tenth of its cells: as no label at all it would be lost unseen."""
    for name, cells in table.columns.items():
        if name in {roles.image, roles.split, data.group_column, *roles.one_hot}:
            continue
        stray = [(row, cell) for row, cell in zip(table.rows, cells, strict=True) if not is_flag(cell)]
        if {"0", "1"} <= {cell.strip().removesuffix(".0") for cell in cells} and 0 < len(stray) <= len(cells) / _STRAY:
            row, cell = stray[0]
            raise DataError(
                f"{table.shown}: expected 0 or 1 in each cell of the column {name!r}, as in {shortened(roles.one_hot)}; got "
                f"{cell!r} in row {row} ({plural(len(stray), 'row')} in all). Correct or remove these rows, or remove the "
                "column if it is no label."
            )


def _from_columns(table: Table, classes: Sequence[str]) -> tuple[list[Label], list[str]]:
    """The names of the columns that are 1 in each row."""
    if not classes:
        return [], []
    rows = zip(*(table.columns[name] for name in classes), strict=True)
    labels: list[Label] = [
        tuple(sorted(name.strip() for name, cell in zip(classes, cells, strict=True) if is_one(cell))) for cells in rows
    ]
    present = {name for words in labels for name in words}
    missing = [name for name in classes if name.strip() not in present]
    return labels, [f"No image has {shortened(missing)}, so it is no label."] if missing else []


def _from_cells(cells: Sequence[str], column: str, data: "Data") -> tuple[list[Label], list[str]]:
    missing = {*data.missing_labels}
    separator = data.label_separator or _separator(cell for cell in cells if not _is_list(cell))
    labels: list[Label] = [
        NoLabel("no label") if cell.strip() in missing else tuple(sorted({*_names(cell.strip(), separator)})) for cell in cells
    ]
    notes = []
    if data.label_separator is None and separator is not None:
        others = _others(cells, separator)
        kept_whole = f" {others} stays part of the name." if others else ""
        notes.append(
            f"Labels in the column {column!r} are divided at {separator!r}; {setting('data.label_separator')} names another."
            f"{kept_whole}"
        )
    if words := sorted({cell.strip() for cell in cells} & missing):
        unknown = sum(isinstance(label, NoLabel) for label in labels)
        notes.append(
            f"{join_names([repr(word) for word in words])} in the column {column!r} means that the labels are not known "
            f"({plural(unknown, 'row')})."
        )
    if not any(isinstance(label, tuple) and len(label) > 1 for label in labels):
        notes.append(
            f"No image has several labels in the column {column!r}; a training without --multi-label takes one class for each."
        )
    return labels, notes


def _separator(cells: Iterator[str]) -> str | None:
    """The first of the usual separators that is in a cell."""
    present = {separator for cell in cells for separator in SEPARATORS if separator in cell}
    return next((separator for separator in SEPARATORS if separator in present), None)


def _others(cells: Collection[str], separator: str) -> str:
    """A usual separator that is in a cell beside the one that divides, with an example; empty without any."""
    later = SEPARATORS[SEPARATORS.index(separator) + 1 :]
    pairs = ((other, cell) for cell in cells for other in later if other in cell and not _is_list(cell))
    other = next(pairs, None)
    return "" if other is None else f"{other[0]!r}, as in {other[1][:40]!r},"


def _is_list(cell: str) -> bool:
    return cell.strip().startswith("[") and cell.strip().endswith("]")


def _names(cell: str, separator: str | None) -> list[str]:
    """The labels in a cell; none in an empty one."""
    if _is_list(cell):
        return _items(cell)
    parts = [cell] if separator is None else cell.split(separator)
    return [part.strip() for part in parts if part.strip()]


def _items(cell: str) -> list[str]:
    """The items of a list, as JSON, Python or numpy writes it."""
    try:
        items = json.loads(cell)
    except ValueError:
        items = [next(filter(None, groups), "") for groups in _ITEM.findall(cell[1:-1])]
    return [str(item).strip() for item in items if str(item).strip()]
