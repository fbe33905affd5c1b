"""The computations of the lessons over HTTP: values of controls in, views out."""

from threading import Lock
from typing import Any

from striate.base.errors import SettingError
from striate.lab import digit_training, lesson_catalogue
from striate.lab.controls import OwnImage, check_values
from striate.lab.texts import Texts
from striate.lab.views import Again, View, as_json

Json = dict[str, Any]
_ONE_AT_A_TIME = Lock()  # torch's seed is one for the whole process


def values(name: str, given: Json) -> Json:
    """The value of each control of a lesson, from what a page sends. SettingError: one is out of its range."""
    return check_values(lesson_catalogue.load(name).CONTROLS, given)


def image_controls(name: str) -> list[str]:
    """The controls of a lesson whose value is an image, which its computation is given as pixels, 224 x 224 x 3."""
    return [control.name for control in lesson_catalogue.load(name).CONTROLS if isinstance(control, OwnImage)]


def answer(name: str, language: str, checked: Json) -> Json:
    """The views of a lesson for values of its controls, each with its title."""
    lesson, say = lesson_catalogue.load(name), Texts(name, language)
    with _ONE_AT_A_TIME:
        views = lesson.views(checked, say)
    return {"views": [_titled(view, say) for view in views]}


def _titled(view: View, say: Texts) -> Json:
    content: Json = as_json(view)
    return content if isinstance(view, Again) else content | {"title": say(f"views.{view.name}")}


def close() -> None:
    """End what lessons have begun."""
    digit_training.trainings().close()


def judge(name: str, language: str, exercise: str, given: Any) -> Json:
    """Whether an answer to an exercise is right, and what is to be said about it."""
    lesson, say = lesson_catalogue.load(name), Texts(name, language)
    for entry in lesson.EXERCISES:
        if entry.name == exercise:
            with _ONE_AT_A_TIME:
                right = entry.is_right(given)
            return {"right": right, "text": say(f"exercises.{exercise}.{'why' if right else 'hint'}")}
    raise SettingError(f"expected an exercise of {name}: {', '.join(e.name for e in lesson.EXERCISES)}; got {exercise[:40]!r}.")
