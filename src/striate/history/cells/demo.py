"""Simple and complex cells on gratings, bars and an image: tuning, fields, tolerance to shifts, modulation."""

from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import SettingError
from striate.history.cells import model as hw
from striate.history.cells import plots
from striate.history.demonstration import Demonstration
from striate.history.sample_images import SampleImage, gray
from striate.plots import curves, image_panels
from striate.plots.image_panels import Panel

Floats = NDArray[np.float64]
_MOST_PX = 128
_ANGLES = 90  # of gratings, at least
_MOMENTS = 64  # of a cycle
_SHIFTS = 8  # pixels, of the image
_FIELDS_TITLES = (
    "Fields tile the image; yellow: all orientations at one place; orange: places that a pooled cell takes in",
    "At each place the orientation that responds most (energy), as long as its response",
)
_ORIENTATIONS, _WAVELENGTHS, _MOST_RADIUS = (2, 12), (4.0, 12.0), 8


def demonstrate(
    image: Path | None = None, *, orientations: int = 8, wavelength: float = 8.0, pool: int | None = None, out: Path
) -> Demonstration:
    """Show gratings, bars and an image to simple and complex cells, and draw their responses.

    Args:
        image: an image, made gray; else shapes drawn here.
        orientations: of the cells, 2 to 12.
        wavelength: of the stripes that they prefer, 4 to 12 px.
        pool: how far to each side a pooled complex cell looks, 1 to 8 px; else half a wavelength.
        out: folder for the figures.

    """
    if not _ORIENTATIONS[0] <= orientations <= _ORIENTATIONS[1]:
        raise SettingError(f"expected --orientations from {_ORIENTATIONS[0]} to {_ORIENTATIONS[1]}; got {orientations}.")
    if not _WAVELENGTHS[0] <= wavelength <= _WAVELENGTHS[1]:
        raise SettingError(f"expected --wavelength from {_WAVELENGTHS[0]:g} to {_WAVELENGTHS[1]:g} px; got {wavelength:g}.")
    if pool is not None and not 1 <= pool <= _MOST_RADIUS:
        raise SettingError(f"expected --pool from 1 to {_MOST_RADIUS} px; got {pool}.")
    sample = gray(image, _MOST_PX)
    cells, radius = hw.bank(orientations, wavelength), ceil(wavelength / 2) if pool is None else pool
    files = {name: out / f"{name}.png" for name in ("bank", "tuning", "fields", "maps", "shifts", "modulation")}
    _draw_bank(cells, files["bank"])
    tuning = _tuning(cells, radius, files["tuning"])
    responses = hw.respond(sample.levels_HW, cells, radius)
    plots.fields(_FIELDS_TITLES, sample.levels_HW, cells, radius, responses.energy, files["fields"])
    _draw_maps(sample, cells, responses, files["maps"])
    numbers = {
        "image": sample.description, "orientations": cells.degrees_A.tolist(), "wavelength_px": wavelength,
        "field_px": cells.side, "pool_px": radius, "tuning": tuning,
        "shifts": _shifts(sample, cells, radius, files["shifts"]),
        "modulation": _modulation(cells, radius, files["modulation"]),
    }  # fmt: skip
    return Demonstration(numbers, _lines(numbers), [*files.values()])


def _name(degrees: float) -> str:
    return f"{degrees:g}°"


def _draw_bank(cells: hw.Bank, path: Path) -> None:
    shown = {
        f"{phase}, {_name(degrees)}": kernel_FF
        for phase, kernels_AFF in zip(("even", "odd"), cells.kernels_PAFF, strict=True)
        for degrees, kernel_FF in zip(cells.degrees_A, kernels_AFF, strict=True)
    }
    title = f"Receptive fields of {cells.side} x {cells.side} pixels: light on white excites, on black inhibits"
    image_panels.draw(title, shown, path, across=len(cells.degrees_A), side=1.25)


def _tuning(cells: hw.Bank, radius: int, path: Path) -> list[dict[str, float]]:
    """What each cell prefers, and how far off its response has fallen to half."""
    degrees_N = hw.around(180, len(cells.degrees_A) * ceil(_ANGLES / len(cells.degrees_A)))
    tuning = hw.tuning(cells, radius, degrees_N)
    rows = []
    for index, degrees in enumerate(cells.degrees_A):
        peaks = {kind: hw.peak(degrees_N, curve_AN[index], 180) for kind, curve_AN in tuning._asdict().items()}
        widths = {f"half_width_{kind}": peak.half_width for kind, peak in peaks.items()}
        rows.append({"orientation": float(degrees), "preferred": peaks["simple"].place, **widths})
    width = float(np.mean([row["half_width_simple"] for row in rows]))
    title = f"Orientation tuning: half the response is left {width:.1f} degrees from the preferred one"
    relative_AN = tuning.simple / tuning.simple.max(axis=1, keepdims=True)
    plots.tuning(title, degrees_N, relative_AN, [_name(degrees) for degrees in cells.degrees_A], path)
    return rows


def _draw_maps(sample: SampleImage, cells: hw.Bank, responses: hw.Responses, path: Path) -> None:
    """Maps of four orientations at most: simple, pooled, energy."""
    chosen = np.unique(np.linspace(0, len(cells.degrees_A), 4, endpoint=False).astype(int))
    rows = [
        [Panel(sample.description, sample.levels_HW) if kind == "simple" else None]
        + [Panel(f"{kind}, {_name(cells.degrees_A[index])}", maps_AHW[index]) for index in chosen]
        for kind, maps_AHW in responses._asdict().items()
    ]
    image_panels.draw_rows(f"{sample.description}: responses of simple cells, and of complex ones by both accounts", rows, path)


def _relative(responses: dict[str, Floats]) -> dict[str, Floats]:
    """Each 1 at its highest."""
    return {kind: curve_N / curve_N.max() for kind, curve_N in responses.items()}


def _shifts(sample: SampleImage, cells: hw.Bank, radius: int, path: Path) -> dict[str, Any]:
    """A bar that is moved past, and the image moved to the right."""
    reach = 2 * cells.wavelength_px + radius
    offsets_N = np.arange(-reach, reach + 0.25, 0.5)
    swept = {kind: curve_AN[0] for kind, curve_AN in hw.sweep(cells, radius, offsets_N)._asdict().items()}
    widths = {kind: hw.peak(offsets_N, curve_N).half_width for kind, curve_N in swept.items()}
    shifts_N = np.arange(_SHIFTS + 1)
    moved = [hw.respond(hw.shifted(sample.levels_HW, int(px)), cells, radius) for px in shifts_N]
    similarities = {
        kind: [hw.cosine_similarity(getattr(moved[0], kind), getattr(responses, kind)) for responses in moved]
        for kind in hw.Responses._fields
    }
    panels = [
        plots.panel(
            f"an upright bar, {cells.wavelength_px / 2:g} px wide", "distance of the bar from the middle, px",
            "response, highest = 1", offsets_N, _relative(swept),
            {kind: f"half left at {width:.1f} px" for kind, width in widths.items()},
        ),
        plots.panel(
            f"{sample.description}, moved", "moved to the right by, px", "cosine similarity to the unshifted responses",
            shifts_N.astype(float), {kind: np.array(values) for kind, values in similarities.items()},
            {kind: f"{values[radius]:.2f} at {radius} px" for kind, values in similarities.items() if radius <= _SHIFTS},
        ),
    ]  # fmt: skip
    curves.draw("Tolerance to shifts: a simple cell wants its line in its place, a complex one anywhere nearby", [panels], path)
    return {"bar_half_width_px": widths, "cosine_similarity_by_px": similarities}


def _modulation(cells: hw.Bank, radius: int, path: Path) -> dict[str, Any]:
    """Responses to a drifting grating, and how modulation falls as more places are pooled."""
    phases_N = hw.around(360, _MOMENTS)
    cycle = {kind: curve_AN[0] for kind, curve_AN in hw.drift(cells, radius, 0, phases_N)._asdict().items()}
    ratios = {kind: hw.modulation(curve_N) for kind, curve_N in cycle.items()}
    radii = np.arange(max(radius, ceil(cells.wavelength_px / 2)) + 1)
    by_radius = [hw.modulation(hw.drift(cells, int(r), 0, phases_N).pooled[0]) for r in radii]
    panels = [
        plots.panel(
            "a grating of the preferred orientation drifts past", "phase of the grating, degrees", "response, highest = 1",
            phases_N, _relative(cycle), {kind: f"F1/F0 = {ratio:.2f}" for kind, ratio in ratios.items()},
        ),
        plots.panel(
            "from simple to complex by pooling", "places pooled to each side, px", "F1/F0", radii.astype(float),
            {"pooled": np.array(by_radius)}, {}, (1.0, "above: simple, below: complex"),
        ),
    ]  # fmt: skip
    curves.draw("Modulation by a drifting grating tells the two apart (Skottun et al. 1991)", [panels], path)
    return {"f1_over_f0": ratios, "pooled_by_radius": by_radius}


def _lines(result: dict[str, Any]) -> list[str]:
    tuning, shifts, radius = result["tuning"], result["shifts"], result["pool_px"]
    errors = [abs(row["preferred"] - row["orientation"]) for row in tuning]
    largest_error = max(min(degrees, 180 - degrees) for degrees in errors)
    shift = min(radius, _SHIFTS)
    similarities = {kind: values[shift] for kind, values in shifts["cosine_similarity_by_px"].items()}
    widths = {kind: float(np.mean([row[f"half_width_{kind}"] for row in tuning])) for kind in hw.Responses._fields}

    def each(values: dict[str, float], form: str) -> str:
        return ", ".join(f"{kind} {value:{form}}" for kind, value in values.items())

    return [
        f"{len(tuning)} orientations, fields of {result['field_px']} x {result['field_px']} px, "
        f"stripes of {result['wavelength_px']:g} px, pooled over {radius} px to each side; image: {result['image']}",
        f"preferred orientations are within {largest_error:.1f} degrees of the cells' own; half-widths in degrees: "
        f"{each(widths, '.1f')}",
        "F1/F0 for a drifting grating (above 1 simple, below complex; half a sine wave has 1.57): "
        f"{each(result['modulation']['f1_over_f0'], '.2f')}",
        f"half the response is left when a bar has moved by, px: {each(shifts['bar_half_width_px'], '.1f')}",
        f"cosine similarity to the unshifted responses when the image has moved by {shift} px: {each(similarities, '.2f')}",
    ]
