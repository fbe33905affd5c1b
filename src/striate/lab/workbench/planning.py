"""What a training would be, before it begins: the choices of the rules with their reasons, and how long it may take."""

import threading
import time
from pathlib import Path
from typing import Any

from striate.base import config
from striate.base.phrases import format_duration
from striate.data import sources
from striate.data.survey import sample_stats
from striate.lab.workbench.commands import Wish
from striate.nets import catalogue
from striate.workflows.finetune import check as fine_tuning
from striate.workflows.finetune import start
from striate.workflows.train import check, defaults

Json = dict[str, Any]
_ONE_AT_A_TIME = threading.Lock()
_TIMED_IMAGES = 8


def plan(out: Path, asking: Wish, timed: bool = False) -> Json:
    """The network or weights, settings by rule, reasons; with `timed` also seconds of the training, from two steps.

    SettingError, DataError: what the command would refuse.
    """
    trainings = 1 + (config.build({"data": asking.tree["data"]}).data.folds or 0)
    planned = _finetuning(out, asking) if asking.command == "finetune" else _training(asking, timed)
    for name in ("steps", "seconds"):
        planned[name] = planned[name] and planned[name] * trainings
    seconds = planned["seconds"]
    planned["time"] = None if seconds is None else format_duration(seconds)
    return {"strategies": [], **planned, "trainings": trainings}


def _finetuning(out: Path, asking: Wish) -> Json:
    """The weights and the strategies."""
    with sources.listing():
        checked = fine_tuning.check(out, None, asking.tree)
        run, weights = checked.run, str(checked.run.finetune.weights)
        advice = start.advice(weights, sample_stats(checked.examples, run.data))
    reasons = [] if "finetune.weights" in asking.settings else [f"from {weights}: the best weights that are here"]
    return {
        **_of_weights(weights, [*reasons, *([advice] if advice else [])]),
        "strategies": run.finetune.strategies or ("extract",),
    }


def _of_weights(weights: str, reasons: list[str]) -> Json:
    """A plan that names weights; how long it takes is measured at its start."""
    return {"weights": weights, "net": None, "reasons": reasons, "settings": {}, "steps": None, "seconds": None}


def _training(asking: Wish, timed: bool) -> Json:
    settings, named = check.named_start(asking.tree)
    with sources.listing():
        if named not in (None, start.NONE):
            return _of_weights(named, [])
        checked = check.check_images(config.build(settings))
        stats = sample_stats(checked.examples, checked.run.data)
    begin = start.choose(checked.run, stats)
    if named is None and not start.of_scratch(checked.run) and begin.weights is not None:
        return _of_weights(begin.weights, [begin.reason])
    chosen = defaults.choose_input(checked.run, stats)
    images = defaults.images_an_epoch(checked.run, checked.train_labels_M)
    schedule = defaults.choose_schedule(chosen.run, stats, images)
    run = schedule.run
    reasons = [*([begin.reason] if named is None else []), *chosen.reasons, *schedule.reasons]
    steps = planned_steps(run, images)
    seconds = step_seconds(run, len(checked.examples.classes)) * steps if timed and steps else None
    return {
        "weights": None, "net": run.net.name, "reasons": reasons, "steps": steps, "images": images, "seconds": seconds,
        "settings": {
            "preprocess.size_px": run.preprocess.size_px, "preprocess.channels": run.preprocess.channels,
            "preprocess.resize_mode": run.preprocess.resize_mode, "train.batch_size": run.train.batch_size,
            "train.epochs": run.train.epochs, "net.name": run.net.name,
        },
    }  # fmt: skip


def planned_steps(run: config.Run, images: int) -> int | None:
    """Optimizer steps of a training; None where minutes are given, or where the network learns without any."""
    if run.train.minutes is not None or catalogue.gradient_free(run.net.name or "") is not None:
        return None
    return run.train.steps or (run.train.epochs or 1) * -(-images // run.train.batch_size)


def step_seconds(run: config.Run, classes: int) -> float:
    """Seconds of one step, the least of three with a few images; what decodes and validates is not in it."""
    import torch

    from striate.nets import factory

    side, channels = run.preprocess.size_px or 1, run.preprocess.channels or 1
    images = min(_TIMED_IMAGES, run.train.batch_size)
    with _ONE_AT_A_TIME:
        net = factory.build(run.net.name or "", (channels, side, side), classes, **run.net.own())
        net.eval()
        times = []
        for _ in range(3):
            began = time.monotonic()
            logits_NK = net(torch.zeros(images, channels, side, side))
            logits_NK.square().mean().backward()
            times.append(time.monotonic() - began)
    return min(times) * run.train.batch_size / images
