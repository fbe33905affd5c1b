from typing import Any

import pytest

from striate.history.timeline.demo import LINE
from striate.lab import lesson_catalogue
from striate.lab.controls import check_values
from striate.lab.lessons import timeline as lesson
from striate.lab.texts import LANGUAGES, Texts
from striate.lab.views import Lines, Pointer, Stops
from striate.nets import catalogue
from support.lab import looking

SAY = Texts("timeline", "en")


def shown(name: str, language: str = "en"):
    values = check_values(lesson.CONTROLS, {"station": lesson.STATIONS.index(name)})
    return {view.name: view for view in lesson.views(values, Texts("timeline", language))}


def test_the_stations_are_those_of_the_history_each_with_a_lesson():
    assert [station.name for station in LINE] == list(lesson.STATIONS)
    for station in LINE:
        for language in LANGUAGES:
            assert Texts("timeline", language)(f"options.station.{station.name}").startswith(f"{station.year} ")
        assert lesson.facts(station.name).year == station.year
        assert lesson_catalogue.entry(lesson.LESSON_OF[station.name])


@pytest.mark.parametrize(
    ("name", "parameters", "connections"),
    [
        ("mcculloch_pitts", "none", "6"),  # two units with an edge from each input, and an OR of these
        ("cells", "none", "961"),  # 31 x 31
        ("gmdh", "6", "none"),  # 1, u, v, uv, u^2, v^2
        ("neocognitron", "30,754", "none"),  # 30,658 weights a and 96 weights b
        ("rumelhart", "9", "none"),  # 2 * 2 + 2 weights and 3 biases
        ("optimal_control", "none", "none"),
        ("lenet5", "60,000", "328,096"),
        ("googlenet", "6,998,552", "1,582,671,872"),
    ],
)
def test_numbers_of_a_station(name: str, parameters: str, connections: str):
    views = shown(name)
    assert [row[1] for row in views["facts"].rows[:2]] == [parameters, connections]
    assert isinstance(views["sizes"], Lines)
    labels = [mark.label for mark in views["sizes"].marks if mark.label]
    assert labels == ([] if parameters == "none" else [parameters])
    (sizes,) = views["sizes"].series
    drawn = {*zip(sizes.x, sizes.y, strict=True)}
    assert {(row.year, catalogue.find(row.name).parameters) for row in LINE if row.settings is not None} <= drawn


def test_a_station_leads_to_its_lesson_and_command():
    views = shown("cells", "zh")
    assert isinstance(views["more"], Pointer)
    assert (views["more"].command, views["more"].lesson, views["more"].text) == (
        "striate history cells", "simple_cells", "简单细胞与复杂细胞",
    )  # fmt: skip
    assert isinstance(views["stations"], Stops)
    assert views["stations"].labels[views["stations"].chosen] == "1962 休伯尔与威泽尔"
    assert shown("vgg11")["more"].command == "striate nets vgg11"
    assert shown("vgg11")["result"].text == "2014 VGG: depth: windows of 3 × 3 only, one after the other."


@pytest.mark.soak
@pytest.mark.xdist_group("lab")
def test_a_station_is_chosen_by_its_button_and_its_lesson_opened(lab_url: str, chromium: Any):
    with looking(chromium, lab_url) as seen:
        seen.open("/en/lessons/timeline")
        button = seen.page.get_by_role("button", name="1986 Back-propagation")
        button.focus()
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_function("() => document.querySelector('.said').textContent.startsWith('1986 ')")
        assert button.get_attribute("aria-current") == "step"
        assert button.evaluate("(element) => element === document.activeElement")
        assert seen.page.locator("#c-station").get_attribute("aria-valuetext") == "1986 Back-propagation"
        seen.page.locator("[data-view=more] a").click()
        seen.page.wait_for_url("**/en/lessons/rumelhart")
