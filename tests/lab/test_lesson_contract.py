"""What every lesson keeps: texts in both languages, values at the ends of their ranges, answers to its exercises."""

import re
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.base.errors import SettingError
from striate.lab import digit_network, lesson_api, lesson_catalogue, pages
from striate.lab.controls import Button, Cells, Choice, Control, Drawing, OwnImage, Slider, Toggle
from striate.lab.exercises import NumberExercise
from striate.lab.texts import LANGUAGES, Texts, read
from support.brief_maps import brief_maps
from support.lesson_views import CONTROLS, OF_EVERY_KIND, VIEWS

NAMES = [entry.name for entry in lesson_catalogue.LESSONS]
TEXTS = sorted(path.stem for path in (Path(pages.__file__).parent / "texts").glob("*.toml"))


def ends(control: Control) -> list[Any]:
    """Values of a control at the ends of its range."""
    match control:
        case Slider():
            return [control.low, control.high]
        case Choice():
            return list(control.options)
        case Toggle():
            return [False, True]
        case Button():
            return [0, 1]
        case Cells():
            return [[[level] * len(control.start[0])] * len(control.start) for level in (control.levels[0], control.levels[-1])]
        case Drawing():
            return [[], [[255] * control.side] * control.side]
        case OwnImage():
            return [control.samples[0]]


def answer(name: str, given: dict[str, Any], language: str = "en") -> list[dict[str, Any]]:
    values = lesson_api.values(name, given)
    for control in lesson_api.image_controls(name):
        values[control] = np.random.default_rng(0).integers(0, 256, (224, 224, 3)).astype(np.uint8)
    views: list[dict[str, Any]] = lesson_api.answer(name, language, values)["views"]
    return views


@pytest.mark.parametrize("name", NAMES)
def test_it_has_its_texts_and_no_others(name: str):
    lesson, text = lesson_catalogue.load(name), Texts(name, "zh")
    keys = ["title", "summary", "source"]
    for control in lesson.CONTROLS:
        keys.append(f"controls.{control.name}")
        options = getattr(control, "options", getattr(control, "samples", ()))
        keys += [f"options.{control.name}.{option}" for option in options]
    for exercise in lesson.EXERCISES:
        keys += [f"exercises.{exercise.name}.{part}" for part in ("question", "hint", "why")]
        keys += [f"exercises.{exercise.name}.options.{option}" for option in getattr(exercise, "options", ())]
    assert [key for key in keys if not text.has(key)] == []
    assert text.all_of("intro")
    assert text.all_of("notice")
    for table, names in (("controls", lesson.CONTROLS), ("exercises", lesson.EXERCISES)):
        assert set(read(name).get(table, {})) == {entry.name for entry in names}


@pytest.fixture
def brief_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test heat maps briefly, and keep none of these for the other tests."""
    brief_maps(monkeypatch)
    monkeypatch.setattr(digit_network, "_explained", lru_cache(digit_network._explained.__wrapped__))


def kinds(name: str, controls: set[str]) -> bool:
    """Whether a lesson has but kinds of controls and of views that the lessons looked at in a browser have too."""
    return controls <= CONTROLS and {view["kind"] for view in answer(name, {})} <= VIEWS


def test_every_kind_of_control_and_of_view_is_looked_at_in_a_browser():
    lessons = [lesson_catalogue.load(name) for name in OF_EVERY_KIND]
    assert {type(control).__name__ for lesson in lessons for control in lesson.CONTROLS} == CONTROLS
    assert {view["kind"] for name in OF_EVERY_KIND for view in answer(name, {})} == VIEWS


@pytest.mark.usefixtures("brief_tests")
@pytest.mark.parametrize("name", NAMES)
def test_it_answers_at_both_ends_of_every_control(name: str):
    lesson = lesson_catalogue.load(name)
    shown = {view["name"] for view in answer(name, {}, "zh")}
    assert kinds(name, {type(control).__name__ for control in lesson.CONTROLS})
    for control in lesson.CONTROLS:
        for value in ends(control):
            shown |= {view["name"] for view in answer(name, {control.name: value})}
    assert any(view["kind"] == "sentence" for view in answer(name, {}))  # what a screen reader reads out
    assert shown - {"again"} <= set(read(name)["views"])  # that one is not shown, and has no title


@pytest.mark.parametrize("name", NAMES)
def test_the_same_values_give_the_same_numbers(name: str):
    assert answer(name, {}) == answer(name, {})


@pytest.mark.parametrize(
    ("name", "exercise"),
    [(name, exercise.name) for name in NAMES for exercise in lesson_catalogue.load(name).EXERCISES],
)
def test_a_right_answer_is_told_from_a_wrong_one(name: str, exercise: str):
    entry = next(row for row in lesson_catalogue.load(name).EXERCISES if row.name == exercise)
    right = entry.compute()
    judged = lesson_api.judge(name, "en", exercise, right)
    assert judged["right"]
    if isinstance(entry, NumberExercise):
        wrong = lesson_api.judge(name, "en", exercise, right + entry.tolerance + 1)
        assert (wrong["right"], lesson_api.judge(name, "en", exercise, f" {right:.10g} ")["right"]) == (False, True)
        with pytest.raises(SettingError, match="expected a number as the answer; got 'many'"):
            lesson_api.judge(name, "en", exercise, "many")
    else:
        assert right in entry.options
        wrong = [lesson_api.judge(name, "en", exercise, option) for option in entry.options if option != right]
        assert wrong
        assert not any(judgment["right"] for judgment in wrong)
    assert judged["text"] != wrong[0]["text"] if isinstance(wrong, list) else judged["text"] != wrong["text"]


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"{(\w+)", text))


def texts_of(tree: Any) -> list[dict[str, str]]:
    if isinstance(tree, list):
        return list(chain.from_iterable(map(texts_of, tree)))
    if set(tree) <= set(LANGUAGES):
        return [tree]
    return list(chain.from_iterable(map(texts_of, tree.values())))


@pytest.mark.parametrize("page", TEXTS)
def test_every_text_is_there_in_both_languages_with_the_same_numbers(page: str):
    for text in texts_of(read(page)):
        assert set(text) == set(LANGUAGES), text
        assert placeholders(text["en"]) == placeholders(text["zh"]), text
        assert not re.search("[一-鿿]", text["en"]), text
        assert text["zh"].strip(), text
        # Sizes are written as 3 × 3; the English reasons are those of the commands
        assert not re.search(r"[0-9}] x [0-9{]", text["zh"] if page == "reasons" else text["en"] + text["zh"]), text
