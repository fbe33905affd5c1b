"""What a run's result says of predictions of several labels: mAP with its interval, and what it does not tell.

Legend: K labels.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from striate.base.events import Json
from striate.metrics import multi_label
from striate.metrics.average_precision import mean_average_precision

if TYPE_CHECKING:
    from striate.training.inference import Predictions

_BESIDE = ("chance", "macro_f1", "micro_f1", "exact_match", "exact_match_low", "exact_match_high", "label_accuracy")


class MapScore(NamedTuple):
    """A mean average precision with its 95 % interval, on `n` images."""

    map: float
    low: float
    high: float
    n: int


def score(predictions: "Predictions") -> MapScore:
    """The mAP of these predictions."""
    multi_label.check(predictions.logits_NK, predictions.labels_N)
    return MapScore(*mean_average_precision(predictions.logits_NK, predictions.labels_N > 0).mean)


def beside(
    val: "Predictions", test: "Predictions | None", classes: tuple[str, ...], thresholds_K: Sequence[float]
) -> Json:  # fmt: skip
    """F1, exact match and labels that are never predicted, of the test images; without any, of the validation images.

    `part` says which; `thresholds` has that of each label.
    """
    part, (_, labels_NK, logits_NK) = ("val", val) if test is None else ("test", test)
    numbers = multi_label.summary(logits_NK, labels_NK, classes, thresholds_K).as_json()
    never = [name for name, row in numbers["per_label"].items() if row["support"] and not row["predicted"]]
    thresholds = dict(zip(classes, thresholds_K, strict=True))
    return {"part": part, **{name: numbers[name] for name in _BESIDE}, "never_predicted": never, "thresholds": thresholds}
