"""The ways from the weights of another training to a classifier of one's own images, each a function of one `Case`.

Legend: M training images, D features, K classes.
"""

import copy
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from torch import nn

from striate.base import config, run_folder
from striate.model import Model
from striate.nets.feature_layer import body_of, settings_with, with_head
from striate.nets.frozen_batchnorm import freeze_batchnorm, unfreeze_batchnorm
from striate.nets.net import Net
from striate.training import loop, timing
from striate.training import loss as losses
from striate.training.inference import Predictions
from striate.training.journal import Journal
from striate.training.transfer import feature_classifier as extracting
from striate.training.transfer import full_finetune as retraining
from striate.training.transfer import head_training as adapting
from striate.workflows.finetune.task import GO_ON, Case, Outcome
from striate.workflows.train import one_training

log = logging.getLogger("striate")

_AT_ONCE = 4096  # features that are validated in one batch


def extract(case: Case, _done: Mapping[str, Outcome]) -> Outcome:
    """A classifier on what the frozen body makes of the images, at one layer or the best of several."""
    given, labels_N = case.run.finetune, case.whole.examples.labels_N
    asked = list(given.taps or (None,))
    reads = [within(case.start.net, tap) for tap in asked]
    kept = {part: case.features(part, reads) for part in ("train", "val")}
    labels = {part: labels_N[case.stream(part).rows_M] for part in kept}
    begun, taps = time.monotonic(), []
    for number, tap in enumerate(asked):
        train_MD = np.asarray(kept["train"].values[number][case.positions_M])
        fitted = extracting.fit(
            train_MD, labels["train"][case.positions_M], np.asarray(kept["val"].values[number]), labels["val"],
            len(case.classes), given.classifier or "svm", given.normalize or "standardize", case.run.seed,
            tick=lambda: case.stop.check("fitting the classifiers", GO_ON),
        )  # fmt: skip
        best = max((one.accuracy for one in fitted.tried), default=None)
        name = tap or f"input of {case.start.net.head_name}"
        facts = {"name": name, "features": train_MD.shape[1], **fitted.chosen, "cross_validated": best}
        taps.append((tap, fitted, facts))
    tap, fitted, _ = max(taps, key=lambda one: one[2]["cross_validated"] or 0.0)  # by the training images alone
    seconds = time.monotonic() - begun + case.share * kept["train"].seconds + kept["val"].seconds
    read = within(case.start.net, tap)
    net, settings = extracting.install(copy.deepcopy(case.body), case.start.net_settings, fitted, read)
    case.engine.place(net)
    val, test = (case.predictions(net.head, part, read) for part in ("val", "test"))
    assert val is not None
    more = {"tap": tap or case.start.net.head_name, **fitted.chosen, "taps": [facts for _, _, facts in taps]}
    return Outcome(case.model(net, "extract", settings), val, test, seconds, more)


def within(net: Net, tap: str | None) -> str | None:
    """A layer's name in the network that is started from, which may hold the one that has it."""
    return tap if tap is None or body_of(net) is net else f"body.{tap}"


def adapt(case: Case, _done: Mapping[str, Outcome]) -> Outcome:
    """A new last layer, trained on what the frozen body makes of the images, changed at random where that is asked for."""
    settings = case.run.finetune.adapt
    assert settings is not None
    kept = [case.features("train", [None], view) for view in case.views]
    held = case.features("val", [None])
    begun, stream = time.monotonic(), case.stream("val")
    rows_M, examples = case.stream("train").rows_M[case.positions_M], case.whole.examples
    train = adapting.FeatureStream(
        [one.values[0] for one in kept], case.positions_M, examples.labels_N[rows_M], examples.ids_N[rows_M],
        settings.batch_size, case.run.seed, case.engine.device,
    )  # fmt: skip
    val = adapting.FeatureStream(
        held.values, np.arange(len(stream)), stream.labels_N[stream.rows_M], stream.ids_N[stream.rows_M], _AT_ONCE,
        device=case.engine.device,
    )  # fmt: skip
    net = with_head(copy.deepcopy(case.body), len(case.classes))
    head = net.head
    assert isinstance(head, nn.Linear)
    head.load_state_dict(_first_head(case, head).state_dict())
    head.requires_grad_(True)
    fitted = loop.fit(_head_task(case, settings, head, train, val))
    seconds = time.monotonic() - begun + case.share * sum(one.seconds for one in kept) + held.seconds
    found, test = (case.predictions(head, part, None) for part in ("val", "test"))
    assert found is not None
    more = {"views": len(kept), "steps": fitted.steps, "best_epoch": fitted.best["epoch"]}
    return Outcome(case.model(net, "adapt", settings_with(case.start.net, case.start.net_settings)), found, test, seconds, more)


def _first_head(case: Case, new: nn.Linear) -> nn.Linear:
    """What the new head begins with: the one that is there where it is for the same classes, else one that says nothing."""
    old = case.body.head
    if case.classes == case.start.classes and type(old) is nn.Linear and old.bias is not None:
        log.info("The classes are those of %s, so its head is gone on with.", case.run.finetune.start)
        return old
    return adapting.fresh(new.in_features, new.out_features)


def _head_task(
    case: Case,
    settings: config.Train,
    head: nn.Linear,
    train: adapting.FeatureStream,
    val: adapting.FeatureStream,
) -> loop.Task:
    weights_K = losses.class_weights(train.labels_M, len(case.classes), settings.class_weights)
    loss = losses.make(settings, None if weights_K is None else weights_K.to(case.engine.device))
    steps, minutes = timing.planned(settings, train.steps), settings.minutes or case.run.finetune.minutes
    if minutes is not None:
        a_step = timing.seconds_a_step(head, train, settings, loss, case.engine, 20, at_most=5.0)
        fitting = max(1, int(60 * minutes / a_step))
        steps = fitting if settings.minutes is not None else min(steps, fitting)
    names = case.whole.examples.names
    by_id = dict(zip(train.ids_M.tolist(), case.stream("train").rows_M[case.positions_M].tolist(), strict=True))
    return loop.Task(
        net=head, train=train, val=val, settings=settings, steps=steps, loss=loss, engine=case.engine, seed=case.run.seed,
        journal=Journal(case.folder / "adapt" / "journal.jsonl"), checkpoints=None, stop=case.stop,
        names=lambda ids_M: [names[by_id[number]] for number in ids_M.tolist()],
        observers=[lambda event: case.watch(event) if event["event"] == "step" else None],
    )  # fmt: skip


def retrain(case: Case, done: Mapping[str, Outcome]) -> Outcome:
    """All weights from those that are started from, after the head, at a small rate that falls with depth."""
    adapted = done["adapt"] if "adapt" in done else adapt(case, done)
    begin = begin_with(case, adapted.model.net)
    trained = _trained(case, "retrain", case.run.finetune.retrain, begin)
    unfreeze_batchnorm(begin.net)
    return trained._replace(seconds=trained.seconds + adapted.seconds)


def begin_with(case: Case, net: Net) -> one_training.StartingWeights:
    """What a retraining begins with: a copy of this network, its norms frozen where that is asked for."""
    net, given = copy.deepcopy(net).requires_grad_(True), case.run.finetune
    case.engine.place(net)
    if given.norms != "learn":
        freeze_batchnorm(net)
    about = {"start": given.start, "strategy": "retrain"}
    opens = retraining.opens if given.unfreeze == "gradual" else None
    return one_training.StartingWeights(net, case.start.preprocess, case.start.license, about, opens)


def scratch(case: Case, _done: Mapping[str, Outcome]) -> Outcome:
    """The control: the same network from its own initialization."""
    return _trained(case, "scratch", case.run.finetune.scratch, None)


def training_run(case: Case, settings: config.Train | None) -> config.Run:
    """The settings of one training among the strategies."""
    assert settings is not None
    return config.build(config.merge(config.given_by_user(case.run), {"train": config.given_by_user(settings)}))


def _trained(case: Case, name: str, settings: config.Train | None, begin: one_training.StartingWeights | None) -> Outcome:
    folder, run = case.folder / name, training_run(case, settings)
    resume, minutes = (folder / "run.toml").exists(), None if run.train.minutes else case.run.finetune.minutes
    found = one_training.train(run, case.dataset, folder, case.engine, case.stop, case.watch, resume, begin, minutes)
    val = Predictions(*run_folder.load_predictions(folder / "predictions-val.npz"))
    more = {name: found.result[name] for name in ("steps", "epochs", "best_epoch")}
    return Outcome(found.model, val, found.test, found.result["seconds"], more)


STRATEGIES: Mapping[str, Callable[[Case, Mapping[str, Outcome]], Outcome]] = MappingProxyType(
    {"extract": extract, "adapt": adapt, "retrain": retrain, "scratch": scratch}  # the cheapest first
)


def attempt(case: Case, name: str, done: Mapping[str, Outcome]) -> Outcome:
    """Run a strategy, or take what it has left in its folder; what it leaves is written when it is whole."""
    folder = case.folder / name
    facts = run_folder.read_json(folder / "strategy.json")
    if facts is None:
        log.info("%s: %s", name, (STRATEGIES[name].__doc__ or "").partition(".")[0])
        outcome = STRATEGIES[name](case, done)
        for part, found in (("val", outcome.val), ("test", outcome.test)):
            if found is not None:
                run_folder.save_predictions(folder / f"predictions-{part}.npz", *found)
        outcome.model.save(folder / "model")
        run_folder.write_json(folder / "strategy.json", {"seconds": outcome.seconds, "more": outcome.more})
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)  # from here on nothing is gone on from
        return outcome
    val, test = (folder / f"predictions-{part}.npz" for part in ("val", "test"))
    return Outcome(
        Model.load(folder / "model", str(case.engine.device)), Predictions(*run_folder.load_predictions(val)),
        Predictions(*run_folder.load_predictions(test)) if test.exists() else None, facts["seconds"], facts["more"],
    )  # fmt: skip
