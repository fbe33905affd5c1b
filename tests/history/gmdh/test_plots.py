"""The images of GMDH hold what they are given."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from striate.base.errors import SettingError
from striate.history.gmdh import plots
from striate.history.gmdh.model import Layer

WITHOUT = {"fitted": [0.4, 0.3, 0.2], "external": [0.5, 90.0, None], "accepted": [True, True, True]}
WITH = {"fitted": [0.4, 0.3, 0.25], "external": [0.5, 0.4, 0.45], "accepted": [True, True, False]}


def test_each_element_is_joined_to_its_two_inputs(drawn: list[Figure]):
    layers = [
        Layer(np.array([[0, 1], [1, 2]]), np.zeros((2, 6)), np.array([2.0, 3.0])),
        Layer(np.array([[0, 1]]), np.zeros((1, 6)), np.array([1.5])),
    ]
    plots.draw_network("title", ["x1", "x2", "x3", "x4"], layers, Path("a.svg"))
    (axes,) = drawn[0].axes
    assert [text.get_text() for text in axes.texts] == ["x1", "x2", "x3", "x4", "2.00", "3.00", "1.50"]
    ends = [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in axes.lines]
    assert ends == [
        ([0, 1], [1.5, 0.5]), ([0, 1], [0.5, 0.5]), ([0, 1], [0.5, -0.5]), ([0, 1], [-0.5, -0.5]),
        ([1, 2], [0.5, 0.0]), ([1, 2], [-0.5, 0.0]),
    ]  # fmt: skip
    assert [text.get_color() == "black" for text in axes.texts[:4]] == [True, True, True, False]


def test_a_layer_that_was_refused_is_hollow_and_apart(drawn: list[Figure]):
    plots.draw_overfit(WITHOUT, WITH, Path("a.svg"))
    without, ended = drawn[0].axes
    assert without.lines[3].get_ydata()[:2].tolist() == [0.5, 90.0]
    assert np.isnan(without.lines[3].get_ydata()[2])
    assert [text.get_text() for text in without.texts] == ["1 error of the other rows lies above the image"]
    line, _, hollow = ended.lines[3:6]
    assert (line.get_ydata().tolist(), hollow.get_ydata().tolist()) == ([0.5, 0.4], [0.45])
    assert hollow.get_fillstyle() == "none"


def test_every_network_has_its_line_and_every_confusion_its_number(drawn: list[Figure]):
    plots.draw_digits("title", ["a", "b"], [[0.2, 0.1], [0.3]], [[5, 0], [2, 7]], Path("a.svg"))
    falls, table = drawn[0].axes
    assert [list(line.get_ydata()) for line in falls.lines] == [[0.2, 0.1], [0.3]]
    assert [(text.get_text(), text.get_position()) for text in table.texts] == [("5", (0, 0)), ("2", (0, 1)), ("7", (1, 1))]
    assert table.images[0].get_array().tolist() == [[0, 0], [2, 0]]


def test_another_ending_is_refused_by_all():
    for draw in (
        lambda path: plots.draw_network("", ["x"], [Layer(np.zeros((1, 2), int), np.zeros((1, 6)), np.zeros(1))], path),
        lambda path: plots.draw_overfit(WITHOUT, WITH, path),
        lambda path: plots.draw_digits("", [], [], [], path),
    ):
        with pytest.raises(SettingError, match="expected an image's path to end in"):
            draw(Path("a.gif"))
