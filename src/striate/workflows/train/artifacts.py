"""What a training writes into its folder: settings and environment at its start; model, predictions and result at its end."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from striate.base import config, looks_ledger, run_folder, run_images, run_record
from striate.base.errors import ArtifactError, DataError, RunError
from striate.base.events import Json
from striate.base.phrases import plural
from striate.metrics import classification, confidence, label_thresholds, multi_label
from striate.metrics.class_findings import never_predicted
from striate.metrics.confidence import Confidence
from striate.model import Model
from striate.nets import catalogue, factory, own_network
from striate.training import tensorboard
from striate.training.device import Engine
from striate.training.inference import Predictions
from striate.training.journal import Journal
from striate.training.loop import Fitted
from striate.workflows import model_card
from striate.workflows.run_context import RunContext
from striate.workflows.several_labels import label_set_scores
from striate.workflows.several_labels.label_set_scores import MapScore
from striate.workflows.train import unknown_inputs
from striate.workflows.train.setup import StartingWeights, TrainingSetup

log = logging.getLogger("striate")

_BESIDE = ("majority", "macro_f1", "balanced_accuracy")  # with the ends of their intervals


class Score(NamedTuple):
    """An accuracy with its 95 % interval, on `n` images."""

    accuracy: float
    low: float
    high: float
    n: int


class TrainResult(NamedTuple):
    """What `striate train --json` prints, and `result.json` holds."""

    run: str  # folder of the run
    net: str | None  # name of the network
    steps: int  # of the optimizer
    seconds: float  # of training
    epochs: int  # that were trained
    best_epoch: int  # the epoch whose weights are saved
    seed: int  # of the run
    parameters: int  # of the network
    val: Score | MapScore | None  # score on the validation images
    test: Score | MapScore | None  # score on the test images; None where there are none
    weights_sha256: str | None  # of the saved weights; None in processes that do not write
    report: str | None  # path of the report; None until it is written
    images: dict[str, int]  # number of train, val and test images
    quarantined: int  # files that are not used because something is wrong with them
    ignored: int  # files that are not images
    class_scores: Json | None = None  # what accuracy does not tell, see `class_scores`
    folds: tuple[Score | MapScore | None, ...] | None = None  # score of each fold; None where there are no folds

    def as_json(self) -> dict[str, Any]:
        """As a dictionary for JSON; without `folds` where there are none."""
        values = {**self._asdict(), "val": score_json(self.val), "test": score_json(self.test)}
        if self.folds is None:
            del values["folds"]
            return values
        return {**values, "folds": [score_json(fold) for fold in self.folds]}


class Trained(NamedTuple):
    """What a training leaves: its result, its model, and the predictions for the test images."""

    result: TrainResult
    model: Model
    test: Predictions | None


def score(predictions: Predictions | None) -> Score | MapScore | None:
    """Accuracy, of several labels mAP, with its 95 % interval; None where nothing was predicted."""
    if predictions is None:
        return None
    if predictions.labels_N.ndim == 2:
        return label_set_scores.score(predictions)
    accuracy = classification.accuracy(predictions.logits_NK, predictions.labels_N)
    return Score(accuracy.value, accuracy.low, accuracy.high, accuracy.n)


def scores_beside(model: Model, val: Predictions, test: Predictions | None) -> Json:
    """What stands beside the accuracy, or beside mAP of several labels, for JSON."""
    if model.label_thresholds is None:
        return class_scores(val, test, model.classes)
    return label_set_scores.beside(val, test, model.classes, model.label_thresholds)


def class_scores(val: Predictions, test: Predictions | None, classes: tuple[str, ...]) -> Json:
    """Macro F1, balanced accuracy, the majority-class baseline and the classes that are never predicted, of the test images.

    Without test images they are of the validation images; `part` says which.
    """
    part, (_, labels_N, logits_NK) = ("val", val) if test is None else ("test", test)
    numbers = classification.summary(logits_NK, labels_N, classes).as_json()
    scores = {name: value for name, value in numbers.items() if name.startswith(_BESIDE)}
    return {"part": part, **scores, "never_predicted": list(never_predicted(numbers["confusion"], classes))}


def score_json(value: Score | MapScore | None) -> dict[str, Any] | None:
    """A score for JSON."""
    return None if value is None else value._asdict()


def write_start(
    context: RunContext, saved: Json | None, other_processes: bool = False, **requested: bytes
) -> run_record.Identity:
    """Write run.toml, environment.json, data.json and images.npz of a run that begins; the identity of the run.

    `saved` is the state of a run that is resumed, where something that it depends on has changed since: refused by its name.
    With `other_processes` their number may have changed. `requested` are more files of a run that begins, by stem.
    """
    folder, engine, dataset = context.folder, context.engine, context.dataset
    environment = run_folder.environment(**_of_engine(engine), data_sha256=dataset.fingerprint())
    name = context.run.net.name or ""
    source = own_network.read(name) if catalogue.is_own(name) else None
    settings, images = config.given(context.run), dataset.run_images().as_bytes()
    if saved is not None:
        refuse_other_engine(folder, engine, context.run, other_processes)
        _refuse_change(folder, environment, settings, saved, other_processes)
        _refuse_other_division(folder, images)
        if source is not None and run_record.content(folder, own_network.COPY) != source.content:
            raise RunError(
                f"{source.path} has changed since {folder} began, which keeps it as {own_network.COPY}. "
                "Put it back as it was, or start a new run."
            )
        return run_record.read(folder).identity
    parts = dataset.parts
    counts = [len(rows_M) for rows_M in (parts.train_M, parts.val_M, parts.test_M)]
    identity = run_record.identify(settings, environment=environment, images=counts)
    contents = {
        "environment.json": run_folder.as_bytes(environment), "data.json": run_folder.as_bytes(dataset.account()),
        run_images.FILE: images,
    }  # fmt: skip
    if source is not None:
        contents[own_network.COPY] = source.content
    contents |= {f"{stem}.toml": content for stem, content in requested.items()}
    run_record.begin(folder, identity, {**contents, "run.toml": config.to_toml(context.run).encode()})
    return identity


def refuse_other_engine(folder: Path, engine: Engine, run: config.Run, other_processes: bool = False) -> None:
    """Refuse to resume a run on a machine where it, or one of its folds, would end with other weights.

    Folds that a worker of a cluster trained on another device are left to such a worker.
    """
    now = run_folder.environment(**_of_engine(engine))
    if other_processes:
        del now["processes"]
    # Before precisions were noted a CPU had bf16 where it was asked for
    not_noted = {"precision": "bf16" if run.engine.precision == "bf16" else "fp32"} if engine.device.type == "cpu" else {}
    run_folder.refuse_other_machine(folder, now, not_noted)
    for fold in sorted(folder.glob("folds/fold-*")):
        if (run_folder.read_json(fold / "environment.json") or {}).get("device") == now["device"]:
            run_folder.refuse_other_machine(fold, now, not_noted)


def _of_engine(engine: Engine) -> Json:
    """What environment.json says of the machine besides versions."""
    return {
        "device": str(engine.device), "threads": engine.threads, "processes": engine.world, "precision": engine.precision,
    }  # fmt: skip


def _refuse_change(folder: Path, now: Json, settings: Json, saved: Json, other_processes: bool) -> None:
    before, identity = run_folder.read_json(folder / "environment.json"), run_record.read(folder).identity
    if before is None:
        raise ArtifactError(
            f"expected environment.json in {folder}; there is none. Restore it from a copy, or start a new run."
        )
    if before["data_sha256"] != now["data_sha256"]:
        raise DataError(
            f"the images have changed since {folder} began: expected data {before['data_sha256'][:12]}..., got "
            f"{now['data_sha256'][:12]}... Restore them, or start a new run."
        )
    if other_processes and before["processes"] != now["processes"]:
        log.warning(
            "%s began with %s and continues with %s: it will not end with the same weights as without the change.", folder,
            plural(before["processes"], "process"), plural(now["processes"], "process"),
        )  # fmt: skip
    if (edited := run_record.difference(identity.settings, settings)) is not None:
        raise RunError(f"{folder} began with other settings: {edited}. Put it back, or start a new run.")
    if "run" in saved and saved["run"]["run_id"] != identity.run_id:
        other = run_record.difference(identity.settings, saved["run"]["settings"])
        raise ArtifactError(
            f"the checkpoint in {folder} is of another run, {saved['run']['run_id']}: "
            f"{other or 'its settings are the same, its images or its machine are not'}. This run is {identity.run_id}. "
            "Remove the checkpoint, or put this run's back."
        )


def _refuse_other_division(folder: Path, images: bytes) -> None:
    """Refuse to resume where an image is in another part of the split than when the run began."""
    began = run_record.content(folder, run_images.FILE)
    if began is None:
        raise ArtifactError(f"expected {run_images.FILE} in {folder}; there is none. {run_record.RESTORE}")
    if began != images:
        raise DataError(
            f"the images are divided otherwise than when {folder} began, so test images could be trained on. Resume with the "
            f"versions in environment.json, or start a new run."
        )


def evaluate_and_save(
    context: RunContext,
    setup: TrainingSetup,
    fitted: Fitted,
    journal: Journal,
    identity: run_record.Identity | None,
    starting_weights: StartingWeights | None = None,
) -> Trained:
    """Predict the validation and test images with a trained network, and write the artifact and the result."""
    run, dataset, net, loaders = context.run, context.dataset, setup.net, setup.loaders
    val, test, flag = unknown_inputs.predict_parts(context, setup)
    net.drop_auxiliary()
    stamp = {} if identity is None else identity.stamp()
    model = _model(context, setup, fitted, starting_weights, stamp)
    model = decided_by(replace(model, unknown_inputs=flag), val)
    result = TrainResult(
        run=str(context.folder), net=run.net.name, steps=fitted.steps, seconds=round(fitted.seconds, 2),
        epochs=len(fitted.history), best_epoch=fitted.best["epoch"], seed=run.seed,
        parameters=_parameters(net), val=score(val), test=score(test),
        weights_sha256=None, report=None, images={part: len(loaders[part]) for part in ("train", "val", "test")},
        quarantined=len(dataset.examples.quarantined) + len(dataset.parts.leaked), ignored=len(dataset.examples.ignored),
        class_scores=scores_beside(model, val, test),
    )  # fmt: skip
    if identity is not None:
        card = model_card.of_training(model, dataset, run.data.path, val, test)
        result = result._replace(weights_sha256=model.save(context.folder / "model", card))
        run_record.add_model(context.folder)
        run_record.add(context.folder, predictions_files(val, test, stamp))
        end = {name: getattr(result, name) for name in ("steps", "seconds", "weights_sha256")}
        journal.write("end", durable=True, **end)
        run_record.add(context.folder, {"result.json": run_folder.as_bytes(result.as_json())})
        log_result(run, context.folder, val, test)
        for old in sorted((context.folder / "checkpoints").glob("step-*"))[:-1]:
            shutil.rmtree(old, ignore_errors=True)
    return Trained(result, model, test)


def decided_by(model: Model, val: Predictions) -> Model:
    """The model with what turns its logits into predictions, fitted on validation images: temperature, or thresholds."""
    if val.labels_N.ndim == 2:
        thresholds = label_thresholds.fit(multi_label.sigmoid(val.logits_NK), val.labels_N > 0)
        return replace(model, confidence=Confidence(), label_thresholds=thresholds)
    return replace(model, confidence=confidence.fitted(val.logits_NK, val.labels_N), label_thresholds=None)


def count_look(pixel_hash_M: NDArray[np.uint64], folder: Path, command: str) -> None:
    """Enter into the ledger that a run was scored on these test images."""
    looks_ledger.add(looks_ledger.fingerprint(pixel_hash_M), run_record.read(folder).identity.run_id, command)


def log_result(run: config.Run, folder: Path, val: Predictions, test: Predictions | None) -> None:
    """Where the run logs for TensorBoard, its settings and its scores."""
    if run.tensorboard:
        measure = "mAP" if run.data.multi_label else "accuracy"
        scores = {f"result/validation {measure}": score(val), f"result/test {measure}": score(test)}
        accuracies = {tag: value[0] for tag, value in scores.items() if value is not None}
        tensorboard.write_result(folder, dict(run_record.flat(config.given(run))), accuracies)


def predictions_files(val: Predictions, test: Predictions | None, stamp: dict[str, str]) -> dict[str, bytes]:
    """The content of predictions-val.npz, and of predictions-test.npz where there are test images."""
    parts = {"val": val} if test is None else {"val": val, "test": test}
    return {f"predictions-{name}.npz": run_folder.predictions_bytes(*part, stamp) for name, part in parts.items()}


def _parameters(net: Any) -> int:
    """Learned numbers of a network; one that learns without gradients counts its own."""
    return sum(parameter.numel() for parameter in net.parameters()) or int(net.learned)


def _model(
    context: RunContext, setup: TrainingSetup, fitted: Fitted, starting_weights: StartingWeights | None, stamp: dict[str, str]
) -> Model:
    run, dataset, name = context.run, context.dataset, context.run.net.name or ""
    settings = run.net.own()
    if "aux" in factory.settings_of(name):
        settings["aux"] = False
    if catalogue.gradient_free(name):
        settings["grown"] = setup.net.grown
    training = {"steps": fitted.steps, "best_epoch": fitted.best["epoch"], "seed": run.seed, "recipe": run.recipe, **stamp}
    training |= {"flip": bool(run.augment.flip), **(starting_weights.about if starting_weights is not None else {})}
    return Model(
        net=setup.net.eval(), net_name=name, net_settings=settings, preprocess=setup.preprocess.to(torch.device("cpu")),
        input_spec=dataset.input_spec, classes=dataset.examples.classes, training=training,
        license="" if starting_weights is None else starting_weights.license,
    )  # fmt: skip
