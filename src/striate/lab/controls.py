"""What can be moved on a page of a lesson: a control is data with a range, and checks the value that a page sends.

Labels stand in the texts of the page: `controls.NAME`, and of the options of a choice `options.NAME.OPTION`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar

from striate.base.errors import SettingError


@dataclass(frozen=True)
class Slider:
    """A number from `low` to `high` in steps; whole numbers where the step is one.

    With `options`, one for each value, the page shows `options.NAME.OPTION` in place of the number.
    """

    kind: ClassVar[str] = "slider"
    name: str
    low: float
    high: float
    step: float
    start: float
    options: Sequence[str] = ()

    def check(self, value: Any) -> float:
        """The value as the lesson is given it; SettingError where it is none."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise SettingError(f"expected a number for {self.name}; got {str(value)[:40]!r}.")
        if not self.low <= value <= self.high:
            raise SettingError(f"expected {self.name} from {self.low:g} to {self.high:g}; got {value:g}.")
        return int(value) if all(float(part).is_integer() for part in (self.step, self.low, value)) else float(value)


@dataclass(frozen=True)
class Choice:
    """One of some options."""

    kind: ClassVar[str] = "choice"
    name: str
    options: Sequence[str]
    start: str

    def check(self, value: Any) -> str:
        """The option; SettingError where there is none such."""
        if value not in self.options:
            raise SettingError(f"expected {self.name} as one of {', '.join(self.options)}; got {str(value)[:40]!r}.")
        return str(value)


@dataclass(frozen=True)
class Toggle:
    """On or off."""

    kind: ClassVar[str] = "toggle"
    name: str
    start: bool = False

    def check(self, value: Any) -> bool:
        """Whether it is on; SettingError for anything but true and false."""
        if not isinstance(value, bool):
            raise SettingError(f"expected {self.name} as true or false; got {str(value)[:40]!r}.")
        return value


@dataclass(frozen=True)
class Button:
    """Each press counts one up, as for another random draw or one step more; the first press gives 1."""

    kind: ClassVar[str] = "button"
    name: str
    start: int = 0

    def check(self, value: Any) -> int:
        """How often it was pressed."""
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1_000_000:
            raise SettingError(f"expected {self.name} as a count of presses; got {str(value)[:40]!r}.")
        return value


@dataclass(frozen=True)
class Cells:
    """A small array whose cells a click or the space bar steps through `levels`; shown by a `Grid` with `cells=NAME`."""

    kind: ClassVar[str] = "cells"
    name: str
    start: Sequence[Sequence[float]]
    levels: Sequence[float]

    def check(self, value: Any) -> list[list[float]]:
        """The array, of the same shape as at the start; SettingError where it is not."""
        rows, columns = len(self.start), len(self.start[0])
        fits = isinstance(value, list | tuple) and len(value) == rows
        fits = fits and all(isinstance(row, list | tuple) and len(row) == columns for row in value)
        if not fits or any(entry not in self.levels for row in value for entry in row):
            levels = ", ".join(f"{level:g}" for level in self.levels)
            raise SettingError(f"expected {self.name} as {rows} rows of {columns} numbers among {levels}; got something else.")
        return [[float(entry) for entry in row] for row in value]


@dataclass(frozen=True)
class Drawing:
    """A square of gray levels in 0 .. 255 that is drawn with a pointer, or taken from `samples` by their names.

    `thin`: lines are one pixel wide.
    """

    kind: ClassVar[str] = "drawing"
    name: str
    side: int
    samples: Sequence[str] = ()
    start: Sequence[Sequence[int]] = ()
    thin: bool = False

    def check(self, value: Any) -> list[list[int]]:
        """Rows of gray levels; SettingError where they are not."""
        if not value and isinstance(value, list | tuple):
            return [[0] * self.side for _ in range(self.side)]
        fits = isinstance(value, list | tuple) and len(value) == self.side
        fits = fits and all(isinstance(row, list | tuple) and len(row) == self.side for row in value)
        if not fits or any(not isinstance(entry, int) or not 0 <= entry <= 255 for row in value for entry in row):
            raise SettingError(f"expected {self.name} as {self.side} x {self.side} gray levels, 0 to 255; got none.")
        return [list(row) for row in value]


@dataclass(frozen=True)
class OwnImage:
    """An image: one of `samples` by its name, or the user's own, which the page has sent before."""

    kind: ClassVar[str] = "image"
    name: str
    samples: Sequence[str]

    @property
    def start(self) -> str:
        """The first sample."""
        return self.samples[0]

    def check(self, value: Any) -> str:
        """The name of a sample, or the id of an image that was sent; whether there is one is not known here."""
        if not isinstance(value, str) or not (value in self.samples or (len(value) == 16 and value.isalnum())):
            raise SettingError(
                f"expected {self.name} as one of {', '.join(self.samples)}, or an image; got {str(value)[:40]!r}."
            )
        return value


Control = Slider | Choice | Toggle | Button | Cells | Drawing | OwnImage
Values = Mapping[str, Any]


def check_values(controls: Sequence[Control], given: Values) -> dict[str, Any]:
    """The value of every control, from what a page sends; what is left out is as at the start.

    Raises:
        SettingError: a value that is out of its range, or a control that there is not.

    """
    names = [control.name for control in controls]
    for name in given:
        if name not in names:
            raise SettingError(f"expected values of {', '.join(names)}; got one of {str(name)[:40]!r}.")
    return {control.name: control.check(given.get(control.name, control.start)) for control in controls}
