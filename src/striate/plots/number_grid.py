"""Numbers in squares: a small map whose every value can be read."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from striate.plots.canvas import GRAY, INK, SERIES_COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WINDOWS = SERIES_COLORS[:4]


def numbers(axes: "Axes", values_HW: NDArray[Any], fills: dict[tuple[int, int], str] | None = None, size: float = 10) -> None:
    """Write each value into its square, some of which are filled; one square is one unit of the axes."""
    from matplotlib.patches import Rectangle

    height, width = values_HW.shape
    inside: dict[str, Any] = {"in_layout": False}  # of the axes, so that the layout need not measure each
    for (row, column), value in np.ndenumerate(values_HW):
        color = (fills or {}).get((row, column))
        style: dict[str, Any] = {"facecolor": color or "white", "alpha": 0.35 if color else 1, "edgecolor": "none"}
        # As artists: as patches each would widen the data limits, which are set below, in a third of the drawing's time
        axes.add_artist(Rectangle((column, row), 1, 1, **style, **inside))
        axes.add_artist(Rectangle((column, row), 1, 1, fill=False, edgecolor=GRAY, linewidth=0.6, **inside))
        axes.text(column + 0.5, row + 0.5, f"{value:.3g}", ha="center", va="center", fontsize=size, color=INK, **inside)
    axes.set_xlim(-0.1, width + 0.1)
    axes.set_ylim(height + 0.1, -0.1)
    axes.set_aspect("equal")
    axes.axis("off")


def window(axes: "Axes", top: float, left: float, side: float, color: str, inset: float = 0.0) -> None:
    """Frame a window of `side` squares, drawn `inset` squares inwards so that frames of neighbors stay apart."""
    from matplotlib.patches import Rectangle

    corner, inner = (left + inset, top + inset), side - 2 * inset
    axes.add_patch(Rectangle(corner, inner, inner, fill=False, edgecolor=color, linewidth=2.2))
