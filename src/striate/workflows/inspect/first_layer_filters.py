"""`striate inspect RUN --filters`: filter tuning of the first layer, and all of its weights as images.

Legend: F filters, U units.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from striate.base.arguments import named_arguments
from striate.base.errors import SettingError, UnsupportedError, nearest
from striate.base.events import Json, Watch, progress, quiet
from striate.base.signals import catch_signals
from striate.interpret import filter_health, filter_orientation_color, orientation_tuning, unit_shift_tolerance
from striate.interpret.readout_points import Probe, pool_after, probes
from striate.model import Model
from striate.workflows.checks import check_inspection
from striate.workflows.inspect.filter_health import output_folder
from striate.workflows.load_model import load_network

_SHIFTS = tuple((np.arange(17) / 16).tolist())  # periods


@named_arguments()
def filters(run: str | Path, *, layers: Sequence[str] = (), out: str | Path | None = None, watch: Watch = quiet) -> Json:
    """What the filters of a model are tuned to: stripes of which direction, width and color; and all weights as tiles.

    Args:
        run: a run by name or folder, a model's folder, or `NET@WEIGHTS`.
        layers: whose weights are drawn; else of every layer.
        out: the folder for the figures; else `striate-inspect-RUN`.
        watch: called with progress.

    Returns:
        run, net, first (orientation, frequency, color of each filter; None where the first layer sees no image, for the
        `reason` given), tuning, tolerance, layers and files.

    """
    folder = output_folder(run, out)
    check_inspection(run, out=folder)
    model = load_network(run, watch=watch)
    probed_layers = probes(model.net)
    known = [probe.layer for probe in probed_layers]
    for name in layers:
        if name not in known:
            raise SettingError(f"There is no layer {name!r} with filters or units before the head; {nearest(name, known)}")
    title = Path(run).name
    first_layer, reason, files = None, None, list[str]()
    with catch_signals() as stop:
        report = progress(watch, "draw", lambda: stop.check("drawing the weights"))
        try:
            first = filter_orientation_color.first(model.net)
        except UnsupportedError as error:
            reason = str(error)
        else:
            first_layer = _measure(model, first, probed_layers[0].readout, progress(watch, "tune"))
            verdicts = [each.verdict for each in filter_health.examine_weights(model.net, probed_layers[0]).filters]
            files += _draw_first(title, first_layer, verdicts, folder)
        chosen = [probe for probe in probed_layers if probe.layer in layers or not layers]
        for number, probe in enumerate(chosen):
            files.append(_tiles(title, model, probe, folder))
            report(number + 1, len(chosen))
    tuned: Json = {"first": None, "tuning": None, "tolerance": []} if first_layer is None else first_layer.as_json()
    layer_names = [probe.layer for probe in chosen]
    return {"run": str(run), "net": model.net_name, "reason": reason, **tuned, "layers": layer_names, "files": files}


@dataclass(frozen=True)
class FirstLayer:
    """What the first layer is tuned to."""

    first: filter_orientation_color.First  # its kernels
    preferences: filter_orientation_color.Preferences  # orientation, frequency and color of each filter
    tuning: orientation_tuning.Tuning  # of its units
    tolerances: tuple[unit_shift_tolerance.Tolerance, ...]  # to shifts, before its pool and after it

    def as_json(self) -> Json:
        """For `striate inspect RUN --filters --json`."""
        return {
            "first": {"layer": self.first.layer, "each": filter_orientation_color.as_json(self.preferences)},
            "tuning": orientation_tuning.as_json(self.tuning),
            "tolerance": [unit_shift_tolerance.as_json(each) for each in self.tolerances],
        }


def _measure(
    model: Model, first: filter_orientation_color.First, readout: str, report: Callable[[int, int], None]
) -> FirstLayer:
    """The first layer before and after its pool."""
    names = [name for name in (readout, pool_after(model.net, readout)) if name]
    tunings, tolerances = [], []
    for number, name in enumerate(names):
        report(2 * number, 2 * len(names))
        tunings.append(orientation_tuning.tuning(model.net, name))
        report(2 * number + 1, 2 * len(names))
        tolerances.append(unit_shift_tolerance.by_gratings(model.net, tunings[-1], _SHIFTS, in_periods=True))
    report(2 * len(names), 2 * len(names))
    return FirstLayer(first, filter_orientation_color.preferences(first.kernels_FCkk), tunings[0], tuple(tolerances))


def _draw_first(title: str, first_layer: FirstLayer, verdicts: Sequence[str], out: Path) -> list[str]:
    from striate.plots.interpret import first_layer_filters as drawing
    from striate.plots.interpret import unit_curves

    first, tuned = first_layer.first, first_layer.tuning
    captions = filter_orientation_color.captions(first_layer.preferences)
    paths = [out / name for name in ("filters.png", "filters-each.png", "tuning.png", "shifts.png")]
    for path, each in zip(paths[:2], (False, True), strict=True):
        drawing.draw(f"{first.layer} of {title}", first.kernels_FCkk, verdicts, path, each=each, captions=captions)
    curve_UA = np.nan_to_num(tuned.curve_AU.T)
    curve_UA = curve_UA / np.maximum(curve_UA.max(axis=1, keepdims=True), 1e-30)
    heading = f"{tuned.layer} of {title} for stripes"
    unit_curves.draw_tuning(heading, tuned.orientations_A, curve_UA, orientation_tuning.captions(tuned), paths[2])
    series = [unit_curves.Series(each.layer, each.shifts_D, each.response_DU) for each in first_layer.tolerances]
    unit_curves.draw_tolerance(f"Shift tolerance of {title}", "the best grating of each unit, in its periods", series, paths[3])
    return [str(path) for path in paths]


def _tiles(title: str, model: Model, probe: Probe, out: Path) -> str:
    from striate.plots.interpret import weight_tiles

    path = out / f"weights-{probe.layer}.png"
    weight_tiles.draw(f"{probe.layer} of {title}", filter_health.effective(model.net, probe), path)
    return str(path)
