"""How results look in a notebook: dictionaries and lists that are tables there, and themselves everywhere else."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, TypeVar, cast

from striate.base.phrases import percent, without_controls

R = TypeVar("R")
_MOST_ROWS, _MOST_VALUES, _MOST_DEPTH, _MOST_LETTERS = 50, 10, 3, 300
_SCORE = {"accuracy", "low", "high", "n"}
_SHARES = {
    "accuracy",
    "low",
    "high",
    "majority",
    "probability",
    "cross_validated",
    "calibration_error",
    "calibration_error_unscaled",
    "share",
    "gray",
    "top",
    "top5",
    "balanced_accuracy",
    "balanced_accuracy_low",
    "balanced_accuracy_high",
}


class HtmlDict(dict[str, Any]):
    """A dictionary that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        return of_mapping(self)


class HtmlList(list[Any]):
    """A list that a notebook shows as a table, a row for each entry."""

    def _repr_html_(self) -> str:
        return _cell(self, "", 0)


def shown(result: R) -> R:
    """The same result; a plain dictionary or list as one that a notebook shows as a table."""
    plain: Any = result
    return cast(R, HtmlDict(plain) if type(plain) is dict else HtmlList(plain) if type(plain) is list else plain)


def of_mapping(values: Mapping[str, Any], depth: int = 0) -> str:
    """A table with a row for each key."""
    return _table(([f"<th>{_text(str(name))}</th>", _data(value, name, depth)] for name, value in values.items()))


def _table(rows: Iterable[list[str]]) -> str:
    lines = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    return f"<table>{lines}</table>"


def _data(value: Any, name: str, depth: int) -> str:
    return f"<td>{_cell(value, str(name), depth + 1)}</td>"


def _cell(value: Any, name: str, depth: int) -> str:
    """A value as HTML; `name` is its key, which says what is a share."""
    value = _plain(value)
    if isinstance(value, Mapping) and value.keys() == _SCORE:
        return f"{percent(value['accuracy'])} ({percent(value['low'])} to {percent(value['high'])}, {value['n']:,} images)"
    if depth > _MOST_DEPTH and isinstance(value, Mapping | list | tuple):
        return f"{len(value):,} entries"
    if isinstance(value, Mapping) and _is_table(value):
        return _listed([{"": key, **row} for key, row in value.items()], name, depth)
    if isinstance(value, Mapping):
        return of_mapping(value, depth)
    if isinstance(value, list | tuple):
        return _listed(value, name, depth)
    return _scalar(value, name)


def _is_table(value: Mapping[str, Any]) -> bool:
    """Whether these are several dictionaries of the same keys."""
    rows = [row for row in value.values() if isinstance(row, Mapping)]
    return len(rows) == len(value) > 1 and all(row.keys() == rows[0].keys() != _SCORE for row in rows)


def _plain(value: Any) -> Any:
    """A value as it is in JSON, where it is a tuple with names."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return value.as_json() if hasattr(value, "as_json") else value._asdict()
    return value


def _scalar(value: Any, name: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return percent(value) if name in _SHARES else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and name != "seed" else _text(str(value))


def _listed(values: Sequence[Any], name: str, depth: int) -> str:
    rows = [_plain(value) for value in values]
    if rows and all(isinstance(row, Mapping) and row.keys() != _SCORE for row in rows):
        heads = list(dict.fromkeys(key for row in rows for key in row))
        lines = [[f"<th>{_text(str(head))}</th>" for head in heads]]
        lines += [[_data(row.get(head), head, depth) for head in heads] for row in rows[:_MOST_ROWS]]
        return _table(lines) + _more(len(rows) - _MOST_ROWS)
    if rows and all(isinstance(row, list | tuple) for row in rows):
        lines = [[_data(value, name, depth) for value in row] for row in rows[:_MOST_ROWS]]
        return _table(lines) + _more(len(rows) - _MOST_ROWS)
    if not values:
        return "-"
    return ", ".join(_cell(value, name, depth + 1) for value in values[:_MOST_VALUES]) + _more(len(values) - _MOST_VALUES)


def _more(count: int) -> str:
    return f" and {count:,} more" if count > 0 else ""


def _text(text: str) -> str:
    shortened = text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}..."
    return escape(without_controls(shortened))
