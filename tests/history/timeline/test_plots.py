from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from striate.history.timeline import plots

TEST = {"accuracy": 0.8969, "low": 0.8612, "high": 0.9243, "n": 359}
ROWS: list[dict[str, Any]] = [
    {"year": 1962, "name": "cells", "large": False, "input": None, "test": None},
    {"year": 1971, "name": "gmdh", "large": False, "input": "20 PCA coordinates of 16 x 16 px", "test": TEST},
    {"year": 2012, "name": "alexnet", "large": True, "input": None, "test": None},
]


def test_accuracy_is_drawn_from_0_to_100_percent_with_the_input_of_each_network(drawn: list[Figure]):
    plots.draw(ROWS, Path("line.png"))
    axes = drawn[0].axes[0]
    assert axes.get_ylim() == (0, 1)
    assert axes.yaxis.get_major_formatter()(0.4) == "40 %"
    names = [label.get_text().split("\n") for label in axes.get_xticklabels()]
    assert names[1] == ["1971", "gmdh", "20 PCA", "coordinates of", "16 x 16 px"]
    assert [text.get_text() for text in axes.texts] == ["no image classifier", "89.69 %", "not trained here"]
    assert "359 scanned digits" in axes.get_title()
