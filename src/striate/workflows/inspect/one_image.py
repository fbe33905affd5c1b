"""`striate inspect RUN IMAGES`: the maps of every layer for an image, and the evidence in it for the prediction.

Legend: C channels, H x W pixels.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from striate.base import errors
from striate.base.arguments import named_arguments
from striate.base.errors import DataError, SettingError
from striate.base.events import Json, Watch, quiet
from striate.base.signals import Stop, catch_signals
from striate.interpret import activations, attribution, nearest_images
from striate.interpret.attribution import Explanation
from striate.interpret.attribution.methods import run_of
from striate.model import Model
from striate.workflows.dataset import Dataset
from striate.workflows.inspect.filter_health import output_folder
from striate.workflows.inspect.model_on_data import bank, nearest, neighbors
from striate.workflows.load_model import load
from striate.workflows.open_run import images_of, open_run

log = logging.getLogger("striate")

NEAR = 5


@named_arguments()
def inspect_image(
    run: str, images: Iterable[str | Path], *, layers: Sequence[str] = (), methods: Sequence[str] = (),
    target: str | None = None, out: str | Path | None = None, watch: Watch = quiet,
) -> Json:  # fmt: skip
    """The maps of every layer for an image, and the evidence in it for the prediction (`striate.interpret.attribution`).

    Args:
        run: a run by name or folder, a model's folder, or `NET@WEIGHTS`.
        images: paths.
        layers: whose maps are drawn; else every layer of the network.
        methods: of `striate.interpret.attribution.METHODS`; else all.
        target: the class that is explained; else the prediction.
        out: the folder for the figures, of several images one folder each in it; else `striate-inspect-RUN`.
        watch: called with progress.

    Returns:
        run, net, images [{path, label, probability, top, target, methods, refused, layers, neighbors, files}] and files.

    """
    model, paths = load(run), [Path(path) for path in images]
    folder_for_all = output_folder(run, out)
    if not paths:
        raise SettingError("expected at least one image to look at; got none.")
    if target is not None and target not in model.classes:
        raise SettingError(f"There is no class {target!r}; {errors.nearest(target, model.classes)}")
    for method in methods:
        run_of(method)
    names = activations.layer_names(model.net, layers or None)
    results = []
    with catch_signals() as stop:
        for number, image in enumerate(paths):
            folder = folder_for_all if len(paths) == 1 else folder_for_all / f"{number + 1}-{image.stem}"
            results.append(_inspect(run, model, image, names, methods or tuple(attribution.METHODS), target, folder))
            watch({"event": "inspect", "done": number + 1, "total": len(paths)})
            stop.check("looking at the images")
        _add_neighbors(run, model, paths, results, stop, watch)
    files = [path for result in results for path in result["files"]]
    return {"run": run, "net": model.net_name, "images": results, "files": files}


class _Images(NamedTuple):
    """A batch, as far as a network sees it."""

    images_NCHW: Tensor


def _add_neighbors(run: str, model: Model, images: Sequence[Path], results: Sequence[Json], stop: Stop, watch: Watch) -> None:
    """Add to each result the training images that look most like its image; nothing for a model without training images."""
    settings, _ = images_of(run, None)
    if settings is None:
        return
    try:
        with open_run(settings, model, stop, watch) as model_on_data:
            dataset, train_bank = model_on_data.dataset, bank(model_on_data)
            features_MD = nearest_images.penultimate(model.net, [_Images(model.images(images))])
            near = nearest(train_bank, features_MD, np.array([_row(dataset, image) for image in images]), NEAR)
            for m, result in enumerate(results):
                rows_k = train_bank.rows_B[near.rows_Qk[m]]
                result["neighbors"] = neighbors(dataset, rows_k, near.cosine_Qk[m])
                _draw_neighbors(run, model, images[m], result, dataset.stored.pixels_NHWC[rows_k] / 255)
    except (DataError, SettingError) as error:
        log.warning("The training images cannot be read, so none are shown that look like it: %s", error)


def _row(dataset: Dataset, image: Path) -> int:
    """Where an image is among those of the run; -1 for one of elsewhere."""
    examples = dataset.examples
    try:
        return examples.names.index(image.resolve().relative_to(examples.root.resolve()).as_posix())
    except ValueError:
        return -1


def _draw_neighbors(run: str, model: Model, image: Path, result: Json, pixels_kHWC: NDArray[np.float64]) -> None:
    from striate.plots.mosaic import Tile, draw_images

    tiles = [Tile(model.pixels([image])[0] / 255, f"the image\n{result['label']}")]
    tiles += [
        Tile(image_HWC, f"{near['class']}\n{near['cosine_similarity']:.2f}")
        for image_HWC, near in zip(pixels_kHWC, result["neighbors"], strict=True)
    ]
    path = Path(result["files"][0]).with_name("near.png") if result["files"] else Path("near.png")
    note = "The training images that look most like it, with their label and the cosine of the angle between their features."
    draw_images(f"What looks like {image.name} to {Path(run).name}", note, tiles, path)
    result["files"].append(str(path))


def _inspect(
    run: str, model: Model, image: Path, layers: Sequence[str], methods: Sequence[str], target: str | None, folder: Path
) -> Json:
    """The maps and the evidence of one image, drawn, for JSON."""
    from striate.plots.interpret import feature_maps, heatmap

    pixels_HWC = model.pixels([image])[0]
    prediction = model.predict([image])[0]
    target = prediction.label if target is None else target
    maps = activations.maps(model.net, model.images([image]), layers)
    files = []
    for number, name in enumerate(layers):
        path = folder / f"{number + 1:02d}-{name}.png"
        title = f"{name} of {Path(run).name} for {image.name}"
        feature_maps.draw_maps(title, name, maps[name][0].cpu().numpy(), pixels_HWC / 255, path)
        files.append(str(path))
    evidence = attribution.explain_all(model, image, methods, target=target)
    panels = [
        heatmap.Panel(
            name, explanation.layer, explanation.heat_NHW[0].cpu().numpy(), test.gain, test.p_value, test.faithful, test.reason
        )
        for name, explanation in evidence.explanations.items()
        for test in explanation.faithfulness
    ]
    if panels:
        path = folder / "why.png"
        probability = dict(prediction.top).get(target)
        percent = "" if probability is None else f", {probability:.1%}"
        heatmap.draw(f"Why {target}{percent}? {Path(run).name} on {image.name}", pixels_HWC, panels, path)
        files.append(str(path))
    return {
        "path": str(image), "label": prediction.label, "probability": prediction.probability,
        "top": [list(row) for row in prediction.top], "target": target,
        "methods": [_as_json(explanation) for explanation in evidence.explanations.values()], "refused": evidence.refused,
        "layers": [_statistics(name, maps[name]) for name in layers], "neighbors": [], "files": files,
    }  # fmt: skip


def _as_json(explanation: Explanation) -> Json:
    (test,) = explanation.faithfulness
    error = explanation.completeness_error[0] if explanation.completeness_error else None
    numbers = {name: value for name, value in test._asdict().items() if not name.endswith("curve_S")}
    curves = {name[:-2]: list(map(float, value)) for name, value in test._asdict().items() if name.endswith("curve_S")}
    return {"method": explanation.method, "layer": explanation.layer, **numbers, **curves, "completeness_error": error}


def _statistics(name: str, maps: Tensor) -> Json:
    values = maps[0].float()
    return {
        "name": name, "shape": list(values.shape), "mean": float(values.mean()), "max": float(values.max()),
        "zeros": float((values == 0).float().mean()),
    }  # fmt: skip
