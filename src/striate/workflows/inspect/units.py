"""`striate inspect RUN --layer LAYER`: what activates its units, in a data set and by gradient ascent.

Legend: U units, k images of each, K classes.
"""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from striate.base.arguments import named_arguments
from striate.base.errors import SettingError, UnsupportedError
from striate.base.events import Json, Watch, quiet
from striate.base.signals import catch_signals
from striate.data import sources
from striate.interpret import activation_maximization, activations, filter_health, top_activations
from striate.interpret.activation_maximization import MaximizedImages
from striate.interpret.activations import Statistics
from striate.interpret.readout_points import probes
from striate.interpret.top_activations import Strongest
from striate.model import Model
from striate.nets.hooks import taps
from striate.workflows.checks import check_inspection
from striate.workflows.dataset import Dataset
from striate.workflows.inspect.filter_health import output_folder
from striate.workflows.load_model import load_network
from striate.workflows.open_run import images_of, open_run, rows_of

_SHOWN, _IMAGES = 12, 8


@named_arguments()
@sources.listed_once
def units(
    run: str | Path, layer: str, *, unit_indices: Sequence[int] = (), data: str | Path | None = None,
    out: str | Path | None = None, watch: Watch = quiet,
) -> Json:  # fmt: skip
    """The units of a layer: statistics, the training images that activate them most, and images that maximize the activation.

    Args:
        run: a run by name or folder, a model's folder, or `NET@WEIGHTS`.
        layer: any layer of the network.
        unit_indices: of the units that are drawn; else the twelve most selective for classes.
        data: images to measure on; None for those of the run: the validation images for statistics, the training images for
            those that activate a unit most.
        out: the folder for the figures; else `striate-inspect-RUN`.
        watch: called with progress.

    Returns:
        run, net, layer, readout_layer, images_from, units, statistics, strongest (with each image's path), strongest_from,
        maximized, reason (why none could be maximized, else None) and files.

    """
    folder = output_folder(run, out)
    check_inspection(run, out=folder, data=data)
    model = load_network(run, watch=watch)
    activations.layer_names(model.net, [layer])
    readout = next((probe.readout for probe in probes(model.net) if probe.layer == layer), layer)  # after its ReLU
    _refuse_units(model, readout, unit_indices)
    settings, part = images_of(run, data)
    if settings is None:
        raise SettingError(f"expected images that units can answer to, and {run} has none of its own; give --data.")
    with catch_signals() as stop, open_run(settings, model, stop, watch) as model_on_data:
        dataset, what = model_on_data.dataset, "looking at the images"
        rows_M = rows_of(dataset, part)
        num_classes = len(model.classes) if dataset.examples.classes == model.classes else None
        statistics = activations.statistics(model.net, model_on_data.batches(rows_M, what), [readout], num_classes)
        chosen = _choose(statistics[readout], unit_indices)
        seen_M, seen_part = (dataset.parts.train_M, "training") if part == "validation" else (rows_M, part)
        strongest = top_activations.strongest(model.net, model_on_data.batches(seen_M, what), [readout], _IMAGES)
        source = f"{len(seen_M):,} {seen_part} images"
        title = f"What excites {readout} of {Path(run).name} most, of {source}"
        files = [_draw_strongest(title, chosen, strongest[readout], dataset, folder / f"exciting-{readout}.png")]
        names = dict(zip(dataset.examples.ids_N.tolist(), dataset.examples.names, strict=True))
    best, reason = None, None
    try:
        best = activation_maximization.maximize(model.net, layer, chosen, watch=watch)
        title, path = f"Images that maximize units of {layer} of {Path(run).name}", folder / f"maximized-{layer}.png"
        files.append(_draw_maximized(title, model, best, path))
    except UnsupportedError as error:
        reason = str(error)
    rows, excited = activations.as_json(statistics), top_activations.as_json(strongest)
    for image in (image for unit in excited[0]["units"] for image in unit):
        image["path"] = names[image["id"]]
    for unit in rows[0]["units"]:
        if unit.get("preferred") is not None:
            unit["preferred"] = model.classes[int(unit["preferred"])]
    return {
        "run": str(run), "net": model.net_name, "layer": layer, "readout_layer": readout,
        "images_from": f"{len(rows_M)} {part} images of {settings.data.path}", "units": chosen,
        "statistics": rows, "strongest": excited, "strongest_from": f"{source} of {settings.data.path}",
        "maximized": [] if best is None else _maximized_json(best), "reason": reason, "files": files,
    }  # fmt: skip


def _refuse_units(model: Model, layer: str, numbers: Sequence[int]) -> None:
    """Refuse numbers of units that a layer does not have."""
    if not numbers:
        return
    like = next(chain(model.net.parameters(), model.net.buffers()))
    with torch.inference_mode(), taps(model.net, layer) as outputs:
        model.net(torch.zeros(1, *model.net.input_chw, dtype=like.dtype, device=like.device))
    units = outputs[layer].shape[1]
    for number in numbers:
        if not 0 <= number < units:
            raise SettingError(f"expected units from 0 to {units - 1} of {layer}; got {number}.")


def _choose(statistics: Statistics, numbers: Sequence[int]) -> list[int]:
    """The units with these numbers; of none, the most selective ones."""
    if numbers:
        return list(numbers)
    by_U = statistics.std_U if statistics.selectivity_U is None else statistics.selectivity_U
    order_U = np.argsort(-np.nan_to_num(by_U, nan=-1.0), kind="stable")
    active_U = order_U[statistics.zeros_U[order_U] < filter_health.NEARLY]  # a nearly dead unit is selective by chance
    return [int(u) for u in (active_U if len(active_U) else order_U)[:_SHOWN]]


def _draw_strongest(title: str, chosen: Sequence[int], strongest: Strongest, dataset: Dataset, path: Path) -> str:
    from striate.plots.interpret import top_activations as drawing

    examples, pixels = dataset.examples, dataset.stored.pixels_NHWC
    order = np.argsort(examples.ids_N)
    rows = []
    for u in chosen:
        count = max(1, int((strongest.values_Uk[u] > 0).sum()))  # what does not excite it is not shown
        rows_k = order[np.searchsorted(examples.ids_N, strongest.ids_Uk[u, :count], sorter=order)]
        names = tuple(examples.label_of(row) for row in rows_k.tolist())
        boxes_k4, values_k = strongest.boxes_Uk4[u, :count], strongest.values_Uk[u, :count].tolist()
        rows.append(drawing.Row(f"unit {u}", pixels[rows_k] / 255, boxes_k4, values_k, names))
    drawing.draw(title, rows, path)
    return str(path)


def _draw_maximized(title: str, model: Model, best: MaximizedImages, path: Path) -> str:
    from striate.plots.mosaic import Tile, draw_images

    steps = [
        "no gradient" if stuck else f"{start:.2g} to {end:.2g}"
        for start, end, stuck in zip(best.start_U.tolist(), best.end_U.tolist(), best.stuck_U.tolist(), strict=True)
    ]
    images = zip(best.units, steps, _images(model, best.images_UCHW), strict=True)
    note = "Gradient ascent with Yosinski's third choice of regularizers; below each, its activation at the start and the end."
    draw_images(title, note, [Tile(image_HWC, f"unit {unit}\n{step}") for unit, step, image_HWC in images], path)
    return str(path)


def _maximized_json(best: MaximizedImages) -> list[Json]:
    names = ("unit", "before", "after", "stuck")
    columns = (best.units, best.start_U.tolist(), best.end_U.tolist(), map(bool, best.stuck_U.tolist()))
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _images(model: Model, images_UCHW: torch.Tensor) -> NDArray[np.float64]:
    """The preprocessed images in [0, 1], U x H x W x C, each moved and stretched so that all of it can be seen."""
    levels_UCHW = model.preprocess.to(images_UCHW.device).back(images_UCHW)
    pixels = levels_UCHW.permute(0, 2, 3, 1).double().cpu().numpy()
    low_U, high_U = (np.quantile(pixels, q, axis=(1, 2, 3), keepdims=True) for q in (0.005, 0.995))
    return np.asarray(np.clip((pixels - low_U) / np.maximum(high_U - low_U, 1e-12), 0, 1))
