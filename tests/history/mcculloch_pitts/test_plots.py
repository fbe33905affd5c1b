"""Drawings of networks, read back from the SVG's own text and from matplotlib's objects."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch

from striate.base.errors import SettingError
from striate.history.mcculloch_pitts import plots as drawing
from striate.history.mcculloch_pitts.model import LATCH, Network, Unit
from striate.history.mcculloch_pitts.plots import BACK, INHIBITS, ON, RADIUS, RING, Table, Trace

TEXT = "{http://www.w3.org/2000/svg}text"


UNITS = {"01": Unit(("x2",), ("x1",), 1), "10": Unit(("x1",), ("x2",), 1), "out": Unit(("01", "10"), (), 1)}
XOR = Network(("x1", "x2"), UNITS, ("out",))


def texts(path: Path) -> list[str]:
    return ["".join(element.itertext()).strip() for element in ElementTree.parse(path).iter(TEXT)]


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Texts that cover one another or leave the image."""
    FigureCanvasAgg(figure).draw()
    shown = [text for axes in figure.axes for text in axes.texts]
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown]
    covered = [(text, neighbor) for (text, a), (neighbor, b) in combinations(boxes, 2) if a.overlaps(b)]
    return covered + [(name, "outside") for name, box in boxes if not figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1]


def test_a_network_names_its_units_inputs_thresholds_and_delays(tmp_path: Path):
    drawing.network("XOR of two", XOR, tmp_path / "net.svg")
    drawn_texts = texts(tmp_path / "net.svg")
    assert {"XOR of two", "inputs", "tick 1", "tick 2", "x1", "x2", "01", "10", "out", "excites", "inhibits"} <= {*drawn_texts}
    assert drawn_texts.count("1") == 3  # thresholds
    assert not [text for text in drawn_texts if "leads back" in text]


def test_an_excitatory_edge_has_an_arrow_and_an_inhibitory_one_a_ring(drawn: list[Figure]):
    drawing.network("XOR", XOR, Path("net.svg"))
    patches = drawn[0].axes[0].patches
    rings = [patch for patch in patches if isinstance(patch, Circle) and patch.radius == RING]
    assert len(rings) == 2 + 1  # and one in the legend
    assert len([patch for patch in patches if isinstance(patch, FancyArrowPatch)]) == 4 + 1
    circles = [patch for patch in patches if isinstance(patch, Circle) and patch.radius != RING]
    assert len(circles) == 2 + 3 + 1  # inputs, units, and the second circle of the output


def test_what_leads_back_is_blue_also_from_a_unit_to_itself(drawn: list[Figure]):
    drawing.network("latch", LATCH, Path("net.svg"))
    axes = drawn[0].axes[0]
    arrows = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    assert [patch.get_edgecolor()[:3] for patch in arrows].count(rgb(BACK)) == 1
    assert "blue edge: leads back" in [text.get_text() for text in axes.texts]


def test_a_unit_that_fires_at_the_start_is_filled(drawn: list[Figure]):
    drawing.network("XOR", replace(XOR, firing=("10",)), Path("net.svg"))
    circles = [patch for patch in drawn[0].axes[0].patches if isinstance(patch, Circle) and patch.radius == RADIUS]
    filled = [patch for patch in circles if patch.get_facecolor()[:3] == rgb(ON)]
    below = max(patch.center[1] for patch in circles)
    assert [patch.center[1] for patch in filled] == [below]
    assert "filled: fires at tick 0" in [text.get_text() for text in drawn[0].axes[0].texts]


def rgb(color: str) -> tuple[float, ...]:
    return tuple(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))


def test_an_edge_given_several_times_says_how_often(tmp_path: Path):
    drawing.network("weights", Network(("a",), {"u": Unit(("a", "a", "a"), (), 2)}, ("u",)), tmp_path / "net.svg")
    assert "3 edges" in texts(tmp_path / "net.svg")


@pytest.mark.parametrize("count", [2, 8, 32])
def test_no_text_covers_another_or_leaves_the_image(count: int, drawn: list[Figure]):
    units = {f"row {i}": Unit(("x1",), ("x2",), i) for i in range(count)}
    units["out"] = Unit(tuple(units), (), 1)
    drawing.network("a title " * 12, Network(("x1", "x2"), units, ("out",)), Path("net.svg"))
    assert overlaps(drawn[0]) == []


def test_too_many_units_in_a_layer_are_refused_and_another_ending_is(tmp_path: Path):
    many = Network((), {f"u{i}": Unit() for i in range(40)}, ("u0",))
    with pytest.raises(SettingError, match="expected layers of at most 34 units to draw; got one of 40"):
        drawing.network("many", many, tmp_path / "net.svg")
    with pytest.raises(SettingError, match=r"expected an image's path to end in \.svg, \.png, \.pdf"):
        drawing.network("XOR", XOR, tmp_path / "net.gif")


def test_traces_are_filled_where_a_signal_is_active(drawn: list[Figure]):
    active_ST = np.array([[1, 0, 1, 0], [0, 1, 0, 1]], bool)
    drawing.traces("over time", [Trace("two signals", ("in", "out"), active_ST, 1)], Path("traces.svg"))
    axes = drawn[0].axes[0]
    starts = [[path.vertices[0][0] for path in bars.get_paths()] for bars in axes.collections]
    assert starts == [[0, 2], [1, 3]]
    assert tuple(axes.collections[1].get_facecolor()[0][:3]) == rgb(INHIBITS)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["in", "out"]
    assert axes.get_xlabel().startswith("tick")


def test_tables_show_the_values_and_the_unit_or_that_there_is_none(tmp_path: Path):
    functions = [Table((0, 0, 1, 0), "x1 AND NOT x2", Unit(("x1",), ("x2",), 1)), Table((0, 1, 1, 0), "XOR", None)]
    drawing.tables("two functions", functions, tmp_path / "tables.svg")
    drawn_texts = texts(tmp_path / "tables.svg")
    assert {"two functions", "XOR", "+x1, veto x2", "threshold 1", "no single unit:"} <= {*drawn_texts}
    assert drawing._described(Unit()) == "no edge\nthreshold 0"
