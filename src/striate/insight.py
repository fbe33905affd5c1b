"""What `striate inside` finds: a verdict on every filter of a model, and its first filters as a picture."""

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from striate import engine as machine
from striate import runs
from striate.base import config
from striate.base.errors import RunError, SettingError, UnsupportedError
from striate.base.stopping import Stop, asked
from striate.batches.stream import Batch, Stream
from striate.engine import Engine
from striate.inside import health
from striate.inside.probing import probes
from striate.material import Material, Watch, again
from striate.model import Model

log = logging.getLogger("striate")

_BATCH = 256
Json = dict[str, Any]


def look(run: str, model: Model, data: str | None, draw: Path | None, watch: Watch) -> Json:
    """Judge every filter of a model by the validation images of its run, by all of `data`, or by its weights alone.

    Args:
        run: what the model was loaded by.
        model: to look into.
        data: images to look at, in place of the run's own validation images.
        draw: a picture of the first layer's filters, as .svg, .png or .pdf.
        watch: called with every event.

    """
    from striate.report import figure, filters

    if draw is not None:
        figure.check_ending(draw)
        if not _drawable(model):
            raise UnsupportedError(
                f"--draw shows the kernels of the first convolution, and {model.net_name} does not begin with one over "
                f"{model.look.channels} channels; leave it out."
            )
    settings, part = images_of(run, data)
    with asked() as stop:
        if settings is None:
            log.info("There are no images to look at, so only the weights are judged; give --data for dead filters.")
            layers, seen = health.examine(model.net), None
        else:
            layers, seen = _with_images(settings, part, model, stop, watch), f"{part} images of {settings.data.path}"
    found = health.as_json(layers)
    files = []
    if draw is not None:
        first = layers[0]
        weights = health.effective(model.net, probes(model.net)[0])
        filters.draw(f"{first.name} of {Path(run).name}", weights, [one.verdict for one in first.filters], draw)
        files.append(str(draw))
    return {"run": run, "net": model.net_name, "seen": seen, "layers": found, "files": files}


def _drawable(model: Model) -> bool:
    weights = health.effective(model.net, probes(model.net)[0])
    return weights.ndim == 4 and weights.shape[1] in (1, 3) and weights.shape[-1] > 1


def images_of(run: str, data: str | None) -> tuple[config.Run | None, str]:
    """Settings that give the images to look at, and which part of them; None for no images."""
    if data is not None:
        return config.build({"data": {"path": data}}), "all"
    try:
        folder = runs.find(run)
    except RunError:  # weights by name
        return None, ""
    return (runs.settings(folder), "validation") if (folder / "run.toml").is_file() else (None, "")


def _with_images(settings: config.Run, part: str, model: Model, stop: Stop, watch: Watch) -> list[health.Layer]:
    engine = machine.pick(settings.engine)
    engine.place(model.net)
    with closing(again(settings, model.look, stop, watch, engine.workers)) as material:
        return health.examine(model.net, told(stream_of(material, part, model, engine), stop, watch))


def stream_of(material: Material, part: str, model: Model, engine: Engine) -> Stream:
    """The images of a part as batches: `validation`, or `all`.

    Raises:
        SettingError: there are none.

    """
    rows_M = material.parts.val_M if part == "validation" else np.arange(len(material.examples))
    if not len(rows_M):
        raise SettingError(f"expected images to look at in {material.examples.root}; there are none. Give others by --data.")
    return Stream(
        pixels_NHWC=material.stored.pixels_NHWC, labels_N=material.examples.labels_N, ids_N=material.examples.ids_N,
        rows_M=rows_M, preprocess=model.preprocess, batch_size=_BATCH, device=engine.device,
        channels_last=engine.channels_last,
    )  # fmt: skip


def told(stream: Stream, stop: Stop, watch: Watch) -> Iterator[Batch]:
    """The batches of a stream, with progress; leaves where a signal asks for it."""
    done = 0
    for batch in stream.epoch(0):
        yield batch
        done += len(batch.ids_N)
        watch({"event": "look", "done": done, "total": len(stream)})
        stop.check("looking at the images")
