import numpy as np
import pytest

from striate.history.cells.model import bank, grating, respond_to, stimulus_side
from striate.lab.controls import check_values
from striate.lab.lessons import simple_cells as lesson
from striate.lab.texts import Texts
from striate.lab.views import Bars, Lines

SAY = Texts("simple_cells", "en")
BEST = {"degrees": 0, "wavelength": 8, "phase": 0, "preferred": 0}


def shown(**given):
    return {view.name: view for view in lesson.views(check_values(lesson.CONTROLS, given), SAY)}


def test_the_responses_are_those_of_the_cells():
    bars = shown(preferred=45, degrees=60, phase=30)["responses"]
    cells = bank(8, 8.0)  # the third of which prefers 45 degrees
    light = grating(stimulus_side(cells, 4), 8, 60, 30)
    assert isinstance(bars, Bars)
    assert bars.series[0].y == pytest.approx([response[2] for response in respond_to(light, cells, 4)])


def test_a_simple_cell_is_silent_half_a_wave_off_and_a_complex_one_is_not():
    simple, pooled, energy = shown(**BEST | {"phase": 180})["responses"].series[0].y
    assert simple == 0
    # a neighbor four pixels, half a wave, away sees what the cell itself would see at phase 0
    assert pooled == pytest.approx(shown(**BEST)["responses"].series[0].y[0])
    assert energy == pytest.approx(pooled, rel=0.01)


def test_tuning_is_highest_at_the_orientation_that_is_preferred():
    lines = shown(**BEST | {"preferred": 90})["orientation"]
    assert isinstance(lines, Lines)
    assert lines.series[0].x[int(np.argmax(lines.series[0].y))] == 90
    assert lines.marks[0].x == 0
    assert lines.marks[0].y == lines.series[0].y[0]
