"""A training without gradients: networks that come from before back-propagation learn by a method of their own.

They go through the same folder, split, predictions, artifact and report as any other; there are no epochs, and no checkpoints:
a run that is stopped begins anew, and ends with the same bytes.

Legend: N images.
"""

import logging
import time
from pathlib import Path
from typing import Any

import torch

from striate.base import config
from striate.base.errors import RunError
from striate.base.signals import Stop
from striate.batches import preprocess
from striate.metrics import temperature_scaling
from striate.training.device import Engine
from striate.training.inference import predict
from striate.training.journal import Journal
from striate.training.loop import Fitted
from striate.workflows.dataset import Dataset
from striate.workflows.train import one_training
from striate.workflows.train.one_training import Trained, Watch

log = logging.getLogger("striate")


def train(run: config.Run, dataset: Dataset, folder: Path, engine: Engine, stop: Stop, watch: Watch, resume: bool) -> Trained:
    """Let a network learn by its own rule in `folder`, and write what `job.train` writes."""
    if engine.world > 1:
        raise RunError(f"{run.net.name} learns in one process; got {engine.world}. Start it without torchrun.")
    numbers = preprocess.fit(dataset.stored.pixels_NHWC, dataset.parts.train_M, run.preprocess)
    net: Any = one_training.network(run, dataset, numbers, engine)
    streams = one_training.streams_of(run, dataset, numbers, None, engine)
    begun = resume and (folder / "environment.json").exists()
    one_training.write_beginning(run, dataset, folder, engine, begun)
    journal = Journal(folder / "journal.jsonl")
    journal.write("resumed" if begun else "start", steps=1, reasons=list(engine.reasons), notes=list(dataset.hidden()))
    began = time.monotonic()

    def see(event: dict[str, Any]) -> None:
        watch(event)
        stop.check("learning", "it begins anew with --resume.")

    batches = list(streams["train"].epoch(0))
    images_NCHW = torch.cat([batch.images_NCHW for batch in batches])
    labels_N = torch.cat([batch.labels_N for batch in batches])
    with torch.no_grad():
        net.learn(images_NCHW, labels_N, see)
    val = predict(net.eval(), streams["val"], engine)
    assert val is not None
    net.answer.factor.fill_(temperature_scaling.scale(val.logits_NK, val.labels_N))
    seconds = time.monotonic() - began
    log.info("Learned in %.0f s: %s.", seconds, net.said)
    journal.write("learned", seconds=round(seconds, 3), grown=net.grown)
    fitted = Fitted(1, seconds, {"epoch": 1, "step": 1}, [])
    return one_training.finish(run, dataset, folder, engine, numbers, net, streams, fitted, journal, None)
