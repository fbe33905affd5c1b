"""The images of optimal control hold what they are given."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from striate.base.errors import SettingError
from striate.history.optimal_control import plots

SCALAR: dict[str, Any] = {
    "times": [0.0, 0.5], "control": [-0.7, -0.3], "exact_control": [-0.8, -0.4], "cost": 0.5, "exact": 0.4,
    "largest_gradients": [1.0, 0.1],
}  # fmt: skip
ENERGY: dict[str, Any] = {"times": [0.0, 0.5], "control": [5.0, 0.0], "integral": 12.5}
LIMITED: list[dict[str, Any]] = [
    {"limit": limit, "times": [0.0, 1.0], "path": [0.0, limit], "cost": 1.0, "exact": 2.0} for limit in (0.1, 0.2, 0.3)
]
FLIGHT: dict[str, Any] = {
    "radius": [1.0, 1.0, 1.5], "around": [0.0, 1.5707963267948966, 3.0], "angle": [90.0, 0.0], "times": [0.0, 5.0],
    "days": 10.0, "target": 1.5, "from_horizon": True, "rounds": [{"days": 9.0, "missed": 0.1}, {"days": 10.0, "missed": 0.01}],
}  # fmt: skip
RESIDUAL: dict[str, Any] = {
    "adjoints": [3.0, 2.0, 1.0], "autograd": [3.0, 2.0, 1.0], "factors": {"plain": [0.5, -0.25], "residual": [1.5, 0.75]},
}  # fmt: skip


def test_what_was_computed_lies_on_the_known_solutions(drawn: list[Figure]):
    plots.draw_known(SCALAR, ENERGY, LIMITED, Path("a.svg"))
    first, falls, second, third = drawn[0].axes
    assert [list(line.get_ydata()) for line in first.lines] == [[-0.8, -0.4], [-0.7, -0.3]]
    assert falls.get_yscale() == "log"
    assert [list(line.get_ydata()) for line in second.lines] == [[6, -6], [5.0, 0.0]]
    assert [list(line.get_ydata()) for line in third.lines[1::2]] == [[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]]
    assert third.get_legend().get_texts()[0].get_text() == "limit 0.100: J = 1.000, exact 2.000"


@pytest.mark.parametrize(
    ("from_horizon", "directions"),
    [(True, [(1, 0), (-1, 0)]), (False, [(0, 1), (0, 1)])],  # at 0 and a quarter turn; above the horizon, or from the rays
)
def test_arrows_point_where_the_push_goes(from_horizon: bool, directions: list[tuple[int, int]], drawn: list[Figure]):
    plots.draw_flight("title", {**FLIGHT, "from_horizon": from_horizon}, Path("a.svg"))
    plane, control, rounds = drawn[0].axes
    (arrows,) = (artist for artist in plane.collections if hasattr(artist, "U"))
    assert list(zip(arrows.U, arrows.V, strict=True)) == pytest.approx([pytest.approx(pair, abs=1e-12) for pair in directions])
    assert list(control.lines[0].get_xdata()) == [0.0, 5.0, 10.0]
    assert list(rounds.lines[0].get_ydata()) == [0.1, 0.01]


def test_products_grow_from_the_last_block_back(drawn: list[Figure]):
    plots.draw_residual(RESIDUAL, Path("a.svg"))
    norms, each, product = drawn[0].axes
    FigureCanvasAgg(drawn[0]).draw()
    assert [list(line.get_ydata()) for line in norms.lines] == [[3, 2, 1], [3, 2, 1]]
    assert list(each.lines[0].get_ydata()) == [1.5, 0.75]
    assert [list(line.get_ydata()) for line in product.lines] == [[1.125, 0.75], [0.125, 0.25]]


def test_another_ending_is_refused_by_all():
    for draw in (
        lambda path: plots.draw_known(SCALAR, ENERGY, LIMITED, path),
        lambda path: plots.draw_flight("", FLIGHT, path),
        lambda path: plots.draw_residual(RESIDUAL, path),
    ):
        with pytest.raises(SettingError, match="expected an image's path to end in"):
            draw(Path("a.gif"))
