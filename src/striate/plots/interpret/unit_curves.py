"""Curves of units: how they are tuned to orientation, and how much of their response is left when their stimulus moves.

Legend: U units, A orientations, D shifts.
"""

from collections.abc import Sequence
from math import cos, pi, sin
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.plots.canvas import GRAY, INK, SERIES_COLORS, width_of
from striate.plots.mosaic import GAP, LINE, Sheet
from striate.plots.save_figure import new_figure

MOST = 64
_RADIUS = 0.36  # inches
Array = NDArray[np.float64]


def draw_tuning(title: str, orientations_A: Array, curves_UA: Array, captions: Sequence[str], path: Path) -> None:
    """Draw a polar curve for each unit: its distance from the center is the rate for stripes that run in this direction.

    Orientations are in degrees, from 0 to below 180, rates over the unit's largest; of more than 64 units the first are drawn.
    """
    shown, captions = curves_UA[:MOST], captions[:MOST]
    across = min(8, len(shown))
    lines = max(caption.count("\n") + 1 for caption in captions)
    step_x = max(2 * _RADIUS, *(width_of(caption, 6) for caption in captions)) + 2 * GAP
    step_y = 2 * _RADIUS + LINE * lines + 3 * GAP
    count = f"{len(curves_UA):,} units" if len(shown) == len(curves_UA) else f"The first {MOST} of {len(curves_UA):,} units"
    note = f"{count}; the circle is the largest rate of each, and a direction that of the stripes (none: all keep half of it)."
    sheet = Sheet(title, note, across * step_x, -(-len(shown) // across) * step_y)
    turns = np.deg2rad(np.concatenate([orientations_A, orientations_A + 180]))
    circle = [(_RADIUS * cos(turn), _RADIUS * sin(turn)) for turn in np.linspace(0, 2 * pi, 72, endpoint=False)]
    for u, (curve_A, caption) in enumerate(zip(shown, captions, strict=True)):
        x = sheet.left + (u % across + 0.5) * step_x
        y = sheet.top + (u // across) * step_y + _RADIUS + GAP
        sheet.canvas.polygon([(x + dx, y + dy) for dx, dy in circle], "none", "#bbbbbb", 0.6)
        sheet.canvas.line([(x - _RADIUS, y), (x + _RADIUS, y)], "#dddddd", 0.5)
        sheet.canvas.line([(x, y - _RADIUS), (x, y + _RADIUS)], "#dddddd", 0.5)
        radii = _RADIUS * np.concatenate([curve_A, curve_A])
        points = [(x + radius * cos(turn), y - radius * sin(turn)) for radius, turn in zip(radii, turns, strict=True)]
        sheet.canvas.polygon(points, "#cfe3f1", SERIES_COLORS[0], 1.0)
        for number, line in enumerate(caption.split("\n")):
            sheet.canvas.text(x, y + _RADIUS + 0.09 + LINE * number, line, 6, color=GRAY if number else INK)
    sheet.canvas.save(path)


class Series(NamedTuple):
    """Curves of one layer."""

    name: str
    shifts_D: Array  # pixels or periods
    response_DU: Array  # the share of its response that each unit keeps; units with a nan are left out


def draw_tolerance(title: str, moved: str, series: Sequence[Series], path: Path) -> None:
    """Draw the response over the shift: for each layer the median of its units, and the half of them around it.

    `moved` says what is moved and in what, as "the best grating, in pixels"; the layers are those before and after a pool.
    """
    with new_figure(path, 6.5, 4.0) as figure:
        axes = figure.subplots()
        for number, (name, shifts_D, response_DU) in enumerate(series):
            color = SERIES_COLORS[number % len(SERIES_COLORS)]
            known = response_DU[:, ~np.isnan(response_DU).any(axis=0)]
            text = f"{name}: {known.shape[1]:,} of {response_DU.shape[1]:,} units respond"
            if not known.shape[1]:
                axes.plot([], [], color=color, label=text)
                continue
            low, middle, high = np.quantile(known, (0.25, 0.5, 0.75), axis=1)
            axes.fill_between(shifts_D, low, high, color=color, alpha=0.2, linewidth=0)
            marker = "os^Dvx"[number % 6]
            axes.plot(shifts_D, middle, color=color, marker=marker, markersize=3.5, linewidth=1.5, label=text)
        axes.axhline(0.5, color=GRAY, linewidth=0.7, linestyle="--")
        axes.axhline(0, color=GRAY, linewidth=0.5)
        axes.set_xlabel(f"shift of {moved}")
        axes.set_ylabel("response over the unshifted response")
        axes.grid(True, linewidth=0.4, alpha=0.5)
        axes.set_title(f"{title}\nmedian and middle half of the units", fontsize=10)
        figure.legend(loc="outside lower center", ncols=min(2, len(series)), fontsize=8, frameon=False)
