"""A training without gradients: networks from before back-propagation learn by a method of their own.

They share folder, split, predictions, artifact and report with every other; there are no epochs and no checkpoints: an
interrupted run starts over, and ends with the same bytes.

Legend: N images.
"""

import logging
import time
from typing import Any

import torch

from striate.metrics import temperature_scaling
from striate.training.inference import predict
from striate.training.journal import Journal
from striate.training.loop import Fitted
from striate.workflows.run_context import RunContext
from striate.workflows.train.artifacts import Trained, evaluate_and_save, write_start
from striate.workflows.train.setup import TrainingSetup, build_loaders, build_network, fit_preprocess

log = logging.getLogger("striate")


def train(context: RunContext, resume: bool) -> Trained:
    """Let a network learn by its own rule, and write what every training writes."""
    engine, folder = context.engine, context.folder
    preprocess = fit_preprocess(context)
    net: Any = build_network(context, preprocess)
    loaders = build_loaders(context, preprocess, None)
    resumed = resume and (folder / "environment.json").exists()
    identity = write_start(context, {} if resumed else None)
    journal = Journal(folder / "journal.jsonl")
    event_name = "resumed" if resumed else "start"
    journal.write(event_name, run=identity.stamp(), steps=1, reasons=list(engine.reasons), notes=list(context.dataset.hidden()))
    start = time.monotonic()

    def observe(event: dict[str, Any]) -> None:
        context.watch(event)
        context.stop.check("learning", "it starts over with --resume.")

    batches = list(loaders["train"].epoch(0))
    images_NCHW = torch.cat([batch.images_NCHW for batch in batches])
    labels_N = torch.cat([batch.labels_N for batch in batches])
    with torch.no_grad():
        net.learn(images_NCHW, labels_N, observe)
    val = predict(net.eval(), loaders["val"], engine)
    assert val is not None
    net.answer.factor.fill_(temperature_scaling.scale(val.logits_NK, val.labels_N))
    seconds = time.monotonic() - start
    log.info("Learned in %.0f s: %s.", seconds, net.description)
    journal.write("learned", seconds=round(seconds, 3), grown=net.grown)
    fitted = Fitted(1, seconds, {"epoch": 1, "step": 1}, [])
    return evaluate_and_save(context, TrainingSetup(preprocess, net, loaders), fitted, journal, identity)
