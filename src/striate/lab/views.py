"""What a page shows: each view is data, which the script of the page draws and which a test compares with the computation.

A view has a name; its title stands in the texts of its page under `views.NAME`. Numbers go out as they were computed; how many
digits are shown is for the page to choose.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Json = dict[str, Any]
Numbers = Sequence[float] | NDArray[Any]
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Window:
    """A frame around cells of a grid; `role` is its color, from 1, the same as in other views of the page."""

    row: int
    column: int
    height: int
    width: int
    role: int = 1


@dataclass(frozen=True)
class Position:
    """Two sliders that a pointer or the arrow keys on a grid move: cell = center + step times their value."""

    row: str
    column: str
    step: int = 1
    center: int = 0


@dataclass(frozen=True)
class Grid:
    """Numbers in rows and columns, with a color by their value.

    Attributes:
        name: of its title.
        values_HW: rows of numbers, H x W.
        low: the value of the darkest color; with `high`, else from the values.
        high: of the brightest.
        diverging: colors of two hues around zero, for weights and gradients; else gray levels.
        digits: whether the numbers are written into the cells.
        windows: frames.
        position: sliders that are moved on the grid itself.
        cells: name of a control `Cells` whose values the grid is; a click or the space bar changes a cell.
        caption: a sentence below it.
        numbered: whether the numbers of rows and columns, from 0, stand at its edges.

    """

    kind: ClassVar[str] = "grid"
    name: str
    values_HW: Sequence[Numbers] | NDArray[Any]
    low: float | None = None
    high: float | None = None
    diverging: bool = False
    digits: bool = True
    windows: Sequence[Window] = ()
    position: Position | None = None
    cells: str | None = None
    caption: str = ""
    numbered: bool = False


@dataclass(frozen=True)
class Series:
    """Points of a line; `label` is a text that is shown."""

    label: str
    x: Numbers
    y: Numbers
    role: int = 1
    dashed: bool = False


@dataclass(frozen=True)
class Mark:
    """A point on a plot, with a text beside it."""

    x: float
    y: float
    label: str = ""
    role: int = 1


@dataclass(frozen=True)
class Lines:
    """Lines over a common axis; `move` names sliders of x and, where given, y that a pointer on the plot moves."""

    kind: ClassVar[str] = "lines"
    name: str
    series: Sequence[Series]
    x_label: str
    y_label: str
    marks: Sequence[Mark] = ()
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    y_log: bool = False
    dots: bool = False  # points, which no line joins
    move: tuple[str, ...] = ()
    caption: str = ""


@dataclass(frozen=True)
class Bars:
    """A bar for each label; several series stand side by side."""

    kind: ClassVar[str] = "bars"
    name: str
    labels: Sequence[str]
    series: Sequence[Series]  # whose x is left empty
    y_label: str
    y_range: tuple[float, float] | None = None
    caption: str = ""


@dataclass(frozen=True)
class Points:
    """Clouds of points in a plane, drawn to one scale on both axes; a series for each cloud, and lines over them."""

    kind: ClassVar[str] = "points"
    name: str
    series: Sequence[Series]
    x_label: str
    y_label: str
    lines: Sequence[Series] = ()
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    caption: str = ""


@dataclass(frozen=True)
class Image:
    """Pixels, H x W (gray) or H x W x 3, uint8; `scale` is the side of a pixel on the page, 0 for as large as fits."""

    kind: ClassVar[str] = "image"
    name: str
    pixels: NDArray[np.uint8]
    description: str
    scale: int = 0
    caption: str = ""
    windows: Sequence[Window] = ()


@dataclass(frozen=True)
class Node:
    """A unit of a diagram at x, y in 0 .. 1; `value` is written inside, `label` beside it. `control`: a `Toggle` by a click."""

    id: str
    x: float
    y: float
    value: str = ""
    label: str = ""
    on: bool = False  # filled
    out: bool = False  # crossed, as a unit that is dropped
    control: str | None = None


@dataclass(frozen=True)
class Edge:
    """A connection from one node to another, with a text at its middle; drawn dashed where it does not act.

    `dot`: it ends in a circle, as one that inhibits.
    """

    start: str
    end: str
    label: str = ""
    on: bool = True
    role: int = 1
    dot: bool = False


@dataclass(frozen=True)
class Diagram:
    """Units and their connections; `ratio` is width by height."""

    kind: ClassVar[str] = "diagram"
    name: str
    nodes: Sequence[Node]
    edges: Sequence[Edge]
    description: str
    ratio: float = 2.0
    caption: str = ""


@dataclass(frozen=True)
class MapRow:
    """The maps of a layer side by side, `side` pixels wide; those of `lit` are filled. A click sets the slider `control`."""

    label: str
    side: int
    count: int
    lit: Sequence[int] = ()
    control: str | None = None


@dataclass(frozen=True)
class MapRows:
    """Layers one below the other, all maps to one scale; a link is (row, map there, map of the next row)."""

    kind: ClassVar[str] = "maps"
    name: str
    rows: Sequence[MapRow]
    links: Sequence[tuple[int, int, int]]
    description: str
    caption: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of texts and numbers under headings; the first column heads its row."""

    kind: ClassVar[str] = "table"
    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""


@dataclass(frozen=True)
class Formula:
    """A calculation with its numbers, as text, one line for each step."""

    kind: ClassVar[str] = "formula"
    name: str
    lines: Sequence[str]
    role: int = 1


@dataclass(frozen=True)
class Sentence:
    """A sentence about the result; it is also read out when it changes."""

    kind: ClassVar[str] = "sentence"
    name: str
    text: str


@dataclass(frozen=True)
class Stops:
    """What a slider that begins at 0 chooses from, as buttons in order."""

    kind: ClassVar[str] = "stops"
    name: str
    labels: Sequence[str]
    control: str
    chosen: int


@dataclass(frozen=True)
class Pointer:
    """Where more is shown: a command, and a lesson by its name and title."""

    kind: ClassVar[str] = "pointer"
    name: str
    command: str
    lesson: str
    text: str


@dataclass(frozen=True)
class Again:
    """Nothing that is shown: the page asks once more, with the same values, after so long. For what goes on by itself."""

    kind: ClassVar[str] = "again"
    milliseconds: int
    name: str = "again"


View = Grid | Lines | Bars | Points | Image | Diagram | MapRows | Table | Formula | Sentence | Stops | Pointer | Again


def shown(value: float, digits: int = 4) -> str:
    """A number in a sentence or a formula, with at most so many significant digits.

    >>> shown(-0.25)
    '−0.25'
    >>> shown(1.5e-7)
    '1.5·10⁻⁷'

    """
    mantissa, _, power = f"{value:.{digits}g}".replace("-", "−").partition("e")
    return mantissa + (f"·10{raised(int(power.replace('−', '-')))}" if power else "")


def raised(power: int) -> str:
    """A whole number as an exponent.

    >>> raised(-7)
    '⁻⁷'

    """
    return str(power).translate(_RAISED)


def sides(numbers: Sequence[int]) -> str:
    """The shape of maps, which no end of a line parts.

    >>> sides((3, 28, 28)).replace("\N{NO-BREAK SPACE}", " ")
    '3 × 28 × 28'

    """
    return "\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}".join(map(str, numbers))


def as_json(value: Any) -> Any:
    """A view, or whatever is in one, as JSON; pixels as base64 of their bytes with their shape."""
    if is_dataclass(value) and not isinstance(value, type):
        content = {field.name.removesuffix("_HW"): as_json(getattr(value, field.name)) for field in fields(value)}
        return ({"kind": value.kind} if hasattr(value, "kind") else {}) | content
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        from base64 import b64encode

        shape = (*value.shape, 1) if value.ndim == 2 else value.shape
        return {"shape": list(shape), "base64": b64encode(np.ascontiguousarray(value).tobytes()).decode()}
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, np.generic):
        return as_json(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None  # JSON has no such number; the page draws nothing there
    if isinstance(value, Mapping):
        return {key: as_json(entry) for key, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [as_json(entry) for entry in value]
    return value
