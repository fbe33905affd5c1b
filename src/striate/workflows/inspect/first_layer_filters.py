"""`striate inspect RUN --filters`: filter tuning of the first layer, and all of its weights as images.

Legend: F filters, U units.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from striate.base.arguments import named_arguments
from striate.base.errors import SettingError, UnsupportedError, nearest
from striate.base.events import Json, Watch, quiet
from striate.base.signals import catch_signals
from striate.interpret import filter_health, filter_orientation_color, orientation_tuning, unit_shift_tolerance
from striate.interpret.readout_points import Probe, pool_after, probes
from striate.model import Model
from striate.workflows.inspect.filter_health import output_folder
from striate.workflows.load_model import load

_SHIFTS = tuple((np.arange(17) / 16).tolist())  # periods


@named_arguments()
def filters(run: str, *, layers: Sequence[str] = (), out: str | Path | None = None, watch: Watch = quiet) -> Json:
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
    model, folder = load(run), output_folder(run, out)
    probed_layers = probes(model.net)
    known = [probe.layer for probe in probed_layers]
    for name in layers:
        if name not in known:
            raise SettingError(f"There is no layer {name!r} with filters or units before the head; {nearest(name, known)}")
    title = Path(run).name
    result: Json = {"run": run, "net": model.net_name, "first": None, "reason": None, "tuning": None, "tolerance": []}
    files: list[str] = []
    with catch_signals() as stop:
        try:
            first = filter_orientation_color.first(model.net)
        except UnsupportedError as error:
            result["reason"] = str(error)
        else:
            files += _add_first(result, title, model, first, probed_layers[0], folder)
        chosen = [probe for probe in probed_layers if probe.layer in layers or not layers]
        for number, probe in enumerate(chosen):
            files.append(_tiles(title, model, probe, folder))
            watch({"event": "inspect", "done": number + 1, "total": len(chosen)})
            stop.check("drawing the weights")
    return {**result, "layers": [probe.layer for probe in chosen], "files": files}


def _add_first(
    result: Json, title: str, model: Model, first: filter_orientation_color.First, probe: Probe, out: Path
) -> list[str]:
    """Measure the first layer before and after its pool; the sheets that were drawn."""
    from striate.plots.interpret import first_layer_filters as drawing
    from striate.plots.interpret import unit_curves

    net = model.net
    preferences = filter_orientation_color.preferences(first.kernels_FCkk)
    verdicts = [each.verdict for each in filter_health.examine(net)[0].filters]
    captions = filter_orientation_color.captions(preferences)
    paths = [out / name for name in ("filters.png", "filters-each.png", "tuning.png", "shifts.png")]
    for path, each in zip(paths[:2], (False, True), strict=True):
        drawing.draw(f"{first.layer} of {title}", first.kernels_FCkk, verdicts, path, each=each, captions=captions)
    tuned = orientation_tuning.tuning(net, probe.readout)
    curve_UA = np.nan_to_num(tuned.curve_AU.T)
    curve_UA = curve_UA / np.maximum(curve_UA.max(axis=1, keepdims=True), 1e-30)
    tuning_captions = orientation_tuning.captions(tuned)
    unit_curves.draw_tuning(
        f"{probe.readout} of {title} for stripes", tuned.orientations_A, curve_UA, tuning_captions, paths[2]
    )
    pool = pool_after(net, probe.readout)
    tunings = [tuned] if pool is None else [tuned, orientation_tuning.tuning(net, pool)]
    tolerances = [unit_shift_tolerance.by_gratings(net, each, _SHIFTS, in_periods=True) for each in tunings]
    series = [unit_curves.Series(each.layer, each.shifts_D, each.response_DU) for each in tolerances]
    unit_curves.draw_tolerance(f"Shift tolerance of {title}", "the best grating of each unit, in its periods", series, paths[3])
    result["first"] = {"layer": first.layer, "each": filter_orientation_color.as_json(preferences)}
    result["tuning"] = orientation_tuning.as_json(tuned)
    result["tolerance"] = [unit_shift_tolerance.as_json(each) for each in tolerances]
    return [str(path) for path in paths]


def _tiles(title: str, model: Model, probe: Probe, out: Path) -> str:
    from striate.plots.interpret import weight_tiles

    path = out / f"weights-{probe.layer}.png"
    weight_tiles.draw(f"{probe.layer} of {title}", filter_health.effective(model.net, probe), path)
    return str(path)
