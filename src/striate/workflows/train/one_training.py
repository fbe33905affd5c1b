"""One training from its settings to its artifact: the wiring that `workbench.train` and its folds share.

Legend: N images, M images of a split, K classes.
"""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from striate.base import config, files, run_folder
from striate.base.errors import DataError, RunError, ShapeError
from striate.base.phrases import spoken
from striate.base.signals import Stop
from striate.batches import augment, patches, preprocess
from striate.batches.loader import Loader
from striate.batches.sampler import balanced
from striate.data.examples import Examples
from striate.metrics import classification
from striate.model import Model
from striate.nets import catalogue, factory
from striate.nets.init import first_convolution, whiten
from striate.nets.net import Net
from striate.training import checkpoint, layer_lr, loop, lr_finder, timing, weight_histograms
from striate.training import loss as losses
from striate.training.device import Engine
from striate.training.inference import Predictions, predict
from striate.training.journal import Event, Journal
from striate.workflows.dataset import Dataset

log = logging.getLogger("striate")
Watch = Callable[[Event], None]

_EVAL_BATCH = 256
_TIMED_STEPS = 20


class Trained(NamedTuple):
    """What a training leaves: its result, its model, and what the model said of the test images."""

    result: run_folder.Json
    model: Model
    test: Predictions | None


class StartingWeights(NamedTuple):
    """Weights to begin with, in place of initial ones, and all that belongs to them.

    Attributes:
        net: on the device, with a head for the classes; its weights change.
        numbers: from pixels to its input.
        license: of the weights.
        about: what the artifact says of how it was trained, besides.
        opens: for a number of epochs, the epoch in which each parameter begins to learn, by name.

    """

    net: Net
    numbers: preprocess.Preprocess
    license: str
    about: run_folder.Json
    opens: Callable[[Net, int], dict[str, int]] | None = None


def train(
    run: config.Run,
    dataset: Dataset,
    folder: Path,
    engine: Engine,
    stop: Stop,
    watch: Watch,
    resume: bool,
    begin: StartingWeights | None = None,
    most_minutes: float | None = None,
) -> Trained:
    """Train in `folder`, from its last checkpoint where `resume`, and write the artifact and the predictions.

    `begin` is what to begin with where that is not the network's own initialization; after `most_minutes` training ends, by a
    number of steps that is fixed before the first.
    """
    if catalogue.origin(run.net.name or "") is not None:
        from striate.workflows.train import own_learning_rule

        return own_learning_rule.train(run, dataset, folder, engine, stop, watch, resume)
    numbers, net, streams, loss = _prepared(run, dataset, engine, begin)
    if found := layer_lr.factors(net, run.train):
        log.info("learning rates: %s", layer_lr.spoken(found))
    begin_at = checkpoint.latest(folder / "checkpoints") if resume else None
    run, steps = _length(run, net, streams, loss, engine, begin_at, most_minutes)
    if engine.writes:
        write_beginning(run, dataset, folder, engine, begin_at is not None)
    journal = Journal(folder / "journal.jsonl" if engine.writes else None)
    if begin_at is not None:
        for sentence in begin_at.refused:
            log.warning("%s The checkpoint before it is used.", sentence)
        journal.write("resumed", step=begin_at.state["step"])
    else:
        journal.write("start", steps=steps, reasons=list(engine.reasons), notes=list(dataset.hidden()))
    from striate.workflows.train.epoch_health_log import observer

    observers = [watch, observer(net, streams["val"], streams["train"].places, journal)] if engine.writes else [watch]
    task = loop.Task(
        net=net, train=streams["train"], val=streams["val"], settings=run.train, steps=steps, loss=loss, engine=engine,
        seed=run.seed, journal=journal, checkpoints=folder / "checkpoints", stop=stop,
        names=lambda ids_M: _names(dataset.examples, ids_M), observers=observers,
        opens=begin.opens(net, -(-steps // streams["train"].steps)) if begin is not None and begin.opens is not None else {},
    )  # fmt: skip
    weight_histograms.note(journal, net, "start")
    fitted = loop.fit(task, begin_at)
    weight_histograms.note(journal, net, "end")
    return finish(run, dataset, folder, engine, numbers, net, streams, fitted, journal, begin)


def find_rate(run: config.Run, dataset: Dataset, engine: Engine, stop: Stop, watch: Watch) -> lr_finder.Curve:
    """The range test with what a training of these settings would begin with; nothing is kept."""
    _, net, streams, loss = _prepared(run, dataset, engine)
    task = loop.Task(
        net=net, train=streams["train"], val=streams["val"], settings=run.train.model_copy(update={"lr": 1.0}),
        steps=lr_finder.steps_for(streams["train"].steps), loss=loss, engine=engine, seed=run.seed, journal=Journal(None),
        checkpoints=None, stop=Stop(), names=lambda ids_M: _names(dataset.examples, ids_M), observers=[watch],
    )  # fmt: skip
    return lr_finder.run(task, lambda: stop.check("looking for the learning rate"))


class _Prepared(NamedTuple):
    """What a training begins with."""

    numbers: preprocess.Preprocess
    net: Net
    streams: dict[str, Loader]
    loss: losses.Loss


def _prepared(run: config.Run, dataset: Dataset, engine: Engine, begin: StartingWeights | None = None) -> _Prepared:
    if begin is not None:
        net, numbers = begin.net, begin.numbers
    else:
        numbers = preprocess.fit(dataset.stored.pixels_NHWC, dataset.parts.train_M, run.preprocess)
        net = network(run, dataset, numbers, engine)
    changes = augment.fit(run.augment, dataset.stored.pixels_NHWC, dataset.parts.train_M, run.seed)
    streams = streams_of(run, dataset, numbers, changes, engine)
    if len(dataset.parts.train_M) < engine.world or run.train.batch_size < engine.world:
        raise RunError(
            f"{engine.world} processes share each batch; expected train.batch_size and the training images to be at least "
            f"that many, got {run.train.batch_size} and {len(dataset.parts.train_M)}. Start fewer processes."
        )
    weights_K = losses.class_weights(
        dataset.examples.labels_N[dataset.parts.train_M], len(dataset.examples.classes), run.train.class_weights
    )
    loss = losses.make(run.train, None if weights_K is None else weights_K.to(engine.device))
    return _Prepared(numbers, net, streams, loss)


def _names(examples: Examples, ids_M: NDArray[np.uint64]) -> list[str]:
    """The paths of M images; looked up when there is something to say, since a table of all would cost memory."""
    return [examples.names[int(np.flatnonzero(examples.ids_N == i)[0])] for i in ids_M]


def network(run: config.Run, dataset: Dataset, numbers: preprocess.Preprocess, engine: Engine) -> Net:
    """The network of a run with its initial weights, on the device."""
    assert run.net.name is not None
    own = run.net.own()
    if "aux" in factory.settings_of(run.net.name):
        own.setdefault("aux", True)
    side = dataset.input_spec.size_px
    chw = numbers.output_chw((dataset.input_spec.channels, side, side))
    try:
        net = factory.build(run.net.name, chw, len(dataset.examples.classes), seed=run.seed, **run.net.start(), **own)
    except ShapeError as error:
        if run.preprocess.scale != "pca":
            raise
        raise ShapeError(
            f"preprocess.scale=pca makes {chw[0]} numbers without places of each image, which {run.net.name} cannot take: "
            "expected a network of fully connected layers. Take preprocess.scale=zca, or --net mlp."
        ) from error
    if run.net.init == "whitening":
        conv = first_convolution(net)
        rows_M = _by_id(dataset.parts.train_M, dataset)
        found = patches.components(dataset.stored.pixels_NHWC, rows_M, numbers, conv.kernel_size[0], run.seed)
        whiten(conv, *found)
    engine.place(net)
    return net


def streams_of(
    run: config.Run,
    dataset: Dataset,
    numbers: preprocess.Preprocess,
    changes: augment.Augmentation | None,
    engine: Engine,
) -> dict[str, Loader]:
    """The images of train, val and test as batches."""

    def stream(rows_M: NDArray[np.int64], batch: int, seed: int | None, **more: Any) -> Loader:
        return Loader(
            pixels_NHWC=dataset.stored.pixels_NHWC, labels_N=dataset.examples.labels_N, ids_N=dataset.examples.ids_N,
            rows_M=rows_M, preprocess=numbers, batch_size=batch, shuffle_seed=seed, device=engine.device,
            channels_last=engine.channels_last, rank=engine.rank, world=engine.world, **more,
        )  # fmt: skip

    parts = dataset.parts
    train_M, sampling = _by_id(parts.train_M, dataset), None
    if run.train.sampling == "balanced":
        sampling = balanced(train_M, dataset.examples.labels_N[train_M])
        log.info("sampling balanced: an epoch shows %d images in place of %d", sampling.places, len(train_M))
    return {
        "train": stream(train_M, run.train.batch_size, run.seed, augmentation=changes, sampling=sampling),
        "val": stream(parts.val_M, _EVAL_BATCH, None),
        "test": stream(parts.test_M, _EVAL_BATCH, None),
    }


def _by_id(rows_M: NDArray[np.int64], dataset: Dataset) -> NDArray[np.int64]:
    """Rows in the order of their ids, so that the order of training does not depend on the order of the source."""
    return rows_M[np.argsort(dataset.examples.ids_N[rows_M], kind="stable")]


def _length(
    run: config.Run,
    net: Net,
    streams: dict[str, Loader],
    loss: losses.Loss,
    engine: Engine,
    begin_at: checkpoint.Checkpoint | None,
    most_minutes: float | None,
) -> tuple[config.Run, int]:
    """The number of steps; where minutes were given it is measured now, and fixed in the settings."""
    if begin_at is not None:
        return run, int(begin_at.state["steps"])
    timed = run.train.minutes is not None or most_minutes is not None
    a_step = timing.seconds_a_step(
        net, streams["train"], run.train, loss, engine, _TIMED_STEPS if timed else 5, at_most=60.0 if timed else 3.0
    )
    steps = fitting = timing.planned(run.train, streams["train"].steps)
    if run.train.minutes is not None:
        steps = fitting = max(1, int(60 * run.train.minutes / a_step))
    elif most_minutes is not None:
        fitting = max(1, int(60 * most_minutes / timing.with_validation(a_step, streams["train"].places, len(streams["val"]))))
    if run.train.minutes is not None or fitting < steps:
        steps = fitting
        tree = config.lay_over(config.given_by_user(run), {"train": {"steps": steps}})
        run = config.build(tree)
        log.info("%d steps fit in the minutes asked for, at %.0f ms a step; the run is exact from here.", steps, 1e3 * a_step)
    log.info("Training takes about %s: %d steps of %.0f ms.", spoken(steps * a_step), steps, 1e3 * a_step)
    return run, steps


def seconds_an_image(run: config.Run, dataset: Dataset, engine: Engine, begin: StartingWeights) -> float:
    """What training on one image takes, validation included, from a few steps of a copy."""
    _, net, streams, loss = _prepared(run, dataset, engine, begin)
    train = streams["train"]
    a_step = timing.seconds_a_step(net, train, run.train, loss, engine, 3, at_most=2.0)
    return timing.with_validation(a_step, train.places, len(streams["val"])) * train.steps / train.places


def write_beginning(run: config.Run, dataset: Dataset, folder: Path, engine: Engine, resumed: bool) -> None:
    """run.toml, environment.json and data.json of a new run; of a resumed one, refuse if the world has changed under it."""
    now = run_folder.environment(
        device=str(engine.device), threads=engine.threads, processes=engine.world, data_sha256=dataset.fingerprint()
    )
    before = run_folder.read_json(folder / "environment.json")
    if before is not None and resumed:
        _refuse_change(before, now, folder)
        return
    run_folder.write_json(folder / "environment.json", now)
    run_folder.write_json(folder / "data.json", dataset.account())
    source = factory.source_of(run.net.name or "")
    if source is not None:
        files.write_bytes(folder / source.path.name, source.path.read_bytes())
    files.write_text(folder / "run.toml", config.to_toml(run))


def _refuse_change(before: run_folder.Json, now: run_folder.Json, folder: Path) -> None:
    if before["data_sha256"] != now["data_sha256"]:
        raise DataError(
            f"the images have changed since {folder} began: expected data {before['data_sha256'][:12]}..., got "
            f"{now['data_sha256'][:12]}... Restore them, or start a new run."
        )
    for name in ("torch", "processes", "device", "threads"):
        if before[name] != now[name]:
            raise RunError(
                f"{folder} began with {name} {before[name]}; now it is {now[name]}, so it would not end with the same weights. "
                f"Resume with {name} {before[name]}, or start a new run."
            )


def finish(
    run: config.Run,
    dataset: Dataset,
    folder: Path,
    engine: Engine,
    numbers: preprocess.Preprocess,
    net: Net,
    streams: dict[str, Loader],
    fitted: loop.Fitted,
    journal: Journal,
    begin: StartingWeights | None,
) -> Trained:
    """Ask a trained network about validation and test, and write what a run leaves."""
    val = predict(net, streams["val"], engine)
    test = predict(net, streams["test"], engine) if len(streams["test"]) else None
    assert val is not None
    net.drop_auxiliary()
    settings = run.net.own()
    if "aux" in factory.settings_of(run.net.name or ""):
        settings["aux"] = False
    if catalogue.origin(run.net.name or ""):
        settings["grown"] = net.grown
    summary = {"steps": fitted.steps, "best_epoch": fitted.best["epoch"], "seed": run.seed, "recipe": run.recipe}
    summary |= {"flip": bool(run.augment.flip), **(begin.about if begin is not None else {})}
    model = Model(
        net=net.eval(), net_name=run.net.name or "", net_settings=settings, preprocess=numbers.to(torch.device("cpu")),
        input_spec=dataset.input_spec, classes=dataset.examples.classes, training=summary,
        license="" if begin is None else begin.license,
    )  # fmt: skip
    result: run_folder.Json = {
        "run": str(folder), "net": run.net.name, "steps": fitted.steps, "seconds": round(fitted.seconds, 2),
        "epochs": len(fitted.history), "best_epoch": fitted.best["epoch"], "seed": run.seed,
        "parameters": sum(parameter.numel() for parameter in net.parameters()) or net.learned,
        "val": interval(val), "test": interval(test), "weights_sha256": None, "report": None,
        "images": {"train": len(streams["train"]), "val": len(streams["val"]), "test": len(streams["test"])},
        "quarantined": len(dataset.examples.quarantined) + len(dataset.parts.leaked),
        "ignored": len(dataset.examples.ignored),
    }  # fmt: skip
    if engine.writes:
        result["weights_sha256"] = model.save(folder / "model")
        for name, predictions in (("val", val), ("test", test)):
            if predictions is not None:
                run_folder.save_predictions(folder / f"predictions-{name}.npz", *predictions)
        journal.write("end", durable=True, **{name: result[name] for name in ("steps", "seconds", "weights_sha256")})
        run_folder.write_json(folder / "result.json", result)
        for old in sorted((folder / "checkpoints").glob("step-*"))[:-1]:
            shutil.rmtree(old, ignore_errors=True)
    return Trained(result, model, test)


def interval(predictions: Predictions | None) -> run_folder.Json | None:
    """Accuracy with its 95 % interval, for JSON; None where nothing was predicted."""
    if predictions is None:
        return None
    found = classification.accuracy(predictions.logits_NK, predictions.labels_N)
    return {"accuracy": found.value, "low": found.low, "high": found.high, "n": found.n}
