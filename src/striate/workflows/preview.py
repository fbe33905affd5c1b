"""`striate data DATA --preview`: what happens to images before a network sees them, as a figure and in numbers.

Legend: M images of the training part, N that are shown, D numbers of an image.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from striate.base import config, worker_pool
from striate.base.arguments import named_arguments
from striate.base.errors import SettingError
from striate.base.events import Json, Watch, quiet
from striate.base.hash_rng import permute
from striate.base.signals import catch_signals
from striate.batches import augment, preprocess
from striate.batches.neighbor_pixel_scatter import clouds
from striate.batches.preprocess import Preprocess
from striate.batches.whitening import MOST_EXACT
from striate.data import in_memory
from striate.plots.data import preprocessing
from striate.plots.data.preprocessing import Row
from striate.workflows.dataset import Dataset, gather
from striate.workflows.train import check, defaults, mirroring

log = logging.getLogger("striate")

_SHOWN = 8
_VERSIONS = 7
_SPREAD = 3.0  # deviations from the middle to black and white
_COMPONENTS = 256
_COLORS = ("red", "green", "blue")


@named_arguments()
def preview(
    data: str | Path | Any, what: str, path: str | Path | None = None, recipe: str | Path | None = None,
    settings: Mapping[str, Any] | None = None, watch: Watch = quiet, *, labels: Any = None,
) -> Json:  # fmt: skip
    """Draw what a step of preparation does to the training images of DATA.

    Args:
        data: as for `survey`.
        what: mean, std or whitening, as scatter plots of two pixels and images before and after; augment, as rows of images.
        path: .svg, .png or .pdf; else `striate-preview-WHAT.png` in the current folder.
        recipe: settings to begin with, as for `train`.
        settings: nested settings of a run, as in `{"augment": {"rotate": 15}}`; missing ones are chosen as for `train`.
        watch: called with every event.
        labels: one for each image, where they are not in `data`.

    Raises:
        SettingError: there is no such step, or it is switched off.

    """
    figure_path = Path(f"striate-preview-{what}.png" if path is None else path)
    tree = config.settings_from_args(in_memory.stored(data, labels, watch=watch), settings, recipe=recipe)
    checked = check.check_preview(tree, what, figure_path)
    if what != "augment":
        _one_step(what, checked.run.preprocess, 0)
    run, _ = defaults.resolve(checked.run, checked.examples, watch)
    if what == "augment" and run.augment.flip is not None:  # else the images decide
        _refuse_unchanged(run)
    with catch_signals() as stop:
        dataset = gather(checked.examples, run, stop, watch, worker_pool.workers(run.engine.workers))
    if what == "augment":
        run, dataset = mirroring.choose(run, dataset)
    facts = _augment(run, dataset, figure_path) if what == "augment" else _draw_step(what, run, dataset, figure_path)
    return {"preview": what, "drawn": str(figure_path), **facts}


def _draw_step(what: str, run: config.Run, dataset: Dataset, path: Path) -> Json:
    pixels_NHWC, rows_M = dataset.stored.pixels_NHWC, dataset.parts.train_M
    step = _one_step(what, run.preprocess, int(np.prod(pixels_NHWC.shape[1:])))
    numbers = preprocess.fit(pixels_NHWC, rows_M, step)
    rebuild = partial(_rebuilt, numbers) if step.components else None
    pair = clouds(pixels_NHWC, rows_M, what, step.epsilon, run.seed, rebuild)
    shown_N = _spread(dataset, run.seed)
    originals = pixels_NHWC[shown_N]
    images_NCHW = numbers.images(torch.from_numpy(originals))
    rows = [Row("images", (originals / np.float32(255)).astype(np.float32)), *_rows(what, numbers, images_NCHW)]
    channel = "" if pixels_NHWC.shape[3] == 1 else f", {_COLORS[pair.channel]},"
    where = f"the pixels in row {pair.row}, columns {pair.column} and {pair.column + 1}{channel}"
    title = f"{_name(what, step)}, fitted to {len(rows_M):,} training images"
    points = len(pair.clouds[0].points_N2)
    preprocessing.draw_steps(title, f"{where} of {points:,} images", pair.clouds, rows, path)
    result: Json = {
        "images": len(rows_M),
        "pixels": [[pair.row, pair.column + side, pair.channel] for side in (0, 1)],
        "clouds": {cloud.name: {"covariance": cloud.covariance_22.tolist()} for cloud in pair.clouds},
    }
    if numbers.whitening is not None:
        result |= {"dimensions": numbers.whitening.components_KD.shape[1], "components": len(numbers.whitening.variances_K)}
    return result


def _rebuilt(numbers: Preprocess, bytes_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Centered levels from the components that a whitening has."""
    whitening = numbers.whitening
    assert whitening is not None
    channels, height, width = numbers.mean.shape
    levels_NCHW = whitening.back(numbers.images(torch.from_numpy(bytes_NHWC)), (channels, height, width))
    levels_NHWC: NDArray[np.float32] = levels_NCHW.permute(0, 2, 3, 1).numpy()
    return levels_NHWC


def _one_step(what: str, given: config.PreprocessSettings, dimensions: int) -> config.PreprocessSettings:
    """The settings of one step alone: those given where they are of that kind, else its usual ones."""
    tree = config.given(given)
    if what == "whitening":
        if tree["scale"] not in ("pca", "zca"):
            tree = {**{name: tree[name] for name in tree if name not in ("center", "epsilon")}, "scale": "zca"}
        if dimensions > MOST_EXACT and "components" not in tree:
            tree["components"] = _COMPONENTS
            log.info("%d components: %d dimensions are too many for all (preprocess.components)", _COMPONENTS, dimensions)
    elif what == "mean":
        if given.center == "none":
            raise SettingError("preprocess.center=none subtracts nothing, so there is no mean to show. Take pixel or image.")
        tree = {**{name: tree[name] for name in tree if name not in ("components", "epsilon")}, "scale": "none"}
    elif tree["scale"] not in ("std", "std-image"):
        raise SettingError(f"preprocess.scale={tree['scale']} divides by no deviation, so there is none to show. Take std.")
    return config.PreprocessSettings(**tree)


def _name(what: str, step: config.PreprocessSettings) -> str:
    center = f"mean {step.center or 'pixel'}"
    if what == "mean":
        return f"Centering: {center}"
    if what == "std":
        return f"Standardization: {center}, deviation of each {'pixel' if step.scale == 'std-image' else 'channel'}"
    components = "" if step.components is None else f", {step.components} components"
    return f"Whitening: {step.scale.upper()}{components}"


def _rows(what: str, numbers: Preprocess, images_NCHW: torch.Tensor) -> list[Row]:
    """What became of the images, gray being zero."""
    if what != "whitening":
        reach = 1.0 if what == "mean" else _SPREAD
        unit = "of [0, 1]" if what == "mean" else "deviations"
        name = f"{'centered' if what == 'mean' else 'scaled'}: gray is 0, black and white are {reach:g} {unit} away"
        return [Row(name, _shown(images_NCHW, reach))]
    whitening = numbers.whitening
    assert whitening is not None
    channels, height, width = numbers.mean.shape
    back_NCHW = whitening.back(images_NCHW, (channels, height, width))
    turned_NCHW = replace(whitening, kind="zca").forward(back_NCHW)
    reach = _SPREAD * max(1e-6, float(turned_NCHW.std()))
    rows = [
        Row("whitened and turned back: gray is 0, black and white are 3 of their deviations away", _shown(turned_NCHW, reach))
    ]
    count, size = whitening.components_KD.shape
    if count < size:
        levels = (back_NCHW + numbers.mean).clamp(0, 1).permute(0, 2, 3, 1).numpy()
        rows.append(Row(f"the images from {count} of {size:,} components", levels))
    first_NCHW = whitening.components_KD[:_SHOWN].view(-1, channels, height, width)
    share = (whitening.variances_K[: len(first_NCHW)].sum() / whitening.variances_K.sum().clamp(min=1e-12)).item()
    largest = max(1e-6, float(first_NCHW.abs().max()))
    rows.append(
        Row(f"the first {len(first_NCHW)} components, {share:.0%} of the variance of those kept", _shown(first_NCHW, largest))
    )
    return rows


def _shown(images_NCHW: torch.Tensor, reach: float) -> NDArray[np.float32]:
    shown: NDArray[np.float32] = (0.5 + 0.5 * images_NCHW / reach).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    return shown


def _spread(dataset: Dataset, seed: int, most: int = _SHOWN) -> NDArray[np.int64]:
    """Training images to show, in a fixed order: of every class one, as far as they go, then the next of each."""
    rows_M = dataset.parts.train_M
    mixed_M = rows_M[permute(np.arange(len(rows_M)), len(rows_M), seed, "shown")]
    labels_M = dataset.examples.labels_N[mixed_M]
    turns_M = np.zeros(len(mixed_M), np.int64)
    for label in np.unique(labels_M):
        own = labels_M == label
        turns_M[own] = np.arange(own.sum())
    return mixed_M[np.lexsort((labels_M, turns_M))][:most]


def _refuse_unchanged(run: config.Run) -> None:
    if not augment.is_on(run.augment):
        raise SettingError(
            "nothing is changed in training: expected settings of [augment], as in --set augment.rotate=15, or a --recipe "
            "that has some."
        )


def _augment(run: config.Run, dataset: Dataset, path: Path) -> Json:
    pixels_NHWC = dataset.stored.pixels_NHWC
    _refuse_unchanged(run)
    changes = augment.fit(run.augment, pixels_NHWC, dataset.parts.train_M, run.seed)
    channels = pixels_NHWC.shape[3]
    plain = Preprocess(torch.zeros(channels, 1, 1), torch.ones(channels, 1, 1))
    shown_N = _spread(dataset, run.seed)
    loader = dataset.loader(shown_N, plain, len(shown_N), augmentation=changes)
    originals = (pixels_NHWC[shown_N] / np.float32(255)).astype(np.float32)
    versions = [next(iter(loader.epoch(epoch))).images_NCHW.permute(0, 2, 3, 1).numpy() for epoch in range(_VERSIONS)]
    names = [dataset.examples.classes[label] for label in dataset.examples.labels_N[shown_N]]
    rows = [Row(name, np.stack([originals[at], *(version[at] for version in versions)])) for at, name in enumerate(names)]
    on = {name: value for name, value in config.given(run.augment).items() if value and name != "border"}
    title = "Changed at random: " + ", ".join(f"{name} {_plain(value)}" for name, value in on.items())
    columns = ["original", *(f"epoch {epoch + 1}" for epoch in range(_VERSIONS))]
    preprocessing.draw_sheet(title, columns, rows, path)
    return {"augment": on, "images": [dataset.examples.names[row] for row in shown_N]}


def _plain(value: object) -> str:
    return "on" if value is True else f"{value:g}" if isinstance(value, float) else str(value)
