"""The label in each row of a table, or the reason why it has none; several labels in one cell are refused."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from striate.base.errors import DataError
from striate.base.option_names import setting
from striate.base.phrases import join_names, plural
from striate.data.table_cells import Table
from striate.data.table_columns import Roles, is_one, shortened

ONE_LABEL = "One label per image is needed (train --multi-label takes several)"
_LIST = re.compile(r"""\s*\[\s*(['"].*['"]|\d+|[^\]]*,[^\]]*)\s*\]\s*""")
_SHOWN = 10


class NoLabel(str):
    """The reason why a row has no label."""

    __slots__ = ()


def of_rows(table: Table, roles: Roles, missing: Collection[str]) -> tuple[list[str], list[str]]:
    """The label of each row, a `NoLabel` where there is none, and sentences to read.

    Raises:
        DataError: cells that hold lists, or several labels each.

    """
    if roles.label is None:
        return _from_one_hot(table, roles.one_hot), []
    cells = table.columns[roles.label]
    words = sorted({cell.strip() for cell in cells} & {*missing})
    labels = [NoLabel("no label") if cell.strip() in ("", "[]", *words) else cell for cell in cells]
    notes = []
    if words:
        count = sum(cell.strip() in words for cell in cells)
        notes.append(
            f"{join_names([repr(word) for word in words])} in the column {roles.label!r} means no label "
            f"({plural(count, 'row')}); {setting('data.missing_labels', [])} takes it for a class."
        )
    return labels, notes + _refuse_several(table, roles.label, labels)


def _from_one_hot(table: Table, classes: Sequence[str]) -> list[str]:
    """The name of the only column that is 1 in each row."""
    labels: list[str] = []
    for cells in zip(*(table.columns[name] for name in classes), strict=True):
        ones = [name for name, cell in zip(classes, cells, strict=True) if is_one(cell)]
        several = f"{len(ones)} of the classes are 1 ({shortened(ones)}), not one" if ones else "none of the classes is 1"
        labels.append(ones[0].strip() if len(ones) == 1 else NoLabel(several))
    bad = [row for row, label in enumerate(labels) if isinstance(label, NoLabel)]
    if 2 * len(bad) > len(labels):
        raise DataError(
            f"{table.shown}: expected one 1 in each row of the columns {shortened(classes)}; {len(bad):,} of "
            f"{plural(len(labels), 'row')} have none or several, the first row {table.rows[bad[0]]}. {ONE_LABEL}: remove "
            f"columns that are no classes, or name the column of the labels with {setting('data.label_column')}."
        )
    return labels


def _refuse_several(table: Table, column: str, labels: Sequence[str]) -> list[str]:
    """Refuse cells that are lists, or whose parts are labels of other rows; a sentence where they look like lists."""
    cells = {label for label in labels if not isinstance(label, NoLabel)}
    lists = {cell for cell in cells if _LIST.fullmatch(cell)}
    if lists:
        _refuse(table.path, column, [row for row in zip(table.rows, labels, strict=True) if row[1] in lists])
    whole = {cell.strip() for cell in cells}
    for separator in ("|", ";", ",", " "):
        parts = {cell: {part.strip() for part in cell.split(separator)} for cell in cells if separator in cell.strip()}
        several = {cell for cell, names in parts.items() if len(names) > 1 and names <= whole}
        if several:
            _refuse(table.path, column, [row for row in zip(table.rows, labels, strict=True) if row[1] in several])
        vocabulary = {name for names in parts.values() for name in names}
        if len(parts) >= 4 and 2 * len(vocabulary) <= len(parts):
            return [
                f"Labels such as {min(parts)!r} look like several in one cell: {len(parts):,} of them are made of "
                f"{len(vocabulary):,} words. Each is taken for a class of its own."
            ]
    return []


def _refuse(table: Path, column: str, rows: list[tuple[int, str]]) -> None:
    cells = ", ".join(f"{label[:40]!r} (row {row})" for row, label in rows[:_SHOWN])
    more = f" and {len(rows) - _SHOWN:,} more" if len(rows) > _SHOWN else ""
    raise DataError(
        f"{table}: expected one label in each cell of the column {column!r}; got several in {cells}{more}. {ONE_LABEL}: keep "
        "one, or remove these rows."
    )
