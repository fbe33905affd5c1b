"""Questions at the end of a lesson, whose answers are computed by the same functions as the lesson.

The question stands in the texts of the lesson under `exercises.NAME.question`, what is said after a wrong answer under
`exercises.NAME.hint`, and after a right one under `exercises.NAME.why`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar

from striate.base.errors import SettingError


@dataclass(frozen=True)
class NumberExercise:
    """A question with a number as its answer; right within `tolerance`."""

    kind: ClassVar[str] = "number"
    name: str
    compute: Callable[[], float]
    tolerance: float = 0.0

    def is_right(self, answer: Any) -> bool:
        """Whether an answer is right; SettingError where it is no number."""
        try:
            number = float(str(answer).strip().replace(",", "."))
        except ValueError:
            number = float("nan")
        if not isfinite(number):
            raise SettingError(f"expected a number as the answer; got {str(answer)[:40]!r}.")
        return abs(number - self.compute()) <= self.tolerance + 1e-9


@dataclass(frozen=True)
class ChoiceExercise:
    """A question with options, texts under `exercises.NAME.options.OPTION`."""

    kind: ClassVar[str] = "choice"
    name: str
    options: Sequence[str]
    compute: Callable[[], str]

    def is_right(self, answer: Any) -> bool:
        """Whether an answer is right; SettingError where it is no option."""
        if answer not in self.options:
            raise SettingError(f"expected one of {', '.join(self.options)} as the answer; got {str(answer)[:40]!r}.")
        return bool(answer == self.compute())


Exercise = NumberExercise | ChoiceExercise
