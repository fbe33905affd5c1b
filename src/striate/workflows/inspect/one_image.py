"""`striate inspect RUN IMAGES`: the maps of every layer for an image, and the evidence in it for the prediction.

Legend: C channels, H x W pixels.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from striate.base import errors
from striate.base.errors import DataError, SettingError
from striate.base.events import Json, Watch, quiet
from striate.base.signals import Stop, catch_signals
from striate.interpret import activations, attribution, nearest_images
from striate.interpret.attribution import Explanation
from striate.interpret.attribution.methods import run_of
from striate.model import Model
from striate.workflows.dataset import Dataset
from striate.workflows.inspect.filter_health import output_folder
from striate.workflows.inspect.model_on_data import bank, nearest
from striate.workflows.load_model import load
from striate.workflows.open_run import images_of, open_run

log = logging.getLogger("striate")

NEAR = 5


def inspect_image(
    run: str,
    images: Iterable[str | Path],
    *,
    layers: Sequence[str] = (),
    methods: Sequence[str] = (),
    target: str | None = None,
    out: str | Path | None = None,
    watch: Watch = quiet,
) -> Json:
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
            results.append(_one(run, model, image, names, methods or tuple(attribution.METHODS), target, folder))
            watch({"event": "inspect", "done": number + 1, "total": len(paths)})
            stop.check("looking at the images")
        _add_neighbors(run, model, paths, results, stop, watch)
    return {"run": run, "net": model.net_name, "images": results, "files": [path for one in results for path in one["files"]]}


class _Given(NamedTuple):
    """A batch, as far as a network sees it."""

    images_NCHW: Tensor


def _add_neighbors(run: str, model: Model, images: Sequence[Path], results: Sequence[Json], stop: Stop, watch: Watch) -> None:
    """Say of each image which training images look most like it; nothing for a model without training images."""
    settings, _ = images_of(run, None)
    if settings is None:
        return
    try:
        with open_run(settings, model, stop, watch) as model_on_data:
            dataset, train_bank = model_on_data.dataset, bank(model_on_data)
            asked_MD = nearest_images.penultimate(model.net, [_Given(model.images(images))])
            near = nearest(train_bank, asked_MD, np.array([_row(dataset, image) for image in images]), NEAR)
            for at, (image, one) in enumerate(zip(images, results, strict=True)):
                rows_k = train_bank.rows_B[near.rows_Qk[at]]
                _draw_neighbors(run, model, image, one, dataset, rows_k, near.cosine_Qk[at])
    except (DataError, SettingError) as error:
        log.warning("The training images cannot be read, so none are shown that look like it: %s", error)


def _row(dataset: Dataset, image: Path) -> int:
    """Where an image is among those of the run; -1 for one of elsewhere."""
    examples = dataset.examples
    try:
        return examples.names.index(image.resolve().relative_to(examples.root.resolve()).as_posix())
    except ValueError:
        return -1


def _draw_neighbors(
    run: str, model: Model, image: Path, one: Json, dataset: Dataset, rows_k: NDArray[np.int64],
    cosine_k: NDArray[np.float32],
) -> None:  # fmt: skip
    from striate.plots.mosaic import Tile, draw_images

    examples, pixels = dataset.examples, dataset.stored.pixels_NHWC[rows_k] / 255
    one["neighbors"] = [
        {"path": examples.names[row], "class": examples.classes[examples.labels_N[row]], "cosine_similarity": float(cosine)}
        for row, cosine in zip(rows_k.tolist(), cosine_k, strict=True)
    ]
    tiles = [Tile(model.pixels([image])[0] / 255, f"the image\n{one['label']}")]
    tiles += [
        Tile(image_HWC, f"{near['class']}\n{near['cosine_similarity']:.2f}")
        for image_HWC, near in zip(pixels, one["neighbors"], strict=True)
    ]
    path = Path(one["files"][0]).with_name("near.png") if one["files"] else Path("near.png")
    note = "The training images that look most like it, with their label and the cosine of the angle between their features."
    draw_images(f"What looks like {image.name} to {Path(run).name}", note, tiles, path)
    one["files"].append(str(path))


def _one(
    run: str, model: Model, image: Path, layers: Sequence[str], methods: Sequence[str], target: str | None, folder: Path
) -> Json:
    from striate.plots.interpret import feature_maps, heatmap

    pixels_HWC = model.pixels([image])[0]
    answer = model.predict([image])[0]
    wanted = answer.label if target is None else target
    maps = activations.maps(model.net, model.images([image]), layers)
    files = []
    for number, name in enumerate(layers):
        path = folder / f"{number + 1:02d}-{name}.png"
        title = f"{name} of {Path(run).name} for {image.name}"
        feature_maps.draw_maps(title, name, maps[name][0].cpu().numpy(), pixels_HWC / 255, path)
        files.append(str(path))
    why = attribution.explain_all(model, image, methods, target=wanted)
    panels = [
        heatmap.Panel(name, explanation.layer, explanation.heat_NHW[0].cpu().numpy(), *_figures(explanation))
        for name, explanation in why.explanations.items()
    ]
    if panels:
        path = folder / "why.png"
        share = dict(answer.top).get(wanted)
        sure = "" if share is None else f", {share:.1%}"
        heatmap.draw(f"Why {wanted}{sure}? {Path(run).name} on {image.name}", pixels_HWC, panels, path)
        files.append(str(path))
    return {
        "path": str(image), "label": answer.label, "probability": answer.probability,
        "top": [list(one) for one in answer.top], "target": wanted,
        "methods": [_told(explanation) for explanation in why.explanations.values()], "refused": why.refused,
        "layers": [_measured(name, maps[name]) for name in layers], "neighbors": [], "files": files,
    }  # fmt: skip


def _figures(explanation: Explanation) -> tuple[float, float, bool, str]:
    (test,) = explanation.faithfulness
    return test.gain, test.p_value, test.faithful, test.reason


def _told(explanation: Explanation) -> Json:
    (test,) = explanation.faithfulness
    error = explanation.completeness_error[0] if explanation.completeness_error else None
    numbers = {name: value for name, value in test._asdict().items() if not name.endswith("curve_S")}
    curves = {name[:-2]: list(map(float, value)) for name, value in test._asdict().items() if name.endswith("curve_S")}
    return {"method": explanation.method, "layer": explanation.layer, **numbers, **curves, "completeness_error": error}


def _measured(name: str, maps: Any) -> Json:
    values = maps[0].float()
    return {
        "name": name, "shape": list(values.shape), "mean": float(values.mean()), "max": float(values.max()),
        "zeros": float((values == 0).float().mean()),
    }  # fmt: skip
