"""What the training of a convolutional body was worth: logistic regression on the features of the same body before it.

Of a network that was trained from pretrained weights the body is that of these weights; of one that was trained from scratch,
it has its random initial weights. It is measured when a run is evaluated, on some of its images, and kept in its folder; where
the images are not there any more, it is left out.

Legend: N test images, M training images, D features, K classes.
"""

import json
import logging
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from striate.base import config, files, run_folder, run_record
from striate.base.errors import DiskError, Interrupted, RunError, StriateError
from striate.base.events import Json, Watch
from striate.base.phrases import percent, plural
from striate.base.signals import catch_signals
from striate.metrics import paired_test
from striate.metrics.intervals import wilson
from striate.metrics.strategy_choice import LEVEL
from striate.model import Model
from striate.nets import catalogue
from striate.nets.net import Net
from striate.training import journal
from striate.training.transfer import feature_classifier
from striate.training.transfer.feature_cache import body_sha256
from striate.training.transfer.feature_scaling_and_folds import LabeledFeatures, subsample
from striate.workflows import stored_predictions
from striate.workflows.finetune import start
from striate.workflows.inspect.model_on_data import ModelOnDataset, affordable
from striate.workflows.load_model import load_network
from striate.workflows.open_run import open_run
from striate.workflows.run_context import RunContext
from striate.workflows.stored_predictions import StoredPredictions
from striate.workflows.train import setup

log = logging.getLogger("striate")

FILE = "feature-baseline.json"
_MOST_LEARNED, _MOST_TESTED = 500, 1000  # training images, and test images


class _Body(NamedTuple):
    """The body of a network before its training."""

    net: Net
    what: str  # as in "the features of ..."


def of_run(folder: Path, model: Model, watch: Watch) -> Json | None:
    """The baseline of a run, from its folder where it was measured before.

    None where it does not apply - a network without convolution or gradients, one whose body was not trained, several labels,
    folds - and where the images or the initial weights are not there any more.
    """
    if (content := run_record.content(folder, FILE)) is not None:
        return dict(json.loads(content))
    run, tested = run_folder.settings(folder), stored_predictions.read(folder)
    if not _applies(run, model) or tested.by_folds:
        return None
    try:
        with catch_signals() as stop, open_run(run, model, stop, watch) as on_data:
            before = (run_folder.read_json(folder / "environment.json") or {}).get("data_sha256")
            if before != on_data.dataset.fingerprint():
                return None
            body = _body(folder, run, on_data)
            measured = None if body is None else _measure(body, on_data, tested)
    except Interrupted:
        raise
    except StriateError as error:
        log.info("Without a baseline on features, as the images or the initial weights cannot be read: %s", error)
        return None
    if measured is not None:
        with suppress(RunError, DiskError), files.lock(folder):  # a folder that cannot be written costs time alone
            run_record.add(folder, {FILE: run_folder.as_bytes(measured)})
    return measured


def describe(measured: Json) -> str:
    """The baseline beside the network on the same images, as a sentence."""
    images = f"{plural(measured['n'], 'test image')}, {plural(measured['trained_on'], 'training image')}"
    ends = f"95 % interval {percent(measured['low'])} to {percent(measured['high'])}"
    p = "p < 0.0001" if measured["p_value"] < 1e-4 else f"p = {measured['p_value']:.2g}"
    text = (
        f"logistic regression on the features of {measured['body']}: {percent(measured['accuracy'])} ({ends}, {images}); the "
        f"network has {percent(measured['network'])} of the same images right, {measured['only_network']:,} that it alone has "
        f"right against {measured['only_baseline']:,} ({p})"
    )
    if measured["p_value"] < LEVEL and measured["only_network"] > measured["only_baseline"]:
        return text
    return f"{text}: no clear gain from training the body"


def _applies(run: config.Run, model: Model) -> bool:
    frozen = model.training.get("strategy") in ("extract", "adapt")
    if frozen or run.data.multi_label or catalogue.gradient_free(model.net_name) is not None:
        return False
    return any(isinstance(layer, torch.nn.Conv2d) for layer in model.net.modules())


def _body(folder: Path, run: config.Run, on_data: ModelOnDataset) -> _Body | None:
    """The network as its training began; None for the control of a fine-tuning, and where other weights have that name now."""
    model = on_data.model
    if run.finetune.weights is None:
        context = RunContext(run, on_data.dataset, folder, on_data.engine, on_data.stop, on_data.watch)
        net = setup.build_network(context, model.preprocess)
        return _Body(net.eval(), f"{model.net_name} with its random initial weights")
    if model.training.get("strategy") != "retrain":
        return None
    pretrained = load_network(run.finetune.weights)
    starts = [event for event in journal.read(folder / "journal.jsonl") if event["event"] == "start"]
    pretrained = start.at_size(pretrained, model.input_spec.size_px)
    if not starts or starts[0].get("body") != body_sha256(pretrained.net):
        return None
    on_data.engine.place(pretrained.net)
    return _Body(pretrained.net.eval(), f"{run.finetune.weights} as it was before")


def _measure(body: _Body, on_data: ModelOnDataset, tested: StoredPredictions) -> Json | None:
    """The accuracies on a part of the test images, by a classifier that learned from a part of the training images."""
    dataset, seed = on_data.dataset, 0
    labels_A, most = dataset.examples.labels_N, affordable(body.net)
    train_M = dataset.by_id(dataset.parts.train_M)
    train_M = train_M[subsample(labels_A[train_M], min(_MOST_LEARNED, most), seed)]
    test_N = np.sort(on_data.rows_of(tested.ids_N))
    if len(test_N) == 0 or test_N[0] < 0:
        return None
    test_N = test_N[subsample(labels_A[test_N], min(_MOST_TESTED, most), seed)]
    present_K, labels_M = np.unique(labels_A[train_M], return_inverse=True)
    if len(present_K) < 2:
        return None
    before = on_data._replace(model=replace(on_data.model, net=body.net), known=None)
    train_MD, test_ND = (before.head_inputs(rows, "looking at features") for rows in (train_M, test_N))
    nothing = LabeledFeatures(train_MD[:0], labels_M[:0])
    fitted = feature_classifier.fit(LabeledFeatures(train_MD, labels_M), nothing, len(present_K), "logistic", seed=seed)
    right_N = present_K[fitted.logits(test_ND).argmax(axis=1)] == labels_A[test_N]
    pair = scores(_right(tested, dataset.examples.ids_N[test_N]), right_N)
    measured = {"body": body.what, **pair, "trained_on": len(train_M)}
    return {**measured, "sentence": describe(measured)}


def _right(tested: StoredPredictions, ids_N: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of these images the network of the run classified correctly."""
    order = np.argsort(tested.ids_N)
    rows_N = order[np.searchsorted(tested.ids_N, ids_N, sorter=order)]
    right: NDArray[np.bool_] = tested.logits_NK[rows_N].argmax(axis=1) == tested.labels_N[rows_N]
    return right


def scores(network_N: NDArray[np.bool_], baseline_N: NDArray[np.bool_]) -> Json:
    """The accuracy of the baseline with its interval, and the network on the same images; given which each has right."""
    pair = paired_test.paired(network_N, baseline_N)
    named = dict(zip(("accuracy", "low", "high", "n"), wilson(int(baseline_N.sum()), len(baseline_N)), strict=True))
    return {
        **named, "network": float(network_N.mean()), "only_network": pair.only_a, "only_baseline": pair.only_b,
        "p_value": pair.p_value,
    }  # fmt: skip
