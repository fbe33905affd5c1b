"""Features of all images by which their labels are judged; none of them was learned from these labels.

| images | features |
|---|---|
| gray, median short side to 40 px | histograms of gradients at 28 px |
| all others | the best pretrained weights that need no download, read as `finetune` reads them, from its cache |

Legend: N images, D features.
"""

import copy
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import config
from striate.base.events import Watch, progress
from striate.base.signals import Stop
from striate.data import gradient_histograms, sources
from striate.data.decode import InputSpec
from striate.data.survey import sample_stats
from striate.training import device
from striate.workflows.dataset import Dataset, gather
from striate.workflows.finetune import plan, start
from striate.workflows.finetune.task import TransferTask
from striate.workflows.load_model import load_network

_HISTOGRAM_PX = 28


class ImageFeatures(NamedTuple):
    """Images with what describes them."""

    dataset: Dataset
    rows_N: NDArray[np.int64]  # of the images that are in a part, ascending
    values_ND: NDArray[np.float32]
    name: str


@contextmanager
def of_images(data: config.Data, stop: Stop, watch: Watch) -> Iterator[ImageFeatures]:
    """Decode the images and describe each; processes that decode end with the block."""
    examples = sources.read(data)
    stats = sample_stats(examples, data, progress=progress(watch, "sample"))
    run = config.build({"data": config.given(data)})
    engine = device.pick(run.engine)
    if stats.gray and min(stats.height_px, stats.width_px) <= start.SMALL_PX:
        spec = InputSpec(_HISTOGRAM_PX, 1, "squash", data.background, white_level=data.white_level)
        with closing(gather(examples, run, stop, watch, engine.workers, spec)) as dataset:
            parts = dataset.parts
            rows_N = np.sort(np.concatenate([parts.train_M, parts.val_M, parts.test_M]))
            values_ND = gradient_histograms.of_images(np.asarray(dataset.stored.pixels_NHWC[rows_N])[..., 0])
            yield ImageFeatures(dataset, rows_N, values_ND, "histograms of gradients")
        return
    weights = start.weights_here()
    pretrained = load_network(weights, watch=watch)
    run = plan.resolve(config.change(run, {"finetune": {"weights": weights}}), pretrained, stats)
    pretrained = start.at_size(pretrained, run.preprocess.size_px or pretrained.input_spec.size_px)
    with closing(gather(examples, run, stop, watch, engine.workers)) as dataset:
        body = copy.deepcopy(pretrained.net)
        engine.place(body)
        task = TransferTask(run, dataset, Path(), engine, stop, watch, pretrained, body, dataset)
        reading = start.READINGS.get(weights)
        yield _cached(task, weights, None if reading is None else reading.layer)


def _cached(task: TransferTask, weights: str, layer: str | None) -> ImageFeatures:
    """The features of all parts, in the order of rows."""
    parts = [part for part in ("train", "val", "test") if len(task.loader(part))]
    rows_N = np.concatenate([task.loader(part).rows_M for part in parts])
    values_ND = np.concatenate([np.asarray(task.features(part, [layer]).values[0]) for part in parts])
    order = np.argsort(rows_N)
    return ImageFeatures(task.dataset, rows_N[order], values_ND[order], weights)
