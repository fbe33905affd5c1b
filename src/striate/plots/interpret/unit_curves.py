"""Curves of units: how they are tuned to orientation, and how much of their answer is left when their stimulus moves.

Legend: U units, A orientations, D shifts.
"""

from collections.abc import Sequence
from math import cos, pi, sin
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.plots.canvas import GRAY, SERIES_COLORS, width_of
from striate.plots.mosaic import GAP, LINE, Sheet
from striate.plots.save_figure import check_ending, save

BLUE = "#0072b2"
MOST = 64
_RADIUS = 0.36  # inches
Array = NDArray[np.float64]


def draw_tuning(title: str, orientations_A: Array, curves_UA: Array, captions: Sequence[str], path: Path) -> None:
    """Draw a polar curve for each unit: how far from the middle is the rate for stripes that run in this direction.

    Each curve has its own scale: the circle is the unit's largest rate.

    Args:
        title: which layer of what.
        orientations_A: of the stripes in degrees, from 0 to below 180.
        curves_UA: rates over the unit's largest, 0 to 1; of more than 64 units the first are drawn, and that is said.
        captions: U, below each, with a line of their own for what follows a line break.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    shown = curves_UA[:MOST]
    across = min(8, len(shown))
    rows = -(-len(shown) // across)
    lines = max(caption.count("\n") + 1 for caption in captions[:MOST])
    step_x = max(2 * _RADIUS, *(width_of(caption, 6) for caption in captions[:MOST])) + 2 * GAP
    step_y = 2 * _RADIUS + LINE * lines + 3 * GAP
    count = f"{len(curves_UA):,} units" if len(shown) == len(curves_UA) else f"the first {MOST} of {len(curves_UA):,} units"
    note = f"{count.capitalize()}; the circle is the largest rate of each, and a direction is that of the stripes."
    sheet = Sheet(title, note, across * step_x, rows * step_y)
    turns = np.deg2rad(np.concatenate([orientations_A, orientations_A + 180]))
    circle = [(cos(t), sin(t)) for t in np.linspace(0, 2 * pi, 72, endpoint=False)]
    for u, curve_A in enumerate(shown):
        x = sheet.left + (u % across + 0.5) * step_x
        y = sheet.top + (u // across) * step_y + _RADIUS + GAP
        sheet.canvas.polygon([(x + _RADIUS * a, y + _RADIUS * b) for a, b in circle], "none", "#bbbbbb", 0.6)
        sheet.canvas.line([(x - _RADIUS, y), (x + _RADIUS, y)], "#dddddd", 0.5)
        sheet.canvas.line([(x, y - _RADIUS), (x, y + _RADIUS)], "#dddddd", 0.5)
        far = _RADIUS * np.concatenate([curve_A, curve_A])
        points = [(x + r * cos(t), y - r * sin(t)) for r, t in zip(far, turns, strict=True)]
        sheet.canvas.polygon(points, "#cfe3f1", BLUE, 1.0)
        for number, line in enumerate(captions[u].split("\n")):
            sheet.canvas.text(x, y + _RADIUS + 0.09 + LINE * number, line, 6, color=GRAY if number else "#1a1a1a")
    sheet.save(path)


class Series(NamedTuple):
    """Curves of one layer.

    Attributes:
        name: of it.
        shifts_D: pixels or periods.
        response_DU: what its units keep of their answer; units with a nan are left out.

    """

    name: str
    shifts_D: Array
    response_DU: Array


def draw_tolerance(title: str, moved: str, series: Sequence[Series], path: Path) -> None:
    """Draw what is kept over the shift: for each layer the median of its units, and the half of them around it.

    Args:
        title: what of what.
        moved: what is moved and in what, as "the best grating, in pixels".
        series: layers, as before and after a pool.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5, 4.0), layout="constrained")
    axes = figure.subplots()
    for number, one in enumerate(series):
        color = SERIES_COLORS[number % len(SERIES_COLORS)]
        known = one.response_DU[:, ~np.isnan(one.response_DU).any(axis=0)]
        units = f"{known.shape[1]:,} of {one.response_DU.shape[1]:,} units answer"
        if not known.shape[1]:
            axes.plot([], [], color=color, label=f"{one.name}: {units}")
            continue
        low, middle, high = np.quantile(known, (0.25, 0.5, 0.75), axis=1)
        axes.fill_between(one.shifts_D, low, high, color=color, alpha=0.2, linewidth=0)
        axes.plot(
            one.shifts_D, middle, color=color, marker="os^Dvx"[number % 6], markersize=3.5, linewidth=1.5,
            label=f"{one.name}: {units}",
        )  # fmt: skip
    axes.axhline(0.5, color=GRAY, linewidth=0.7, linestyle="--")
    axes.axhline(0, color=GRAY, linewidth=0.5)
    axes.set_xlabel(f"shift of {moved}")
    axes.set_ylabel("share of the answer that is kept")
    axes.grid(True, linewidth=0.4, alpha=0.5)
    axes.set_title(f"{title}\nmedian and middle half of the units", fontsize=10)
    figure.legend(loc="outside lower center", ncols=min(2, len(series)), fontsize=8, frameon=False)
    save(figure, path)
