"""`striate inspect RUN`: a verdict on every filter of a model, and its first filters as a figure."""

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.base.arguments import named_arguments
from striate.base.errors import UnsupportedError
from striate.base.events import Json, Watch, quiet
from striate.base.signals import catch_signals
from striate.data import sources
from striate.interpret import filter_health
from striate.interpret.readout_points import probes
from striate.model import Model
from striate.workflows.checks import check_inspection
from striate.workflows.load_model import load_network
from striate.workflows.open_run import images_of, open_run, rows_of

log = logging.getLogger("striate")


@named_arguments()
@sources.listed_once
def verdicts(run: str | Path, data: str | Path | None = None, draw: str | Path | None = None, watch: Watch = quiet) -> Json:
    """A verdict on every filter of a model: dead, blank, duplicate, nearly dead, noisy or healthy.

    Args:
        run: a run by name or folder, a model's folder, or `NET@WEIGHTS`.
        data: images to judge on; None for the validation images of the run, or for the weights alone where there are none.
        draw: a figure of the first layer's filters with their verdicts, as .svg, .png or .pdf.
        watch: called with progress.

    Returns:
        run, net, images_from (None for the weights alone), layers [{name, filters, dead, blank, duplicate, nearly_dead, noisy,
        healthy, noise_ratio, advice, each}] and files.

    """
    from striate.plots.interpret import first_layer_filters

    check_inspection(run, draw=None if draw is None else Path(draw), data=data)
    model = load_network(run, watch=watch)
    weights = None if draw is None else first_kernels(model)
    if draw is not None and weights is None:
        raise UnsupportedError(
            f"--draw shows the kernels of the first convolution, and {model.net_name} does not begin with one over "
            f"{model.input_spec.channels} channels; leave it out."
        )
    settings, part = images_of(run, data)
    with catch_signals() as stop:
        if settings is None:
            log.info("There are no images to look at, so only the weights are judged; give --data for dead filters.")
            layers, source = filter_health.examine(model.net), None
        else:
            with open_run(settings, model, stop, watch) as model_on_data:
                batches = model_on_data.batches(rows_of(model_on_data.dataset, part), "looking at the images")
                layers = filter_health.examine(model.net, batches)
            source = f"{part} images of {settings.data.path}"
    files = []
    if draw is not None and weights is not None:
        verdicts = [judged.verdict for judged in layers[0].filters]
        first_layer_filters.draw(f"{layers[0].name} of {Path(run).name}", weights, verdicts, Path(draw))
        files.append(str(draw))
    rows = filter_health.as_json(layers)
    return {"run": str(run), "net": model.net_name, "images_from": source, "layers": rows, "files": files}


def output_folder(run: str | Path, out: str | Path | None) -> Path:
    """The folder for the figures of a model."""
    return Path(f"striate-inspect-{Path(run).name}" if out is None else out)


def first_kernels(model: Model) -> NDArray[np.float64] | None:
    """The first layer's weights, F x C x k x k, where they can be shown as images; else None."""
    layers = probes(model.net)
    weights = filter_health.effective(model.net, layers[0]) if layers else None
    drawable = weights is not None and weights.ndim == 4 and weights.shape[1] in (1, 3) and weights.shape[-1] > 1
    return weights if drawable else None
