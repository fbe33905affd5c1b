"""A sheet to draw on, in inches from its upper left corner; and the colors of the kinds of layers."""

from collections.abc import Sequence
from itertools import pairwise
from math import hypot
from pathlib import Path
from typing import Any, Literal

from striate.plots import save_figure

Point = tuple[float, float]

INK = "#1a1a1a"
GRAY = "#6b6b6b"
# Okabe & Ito's palette, whose colors stay apart for color-blind readers
SERIES_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
CATEGORY_COLORS = {
    "input": "#d9d9d9", "convolution": "#56b4e9", "pool": "#d55e00", "fully connected": "#009e73", "plain block": "#e69f00",
    "residual block": "#cc79a7", "inception module": "#f0e442", "block with concat": "#f0e442", "norm": "#0072b2",
    "activation": "#ffffff",
}  # fmt: skip


def mixed(color: str, other: str, share: float) -> str:
    """`color` with a `share` of `other` in it, both as #rrggbb.

    >>> mixed("#000000", "#ffffff", 0.5)
    '#808080'
    """
    pairs = zip(bytes.fromhex(color[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + bytes(round(a + (b - a) * share) for a, b in pairs).hex()


def width_of(text: str, size: float, bold: bool = False) -> float:
    """Inches that a line of text takes at most, at `size` points; the longest of several lines counts."""
    return max(len(line) for line in text.split("\n")) * size * (0.68 if bold else 0.61) / 72


class Canvas:
    """A white figure, x to the right and y down, all in inches; what is drawn later lies above."""

    def __init__(self, width: float, height: float) -> None:
        from matplotlib.figure import Figure

        self.figure = Figure(figsize=(width, height))
        self._axes = self.figure.add_axes((0.0, 0.0, 1.0, 1.0))
        self._axes.set_xlim(0, width)
        self._axes.set_ylim(height, 0)
        self._axes.set_axis_off()
        self._frames: dict[tuple[str, float], list[Sequence[Point]]] = {}  # of (color, points of its line)

    def polygon(self, points: Sequence[Point], fill: str, edge: str = INK, line: float = 0.6) -> None:
        """A filled shape with straight sides; `line` is the width of its edge in points."""
        from matplotlib.patches import Polygon

        style: dict[str, Any] = {"edgecolor": edge, "linewidth": line, "joinstyle": "round", "clip_on": False}
        self._axes.add_patch(Polygon(points, facecolor=fill, **style))

    def frame(self, left: float, top: float, width: float, height: float, color: str, line: float) -> None:
        """An empty box below all other shapes; many of one color and width are drawn together, which is fast."""
        right, bottom = left + width, top + height
        self._frames.setdefault((color, line), []).append([(left, top), (right, top), (right, bottom), (left, bottom)])

    def image(self, pixels: Any, extent: tuple[float, float, float, float], colors: Any = None, norm: Any = None) -> None:
        """Pixels in a box (left, right, bottom, top): H x W x 3, or H x W by a color map and a norm, which many can share."""
        from matplotlib.image import AxesImage

        # As axes.imshow, without a color map, a norm and limits of the axes made anew for each image
        image = AxesImage(self._axes, cmap=colors, norm=norm, interpolation="nearest", origin="upper", extent=extent)
        image.set_data(pixels)
        self._axes.add_image(image)

    def rounded(self, left: float, top: float, width: float, height: float, fill: str, edge: str) -> None:
        """A filled box with rounded corners."""
        from matplotlib.patches import FancyBboxPatch

        box = f"round,pad=0,rounding_size={min(0.06, height / 2, width / 2)}"
        style: dict[str, Any] = {"facecolor": fill, "edgecolor": edge, "linewidth": 1.0, "clip_on": False}
        self._axes.add_patch(FancyBboxPatch((left, top), width, height, boxstyle=box, **style))

    def line(self, points: Sequence[Point], color: str = GRAY, width: float = 0.9, arrow: bool = False) -> None:
        """A line through the points, `width` points wide; with `arrow`, a head at its end."""
        from matplotlib.patches import Polygon

        style: dict[str, Any] = {"edgecolor": color, "linewidth": width, "joinstyle": "round", "clip_on": False}
        self._axes.add_patch(Polygon(points, closed=False, fill=False, **style))
        if arrow:
            (x0, y0), (x, y) = list(pairwise(points))[-1]
            length = hypot(x - x0, y - y0)
            dx, dy = 0.07 * (x - x0) / length, 0.07 * (y - y0) / length
            head = ((x, y), (x - dx - dy / 2, y - dy + dx / 2), (x - dx + dy / 2, y - dy - dx / 2))
            self.polygon(head, color, color, 0.3)

    def text(
        self, x: float, y: float, text: str, size: float, *, color: str = INK, bold: bool = False,
        anchor: Literal["left", "center", "right", "baseline"] = "center",
    ) -> None:  # fmt: skip
        """Text of `size` points, whose left, center, right or center of the baseline lies at (x, y)."""
        across, down = ("center", "baseline") if anchor == "baseline" else (anchor, "center")
        self._axes.text(
            x, y, text, fontsize=size, color=color, fontweight="bold" if bold else "normal", ha=across, va=down,
            parse_math=False, clip_on=False,
        )  # fmt: skip

    def save(self, path: Path) -> None:
        """Write the drawing as .svg, .png or .pdf."""
        from matplotlib.collections import PolyCollection

        for (color, line), boxes in self._frames.items():
            style: dict[str, Any] = {"edgecolors": color, "linewidths": line, "joinstyle": "round", "clip_on": False}
            self._axes.add_collection(PolyCollection(boxes, facecolors="none", zorder=0.9, **style), autolim=False)
        self._frames = {}
        save_figure.save(self.figure, path)
