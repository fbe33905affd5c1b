"""The strategies of fine-tuning: each makes a classifier out of pretrained weights, a function of one `TransferTask`.

Legend: M training images, D features, K classes.
"""

import copy
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from torch import nn

from striate.base import config, run_folder, run_record
from striate.base.errors import ArtifactError
from striate.base.events import progress
from striate.base.wall_clock import elapsed
from striate.model import Model
from striate.nets.feature_layer import settings_with, with_head, within
from striate.nets.frozen_batchnorm import freeze_batchnorm, unfreeze_batchnorm
from striate.nets.net import Net
from striate.training import loop, tensorboard, timing
from striate.training import loss as losses
from striate.training.inference import Predictions
from striate.training.journal import Journal
from striate.training.transfer import feature_classifier as extracting
from striate.training.transfer import full_finetune as retraining
from striate.training.transfer import head_training as adapting
from striate.training.transfer import label_set_classifier as label_sets
from striate.training.transfer.feature_scaling_and_folds import LabeledFeatures
from striate.workflows import model_card
from striate.workflows.finetune.task import RESUME, Outcome, TransferTask
from striate.workflows.several_labels import label_folds
from striate.workflows.train import fit
from striate.workflows.train.artifacts import predictions_files
from striate.workflows.train.setup import StartingWeights, scorer_of

log = logging.getLogger("striate")

_AT_ONCE = 4096  # features that are validated in one batch


def extract(task: TransferTask, _done: Mapping[str, Outcome]) -> Outcome:
    """A classifier on features of the frozen body, at one layer or the best of several."""
    settings, labels_N = task.run.finetune, task.whole.examples.labels_N
    names = list(settings.layers or (None,))
    reads = [within(task.pretrained.net, layer) for layer in names]
    features = {part: task.features(part, reads) for part in ("train", "val")}
    labels = {part: labels_N[task.loader(part).rows_M] for part in features}
    start, candidates = time.monotonic(), []
    for number, layer in enumerate(names):
        train_MD = np.asarray(features["train"].values[number][task.positions_M])
        fitted = _classifier(
            task, LabeledFeatures(train_MD, labels["train"][task.positions_M]),
            LabeledFeatures(np.asarray(features["val"].values[number]), labels["val"]),
        )  # fmt: skip
        best = max((trial.accuracy for trial in fitted.tried), default=None)
        name = layer or f"input of {task.pretrained.net.head_name}"
        facts = {"name": name, "features": train_MD.shape[1], **fitted.chosen, "cross_validated": best}
        candidates.append((layer, fitted, facts))
    layer, fitted, _ = max(
        candidates, key=lambda candidate: candidate[2]["cross_validated"] or 0.0
    )  # by the training images alone
    seconds = time.monotonic() - start + task.share * features["train"].seconds + features["val"].seconds
    read = within(task.pretrained.net, layer)
    net, net_settings = extracting.install(copy.deepcopy(task.body), task.pretrained.net_settings, fitted, read)
    task.engine.place(net)
    val, test = (task.predictions(net.head, part, read) for part in ("val", "test"))
    assert val is not None
    more = {"layer": layer or task.pretrained.net.head_name, **fitted.chosen, "layers": [facts for _, _, facts in candidates]}
    flag = task.unknown_inputs(features["train"].values[names.index(layer)], read)
    return Outcome(task.model(net, "extract", net_settings, val, flag), val, test, seconds, more)


def _classifier(task: TransferTask, train: LabeledFeatures, val: LabeledFeatures) -> extracting.Fitted:
    """The classifier on these features; of several labels an image, one of each label against its absence."""
    settings = task.run.finetune
    tick = progress(task.watch, "fit", lambda: task.stop.check("fitting the classifiers", RESUME))
    normalize = settings.normalize or "standardize"
    if not task.dataset.examples.several:
        return extracting.fit(train, val, len(task.classes), settings.classifier or "svm", normalize, task.run.seed, tick=tick)
    kind = settings.classifier or "logistic"
    assert kind != "knn"  # refused by the settings
    ids_M = task.whole.examples.ids_N[task.loader("train").rows_M[task.positions_M]]
    return label_sets.fit(train, val, label_folds.of(train.labels_M, ids_M, task.run.seed), kind, normalize, tick)


def adapt(task: TransferTask, _done: Mapping[str, Outcome]) -> Outcome:
    """A new last layer, trained on features of the frozen body, of augmented copies where augmentation is on."""
    settings = task.run.finetune.adapt
    assert settings is not None
    copies = [task.features("train", [None], copy_number) for copy_number in task.copies]
    val_features = task.features("val", [None])
    start, loader = time.monotonic(), task.loader("val")
    rows_M, examples = task.loader("train").rows_M[task.positions_M], task.whole.examples
    train = adapting.FeatureStream(
        [features.values[0] for features in copies], task.positions_M, examples.labels_N[rows_M], examples.ids_N[rows_M],
        settings.batch_size, task.run.seed, task.engine.device,
    )  # fmt: skip
    val = adapting.FeatureStream(
        val_features.values, np.arange(len(loader)), loader.labels_N[loader.rows_M], loader.ids_N[loader.rows_M], _AT_ONCE,
        device=task.engine.device,
    )  # fmt: skip
    net = with_head(copy.deepcopy(task.body), len(task.classes))
    head = net.head
    assert isinstance(head, nn.Linear)
    head.load_state_dict(_first_head(task, head).state_dict())
    head.requires_grad_(True)
    planned = head_task(task, settings, head, train, val)
    row_of = dict(zip(train.ids_M.tolist(), rows_M.tolist(), strict=True))
    journal = Journal(task.folder / "adapt" / "journal.jsonl")
    with tensorboard.following(journal, images_an_epoch=len(train.rows_M)) if task.run.tensorboard else nullcontext():
        fitted = loop.fit(
            replace(
                planned, steps=_head_steps(task, planned), journal=journal,
                names=lambda ids_M: [examples.names[row_of[number]] for number in ids_M.tolist()],
            )
        )  # fmt: skip
    seconds = time.monotonic() - start + task.share * sum(features.seconds for features in copies) + val_features.seconds
    val_predictions, test = (task.predictions(head, part, None) for part in ("val", "test"))
    assert val_predictions is not None
    more = {"augmented_copies": len(copies), "steps": fitted.steps, "best_epoch": fitted.best["epoch"]}
    flag = task.unknown_inputs(copies[0].values[0], None)
    net_settings = settings_with(task.pretrained.net, task.pretrained.net_settings)
    model = task.model(net, "adapt", net_settings, val_predictions, flag)
    return Outcome(model, val_predictions, test, seconds, more)


def _first_head(task: TransferTask, new: nn.Linear) -> nn.Linear:
    """The new head's initial weights: the pretrained head where its classes are the same, else zeros."""
    old = task.body.head
    several = (task.pretrained.label_thresholds is not None, task.dataset.examples.several)
    if task.classes == task.pretrained.classes and several[0] == several[1] and type(old) is nn.Linear and old.bias is not None:
        log.info("The classes are those of %s, so its head is trained further.", task.run.finetune.weights)
        return old
    return adapting.fresh(new.in_features, new.out_features)


def head_task(
    task: TransferTask,
    settings: config.Train,
    head: nn.Linear,
    train: adapting.FeatureStream,
    val: adapting.FeatureStream,
) -> loop.Task:
    """The training of a new head, which writes nothing and names no images."""
    weights_K = losses.class_weights(train.labels_M, len(task.classes), settings.class_weights)
    loss = losses.make(settings, None if weights_K is None else weights_K.to(task.engine.device))
    return loop.Task(
        net=head, train=train, val=val, settings=settings, steps=timing.planned_steps(settings, train.steps), loss=loss,
        engine=task.engine, seed=task.run.seed, journal=Journal(None), checkpoints=None, stop=task.stop, names=lambda _: [],
        observers=[lambda event: task.watch(event) if event["event"] == "step" else None], scorer=scorer_of(task.run),
    )  # fmt: skip


def _head_steps(task: TransferTask, planned: loop.Task) -> int:
    """The steps of a new head: as planned, and no more than fit into half of the command's minutes that are left."""
    own, whole = planned.settings.minutes, task.run.finetune.minutes
    if own is None and whole is None:
        return planned.steps
    left = 60 * own if own is not None else (60 * (whole or 0) - elapsed()) / 2
    fitting = max(planned.train.steps, int(left / timing.seconds_a_step(planned, 20, at_most=2.0)))
    return fitting if own is not None else min(planned.steps, fitting)


def retrain(task: TransferTask, done: Mapping[str, Outcome]) -> Outcome:
    """All weights, from the pretrained ones with an adapted head, at a small learning rate that is smaller in early layers."""
    adapted = done["adapt"] if "adapt" in done else adapt(task, done)
    starting_weights = starting_weights_of(task, adapted.model.net)
    trained = _trained(task, "retrain", task.run.finetune.retrain, starting_weights)
    unfreeze_batchnorm(starting_weights.net)
    return trained._replace(seconds=trained.seconds + adapted.seconds)


def starting_weights_of(task: TransferTask, net: Net) -> StartingWeights:
    """What retrain starts from: a copy of this network, its batch norms frozen unless the settings say otherwise."""
    net, settings = copy.deepcopy(net).requires_grad_(True), task.run.finetune
    task.engine.place(net)
    if settings.freeze_batchnorm is not False:
        freeze_batchnorm(net)
    about = {"weights": settings.weights, "strategy": "retrain"}
    unfreeze_epochs = retraining.unfreeze_epochs if settings.unfreeze == "gradual" else None
    return StartingWeights(net, task.pretrained.preprocess, task.pretrained.license, about, unfreeze_epochs)


def scratch(task: TransferTask, _done: Mapping[str, Outcome]) -> Outcome:
    """The control: the same network from its own initialization."""
    return _trained(task, "scratch", task.run.finetune.scratch, None)


def training_run(task: TransferTask, settings: config.Train | None) -> config.Run:
    """The settings of one training among the strategies."""
    assert settings is not None
    return config.change(task.run, {"train": config.given_by_user(settings)})


def _trained(task: TransferTask, name: str, settings: config.Train | None, starting_weights: StartingWeights | None) -> Outcome:
    folder, run = task.folder / name, training_run(task, settings)
    trainings = task.trainings - (name == "scratch" and "retrain" in (task.run.finetune.strategies or ()))
    context = replace(task, run=run, folder=folder, trainings=trainings)
    trained = fit.fit(context, (folder / "run.toml").exists(), starting_weights)
    val = Predictions(*run_folder.load_predictions(folder / "predictions-val.npz"))
    more = {name: getattr(trained.result, name) for name in ("steps", "epochs", "best_epoch")}
    return Outcome(trained.model, val, trained.test, trained.result.seconds, more)


STRATEGIES: Mapping[str, Callable[[TransferTask, Mapping[str, Outcome]], Outcome]] = MappingProxyType(
    {"extract": extract, "adapt": adapt, "retrain": retrain, "scratch": scratch}  # the cheapest first
)


def attempt(task: TransferTask, name: str, done: Mapping[str, Outcome]) -> Outcome:
    """Run a strategy, or load its result where a run before has written it."""
    folder = task.folder / name
    facts = run_folder.read_json(folder / "strategy.json")
    if facts is not None and (lost := run_record.missing(folder)):
        log.warning("%s is missing, though the run wrote it; %s is done again.", folder / lost, name)
        facts = None
    if facts is None:
        log.info("%s: %s", name, (STRATEGIES[name].__doc__ or "").partition(".")[0])
        outcome = STRATEGIES[name](task, done)
        facts = {"seconds": outcome.seconds, "more": outcome.more, **task.stamp}
        card = model_card.of_training(outcome.model, task.dataset, task.run.data.path, outcome.val, outcome.test)
        outcome.model.save(folder / "model", card)
        if not (folder / "run.toml").exists():  # a strategy that is no training of its own has no record yet
            run_record.begin(folder, run_record.Identity(task.stamp["run_id"], config.given(task.run)), {})
        run_record.add_model(folder)
        predictions = predictions_files(outcome.val, outcome.test, task.stamp)
        run_record.add(folder, {**predictions, "strategy.json": run_folder.as_bytes(facts)})
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)  # from here on nothing resumes from them
        return outcome
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)  # where the process was killed before it did that
    if facts["run_id"] != task.stamp["run_id"]:
        raise ArtifactError(
            f"{folder} is of another run: expected {task.stamp['run_id']}, got {facts['run_id']}. "
            "Remove it, and it is done again."
        )
    run_record.content(folder, run_record.MODEL)
    val, test = (folder / f"predictions-{part}.npz" for part in ("val", "test"))
    return Outcome(
        Model.load(folder / "model", str(task.engine.device)), Predictions(*run_folder.load_predictions(val)),
        Predictions(*run_folder.load_predictions(test)) if test.exists() else None, facts["seconds"], facts["more"],
    )  # fmt: skip
