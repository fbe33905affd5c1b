"""`striate inspect RUN IMAGES`: the maps of every layer for an image, and the evidence in it for the prediction.

Legend: C channels, H x W pixels.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from striate.base import errors
from striate.base.arguments import named_arguments
from striate.base.errors import DataError, SettingError
from striate.base.events import Json, Watch, progress, quiet
from striate.base.signals import Stop, catch_signals
from striate.data import image_inputs
from striate.data.image_inputs import ImageInput
from striate.interpret import activations, attribution, nearest_images
from striate.interpret.attribution import Explanation
from striate.interpret.attribution.methods import run_of
from striate.interpret.faithfulness import Faithfulness
from striate.metrics.confidence import Prediction
from striate.metrics.multi_label import LabelSet
from striate.model import Model
from striate.workflows.checks import check_inspection
from striate.workflows.dataset import Dataset
from striate.workflows.inspect.filter_health import output_folder
from striate.workflows.inspect.model_on_data import Neighbor, bank, nearest, neighbors
from striate.workflows.load_model import load_network
from striate.workflows.open_run import images_of, open_run

log = logging.getLogger("striate")

NEAR = 5
MOST_LABELS = 5  # of several labels an image that are explained
NONE = "(none)"  # of several labels an image


@named_arguments()
def inspect_image(
    run: str | Path, images: Any, *, layers: Sequence[str] = (), methods: Sequence[str] = (),
    target: str | None = None, out: str | Path | None = None, watch: Watch = quiet,
) -> Json:  # fmt: skip
    """The maps of every layer for an image, and the evidence in it for the prediction (`striate.interpret.attribution`).

    Args:
        run: a run by name or folder, a model's folder, or `NET@WEIGHTS`.
        images: paths, folders and globs; in Python also images in memory, one or several, as `Model.predict` takes them.
        layers: whose maps are drawn; else every layer of the network.
        methods: of `striate.interpret.attribution.METHODS`; else all.
        target: the class that is explained; else the prediction, of several labels an image each of those predicted, up to 5,
            and where none is, the most probable one.
        out: the folder for the figures, of several images one folder each in it; else `striate-inspect-RUN`.
        watch: called with progress.

    Returns:
        run, net, images [{path, label, probability, top, target, methods, refused, layers, neighbors, files}] and files.
        Of several labels an image: labels and probabilities in place of label, probability and top, and targets [{target,
        probability, methods, refused}].

    """
    given, title, folder_for_all = [*image_inputs.read(images).images], Path(run).name, output_folder(run, out)
    if not given:
        raise SettingError("expected at least one image to look at; got none.")
    for method in methods:
        run_of(method)
    check_inspection(run, out=folder_for_all)
    model = load_network(run, watch=watch)
    if target is not None and target not in model.classes:
        raise SettingError(f"There is no class {target!r}; {errors.nearest(target, model.classes)}")
    names = activations.layer_names(model.net, layers or None)
    results = []
    with catch_signals() as stop:
        report = progress(watch, "inspect", lambda: stop.check("looking at the images"))
        request = _Request(title, names, methods or tuple(attribution.METHODS), target, watch)
        for number, image in enumerate(given):
            folder = folder_for_all if len(given) == 1 else folder_for_all / f"{number + 1}-{Path(image.name).stem}"
            results.append(_inspect(model, image, request, folder))
            report(number + 1, len(given))
        results = _with_neighbors(run, model, results, stop, watch)
    files = [path for result in results for path in result.files]
    return {"run": str(run), "net": model.net_name, "images": [result.as_json() for result in results], "files": files}


class Evidence(NamedTuple):
    """What a method of attribution found, but for its map."""

    method: str
    layer: str | None
    test: Faithfulness
    completeness_error: float | None

    def as_json(self) -> Json:
        """With the numbers of the test, curves by their names without the axis."""
        numbers = {name: value for name, value in self.test._asdict().items() if not name.endswith("curve_S")}
        curves = {name[:-2]: [*map(float, value)] for name, value in self.test._asdict().items() if name.endswith("curve_S")}
        error = self.completeness_error
        return {"method": self.method, "layer": self.layer, **numbers, **curves, "completeness_error": error}


class LayerStatistics(NamedTuple):
    """The maps of a layer for one image."""

    name: str
    shape: list[int]
    mean: float
    max: float
    zeros: float  # share of them


class Explained(NamedTuple):
    """A class, or a label, and the evidence for it."""

    target: str
    probability: float | None  # None where it is not among the most probable classes
    evidence: tuple[Evidence, ...]
    refused: dict[str, str]  # why a method cannot be used
    files: tuple[str, ...]  # the figure

    def as_json(self) -> Json:
        """An entry of `targets`."""
        methods = [each.as_json() for each in self.evidence]
        return {"target": self.target, "probability": self.probability, "methods": methods, "refused": self.refused}


@dataclass(frozen=True)
class InspectedImage:
    """What a network makes of one image."""

    path: Path
    pixels_HWC: NDArray[np.uint8]  # at the network's size
    prediction: Prediction | LabelSet
    explained: tuple[Explained, ...]  # one class, or labels
    layers: tuple[LayerStatistics, ...]
    files: tuple[str, ...]  # the figures
    neighbors: tuple[Neighbor, ...] = ()

    def as_json(self) -> Json:
        """An entry of `images`."""
        explained = [each.as_json() for each in self.explained]
        if isinstance(self.prediction, LabelSet):
            predicted: Json = {
                "labels": list(self.prediction.labels), "probabilities": dict(self.prediction.probabilities),
                "targets": explained,
            }  # fmt: skip
        else:
            predicted = {
                "label": self.prediction.label, "probability": self.prediction.probability,
                "top": [list(row) for row in self.prediction.top],
                **{name: explained[0][name] for name in ("target", "methods", "refused")},
            }  # fmt: skip
        return {
            "path": str(self.path), **predicted, "layers": [layer._asdict() for layer in self.layers],
            "neighbors": [neighbor.as_json() for neighbor in self.neighbors], "files": list(self.files),
        }  # fmt: skip


class _Images(NamedTuple):
    """A batch, as far as a network sees it."""

    images_NCHW: Tensor


def _with_neighbors(
    run: str | Path, model: Model, results: list[InspectedImage], stop: Stop, watch: Watch
) -> list[InspectedImage]:
    """Each with the training images that look most like it; without them for a model that has no training images."""
    settings, _ = images_of(run, None)
    if settings is None:
        return results
    with_neighbors = list[InspectedImage]()
    try:
        with open_run(settings, model, stop, watch) as model_on_data:
            dataset, train_bank = model_on_data.dataset, bank(model_on_data)
            features_MD = nearest_images.penultimate(
                model.net, (_Images(model.images(result.pixels_HWC[None])) for result in results)
            )
            near = nearest(train_bank, features_MD, np.array([_row(dataset, result.path) for result in results]), NEAR)
            for m, result in enumerate(results):
                rows_k = train_bank.rows_B[near.rows_Qk[m]]
                result = replace(result, neighbors=neighbors(dataset, rows_k, near.cosine_Qk[m]))
                figure = _draw_neighbors(Path(run).name, result, dataset.stored.pixels_NHWC[rows_k] / 255)
                with_neighbors.append(replace(result, files=(*result.files, figure)))
    except (DataError, SettingError) as error:
        log.warning("The training images cannot be read, so none are shown that look like it: %s", error)
    return [*with_neighbors, *results[len(with_neighbors) :]]


def _row(dataset: Dataset, image: Path) -> int:
    """Where an image is among those of the run; -1 for one of elsewhere."""
    examples = dataset.examples
    try:
        return examples.names.index(image.resolve().relative_to(examples.root.resolve()).as_posix())
    except ValueError:
        return -1


def _draw_neighbors(title: str, result: InspectedImage, pixels_kHWC: NDArray[np.float64]) -> str:
    from striate.plots.mosaic import Tile, draw_images

    prediction = result.prediction
    label = ("|".join(prediction.labels) or NONE) if isinstance(prediction, LabelSet) else prediction.label
    tiles = [Tile(result.pixels_HWC / 255, f"the image\n{label}")]
    tiles += [
        Tile(image_HWC, f"{near.label or NONE}\n{near.cosine_similarity:.2f}")
        for image_HWC, near in zip(pixels_kHWC, result.neighbors, strict=True)
    ]
    path = Path(result.files[0]).with_name("near.png") if result.files else Path("near.png")
    note = "The training images that look most like it, with their label and the cosine of the angle between their features."
    draw_images(f"What looks like {result.path.name} to {title}", note, tiles, path)
    return str(path)


class _Request(NamedTuple):
    """What is to be shown of each image."""

    title: str
    layers: Sequence[str]
    methods: Sequence[str]
    target: str | None
    watch: Watch


def _inspect(model: Model, given: ImageInput, request: _Request, folder: Path) -> InspectedImage:
    """The maps and the evidence of one image, drawn."""
    title, layers, _, target, watch = request
    image, pixels_HWC = Path(given.name), model.pixels([given.source])[0]
    prediction, images_1CHW = model.predict([given.source])[0], model.images([given.source])
    maps = activations.maps(model.net, images_1CHW, layers)
    files, report = [], progress(watch, "draw")
    for number, name in enumerate(layers):
        files.append(_draw_maps(title, image, pixels_HWC, maps[name], folder / f"{number + 1:02d}-{name}.png", name))
        report(number + 1, len(layers))
    statistics = tuple(_statistics(name, maps.pop(name)[0].float()) for name in layers)
    seen, explained = _Seen(image, pixels_HWC, images_1CHW), list[Explained]()
    for number, (name, probability) in enumerate(_targets(prediction, target)):
        plain = re.sub(r"[^\w.-]+", "_", name)[:40]
        figure = folder / (f"why-{number + 1}-{plain}.png" if isinstance(prediction, LabelSet) else "why.png")
        explained.append(_explain(model, seen, request, (name, probability), figure))
        files += explained[-1].files
    return InspectedImage(image, pixels_HWC, prediction, tuple(explained), statistics, tuple(files))


def _targets(prediction: Prediction | LabelSet, target: str | None) -> list[tuple[str, float | None]]:
    """The classes to explain, with their probabilities."""
    if not isinstance(prediction, LabelSet):
        target = prediction.label if target is None else target
        return [(target, dict(prediction.top).get(target))]
    shares = prediction.probabilities
    names = prediction.labels[:MOST_LABELS] if target is None else (target,)
    return [(name, shares[name]) for name in names or (max(shares, key=lambda name: shares[name]),)]


class _Seen(NamedTuple):
    """An image as it is drawn and as the network takes it."""

    path: Path
    pixels_HWC: NDArray[np.uint8]
    images_1CHW: Tensor


def _explain(model: Model, seen: _Seen, request: _Request, target: tuple[str, float | None], path: Path) -> Explained:
    """The evidence for a class, drawn."""
    name, probability = target
    explanations, refused = attribution.explain_all(
        model, seen.images_1CHW, request.methods, target=name, watch=request.watch
    )  # fmt: skip
    files = tuple[str, ...]()
    if any(explanation.faithfulness for explanation in explanations.values()):
        percent = "" if probability is None else f", {probability:.1%}"
        heading = f"Why {name}{percent}? {request.title} on {seen.path.name}"
        files = (_draw_evidence(heading, seen.pixels_HWC, explanations, path),)
    evidence = tuple(_without_map(explanation) for explanation in explanations.values())
    return Explained(name, probability, evidence, refused, files)


def _draw_maps(title: str, image: Path, pixels_HWC: NDArray[np.uint8], maps: Tensor, path: Path, layer: str) -> str:
    from striate.plots.interpret import feature_maps

    feature_maps.draw_maps(f"{layer} of {title} for {image.name}", layer, maps[0].cpu().numpy(), pixels_HWC / 255, path)
    return str(path)


def _draw_evidence(title: str, pixels_HWC: NDArray[np.uint8], explanations: Mapping[str, Explanation], path: Path) -> str:
    from striate.plots.interpret import heatmap

    panels = [
        heatmap.Panel(
            name, explanation.layer, explanation.heat_NHW[0].cpu().numpy(), test.gain, test.p_value, test.faithful, test.reason
        )
        for name, explanation in explanations.items()
        for test in explanation.faithfulness
    ]
    heatmap.draw(title, pixels_HWC, panels, path)
    return str(path)


def _without_map(explanation: Explanation) -> Evidence:
    (test,) = explanation.faithfulness
    error = explanation.completeness_error[0] if explanation.completeness_error else None
    return Evidence(explanation.method, explanation.layer, test, error)


def _statistics(name: str, maps: Tensor) -> LayerStatistics:
    zeros = float((maps == 0).float().mean())
    return LayerStatistics(name, list(maps.shape), float(maps.mean()), float(maps.max()), zeros)
