from math import tanh
from typing import Any

import pytest
from torch import nn

from striate.lab.controls import check_values
from striate.lab.lessons import lenet5 as lesson
from striate.lab.texts import Texts
from striate.lab.views import MapRows, Table, sides
from striate.nets import catalogue, factory
from support.lab import looking

SAY = Texts("lenet5", "en")


def shown(**given):
    return {view.name: view for view in lesson.views(check_values(lesson.CONTROLS, given), SAY)}


def test_the_table_is_that_of_the_network_and_costs_what_its_layer_does():
    table = lesson.table_of("table")
    c3 = factory.outline("lenet5", (1, 32, 32), 10).c3
    assert [(to, source) for to, sources in enumerate(table) for source in sources] == c3.links
    assert lesson.parameters("table") == sum(weights.numel() for weights in c3.parameters()) == 60 * 25 + 16
    assert lesson.parameters("full") == sum(weights.numel() for weights in nn.Conv2d(6, 16, 5).parameters()) == 2_416
    assert [lesson.parameters_of(sources) for sources in table].count(101) == 9


def test_sums_are_those_of_the_paper():
    layers = shown()["layers"]
    assert isinstance(layers, Table)
    rows = {row[0]: row[1:] for row in layers.rows}
    assert rows["C1"] == [sides((6, 28, 28)), "156", "122,304"]  # 6 (25 + 1), at 28 * 28 places
    assert rows["S2"] == [sides((6, 14, 14)), "12", "5,880"]  # (4 + 1) * 6 * 14 * 14
    assert rows["C3"] == [sides((16, 10, 10)), "1,516", "151,600"]
    assert rows["Sum"] == ["", f"{catalogue.find('lenet5').parameters:,}", "340,908"]
    full = shown(connection="full")["layers"].rows
    assert full[-1][2:] == [f"{60_000 + 900:,}", f"{340_908 + 90_000:,}"]


def test_a_map_lights_what_it_reads():
    maps = shown(map=0, source=5)["maps"]
    assert isinstance(maps, MapRows)
    assert [(row.count, row.side) for row in maps.rows] == [
        (1, 32), (6, 28), (6, 14), (16, 10), (16, 5), (120, 1), (84, 1), (10, 1),
    ]  # fmt: skip
    assert [tuple(row.lit) for row in maps.rows[:5]] == [(0,), (0, 1, 2), (0, 1, 2), (0,), (0,)]
    assert set(maps.links) == {(1, 0, 0), (1, 1, 1), (1, 2, 2), (2, 0, 0), (2, 1, 0), (2, 2, 0), (3, 0, 0)}
    text = shown(map=0, source=5)["result"].text
    assert "reads the maps 0, 1, 2 of S2: 76 parameters. Map 5 of S2 is read by 10 of the 16 maps." in text
    assert tuple(shown(map=0, connection="full")["maps"].rows[2].lit) == (0, 1, 2, 3, 4, 5)


def test_a_unit_of_subsampling_by_hand():
    # 0.5 (1 + 1 + 1 - 1) - 2 = -1
    (unit,) = lesson.subsampled([[[1, -1], [1, 1]]], 0.5, -2)
    assert unit == pytest.approx((2, -1, 1.7159 * tanh(-2 / 3)))
    lines = shown(coefficient=0.5, bias=-2)["subsampling"].lines
    assert lines == ("0.5 · 2 − 2 = −1", "1.7159 · tanh(⅔ · (−1)) = −1")
    squash = shown(coefficient=0.5, bias=-2)["squash"]
    assert (squash.marks[0].x, squash.marks[0].y) == (2, pytest.approx(unit.after))
    assert squash.series[0].y[32] == pytest.approx(unit.after)  # -6 + 32 / 4 = 2


def test_distances_of_f6_by_hand():
    # The codes of 3 and 8 differ in 15 of 84 units, by 2: 0.3 of the way there, 15 * 0.6^2, and 15 * 1.4^2 to go
    away = lesson.distances(3, 8, 0.3)
    assert (away[3], away[8]) == (pytest.approx(5.4, abs=1e-4), pytest.approx(29.4, abs=1e-4))
    assert shown(digit=3, other=8, mix=0.3)["distances"].series[0].y == away
    assert lesson.distances(7, 1, 0)[7] == 0


@pytest.mark.soak
@pytest.mark.xdist_group("lab")
def test_a_map_is_chosen_by_a_click(lab_url: str, chromium: Any):
    with looking(chromium, lab_url) as seen:
        seen.open("/en/lessons/lenet5")
        seen.page.wait_for_selector(".map.press", timeout=60_000)
        seen.page.locator(".map.press").nth(6 + 15).click()  # after the six of S2
        seen.page.wait_for_function("() => document.querySelector('.said').textContent.startsWith('Map 15 of C3 reads')")
        assert seen.page.locator("#c-map").input_value() == "15"
        table = seen.page.locator("[data-view=table] svg")
        box = table.bounding_box()
        cell = box["width"] / (16 + 20 / 32)  # the numbers of rows stand to the left of the cells
        table.click(position={"x": box["width"] - 12.5 * cell, "y": box["height"] - 1.5 * cell}, force=True)
        seen.page.wait_for_function("() => document.querySelector('.said').textContent.startsWith('Map 3 of C3 reads')")
        assert seen.page.locator("#c-source").input_value() == "4"
