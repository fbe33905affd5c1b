"""`striate inspect RUN`: a verdict on every filter of a model, and its first filters as a figure."""

import logging
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.base import config, run_folder
from striate.base.errors import RunError, SettingError, UnsupportedError
from striate.base.events import Json, Watch, quiet
from striate.base.signals import Stop, catch_signals
from striate.interpret import filter_health
from striate.interpret.readout_points import probes
from striate.model import Model
from striate.training import device as machine
from striate.workflows.dataset import Dataset, again
from striate.workflows.inspect.model_on_data import ModelOnDataset
from striate.workflows.load_model import load

log = logging.getLogger("striate")


def verdicts(run: str, data: str | None = None, draw: str | Path | None = None, watch: Watch = quiet) -> Json:
    """A verdict on every filter of a model: dead, blank, duplicate, nearly dead, noisy or healthy.

    Args:
        run: a run by name or folder, a model's folder, or `NET@WEIGHTS`.
        data: images to judge the filters on; None for the validation images of the run, or for the weights alone where there
            are none.
        draw: a figure of the first layer's filters with their verdicts, as .svg, .png or .pdf.
        watch: called with progress.

    Returns:
        run, net, seen (the images that were used), layers [{name, filters, dead, blank, duplicate, nearly_dead, noisy, healthy,
        noise_ratio, advice, each}] and files.

    """
    from striate.plots import save_figure
    from striate.plots.interpret import first_layer_filters

    model = load(run)
    if draw is not None:
        save_figure.check_ending(Path(draw))
        if not _drawable(model):
            raise UnsupportedError(
                f"--draw shows the kernels of the first convolution, and {model.net_name} does not begin with one over "
                f"{model.input_spec.channels} channels; leave it out."
            )
    settings, part = images_of(run, data)
    with catch_signals() as stop:
        if settings is None:
            log.info("There are no images to look at, so only the weights are judged; give --data for dead filters.")
            layers, seen = filter_health.examine(model.net), None
        else:
            layers, seen = _with_images(settings, part, model, stop, watch), f"{part} images of {settings.data.path}"
    found = filter_health.as_json(layers)
    files = []
    if draw is not None:
        first = layers[0]
        weights = filter_health.effective(model.net, probes(model.net)[0])
        first_layer_filters.draw(
            f"{first.name} of {Path(run).name}", weights, [one.verdict for one in first.filters], Path(draw)
        )
        files.append(str(draw))
    return {"run": run, "net": model.net_name, "seen": seen, "layers": found, "files": files}


def output_folder(run: str, out: str | Path | None) -> Path:
    """The folder for the figures of a model."""
    return Path(f"striate-inspect-{Path(run).name}" if out is None else out)


def _drawable(model: Model) -> bool:
    found = probes(model.net)
    if not found:
        return False
    weights = filter_health.effective(model.net, found[0])
    return weights.ndim == 4 and weights.shape[1] in (1, 3) and weights.shape[-1] > 1


def images_of(run: str, data: str | None) -> tuple[config.Run | None, str]:
    """Settings that give the images to look at, and which part of them; None for no images."""
    if data is not None:
        return config.build({"data": {"path": data}}), "all"
    try:
        folder = run_folder.find(run)
    except RunError:  # weights by name
        return None, ""
    return (run_folder.settings(folder), "validation") if (folder / "run.toml").is_file() else (None, "")


def _with_images(settings: config.Run, part: str, model: Model, stop: Stop, watch: Watch) -> list[filter_health.Layer]:
    engine = machine.pick(settings.engine)
    engine.place(model.net)
    with closing(again(settings, model.input_spec, stop, watch, engine.workers)) as dataset:
        model_on_data = ModelOnDataset(model, dataset, engine, stop, watch)
        return filter_health.examine(model.net, model_on_data.batches(rows_of(dataset, part), "looking at the images"))


def rows_of(dataset: Dataset, part: str) -> NDArray[np.int64]:
    """The rows of a part of the images: `validation`, or `all`.

    Raises:
        SettingError: there are none.

    """
    rows_M = dataset.parts.val_M if part == "validation" else np.arange(len(dataset.examples))
    if not len(rows_M):
        raise SettingError(f"expected images to look at in {dataset.examples.root}; there are none. Give others by --data.")
    return rows_M
