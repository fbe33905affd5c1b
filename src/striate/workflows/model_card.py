"""The card of a model that is about to be written, out of its training and its predictions.

Legend: K classes.
"""

from pathlib import Path

from striate.base import model_card, run_folder
from striate.base.model_card import CardFacts, CardScore, ClassCount
from striate.metrics import classification, multi_label
from striate.metrics.intervals import Interval
from striate.model import Model
from striate.nets import catalogue
from striate.training.inference import Predictions
from striate.workflows.dataset import Dataset
from striate.workflows.several_labels import label_set_scores

_VERSIONS = ("python", "torch", "numpy", "pillow")


def of_training(model: Model, dataset: Dataset, data: str, val: Predictions | None, test: Predictions | None) -> str:
    """The card of a model that was trained on `dataset`, whose path is `data`; without results where nothing was predicted."""
    k, environment = len(model.classes), run_folder.environment()
    train_K = dataset.examples.count(dataset.parts.train_M)
    if model.label_thresholds is not None:
        return _of_several(model, dataset, data, val, test)
    scaled = model.confidence.scaled
    summary = None if test is None else classification.summary(scaled(test.logits_NK), test.labels_N, model.classes)
    per_class = [None] * k if summary is None else summary.per_class
    rows = [
        ClassCount(
            name,
            int(count),
            None if score is None or not score.support else score.recall,
            0 if score is None else score.support,
        )
        for name, count, score in zip(model.classes, train_K, per_class, strict=True)
    ]
    scores = [
        CardScore(part, *classification.accuracy(predictions.logits_NK, predictions.labels_N))
        for part, predictions in (("validation", val), ("test", test))
        if predictions is not None
    ]
    facts = _described(model, f"{_net(model)} on {Path(data).name}")._replace(
        classes=rows, scores=scores, macro_f1=None if summary is None else _value(summary.macro_f1),
        calibration_error=None if summary is None else summary.calibration_error, data=Path(data).name,
        data_sha256=dataset.fingerprint(), versions={name: environment[name] for name in _VERSIONS},
    )  # fmt: skip
    return model_card.render(facts)


def _of_several(model: Model, dataset: Dataset, data: str, val: Predictions | None, test: Predictions | None) -> str:
    """The card of a model of several labels an image."""
    assert model.label_thresholds is not None
    environment, summary = run_folder.environment(), None
    if test is not None:
        summary = multi_label.summary(test.logits_NK, test.labels_N, model.classes, model.label_thresholds)
    scores_K = [None] * len(model.classes) if summary is None else summary.per_label
    rows = [
        ClassCount(
            name, int(count), None if score is None or score.recall is None else score.recall.value,
            0 if score is None else score.support,
        )
        for name, count, score in zip(model.classes, dataset.examples.count(dataset.parts.train_M), scores_K, strict=True)
    ]  # fmt: skip
    scores = [
        CardScore(part, *label_set_scores.score(predictions))
        for part, predictions in (("validation", val), ("test", test))
        if predictions is not None
    ]
    facts = _described(model, f"{_net(model)} on {Path(data).name}")._replace(
        classes=rows, scores=scores, macro_f1=None if summary is None else summary.macro_f1, data=Path(data).name,
        data_sha256=dataset.fingerprint(), versions={name: environment[name] for name in _VERSIONS}, several=True,
    )  # fmt: skip
    return model_card.render(facts)


def _value(score: Interval | None) -> float | None:
    return None if score is None else score.value


def of_import(model: Model) -> str:
    """The card of a model made of weights from elsewhere."""
    return model_card.render(_described(model, f"{_net(model)} from {model.training.get('weights', 'elsewhere')}"))


def _net(model: Model) -> str:
    """The name of the network; of one's own without the folder of its file."""
    return Path(model.net_name).name if catalogue.is_own(model.net_name) else model.net_name


def _described(model: Model, name: str) -> CardFacts:
    spec, net = model.input_spec, model.net
    color = "gray" if spec.channels == 1 else "color"
    parameters = sum(parameter.numel() for parameter in net.parameters()) or int(getattr(net, "learned", 0))
    started_from = model.training.get("weights")
    return CardFacts(
        name, _net(model), parameters, f"{spec.size_px} x {spec.size_px} px, {color}, by {spec.resize_mode}",
        [ClassCount(name) for name in model.classes], started_from=None if started_from is None else str(started_from),
        license=model.license, false_alarms=None if model.unknown_inputs is None else model.unknown_inputs.rate,
    )  # fmt: skip
