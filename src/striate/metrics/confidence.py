"""From logits to predictions: calibrated probabilities, abstention below a threshold, and sets of classes.

Legend: N images, K classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import html_repr
from striate.base.phrases import percent
from striate.metrics import conformal, temperature_scaling
from striate.metrics.classification import Labels, Logits, softmax

_TOP = 5


class Prediction(NamedTuple):
    """A prediction for one image.

    Attributes:
        label: the most probable class.
        probability: of it, 0..1.
        set: the classes among which the true one is, with the model's coverage; the most probable first, and never empty. None
            where the model has no coverage.
        abstained: the probability is below the model's threshold; false where the model has none.
        unknown: the image looks like none of the training set; None where the model cannot tell.
        top: up to five classes with their probabilities, the most probable first.

    """

    label: str
    probability: float
    set: tuple[str, ...] | None
    abstained: bool
    unknown: bool | None
    top: tuple[tuple[str, float], ...]

    def _repr_html_(self) -> str:
        return html_repr.of_mapping({name: percent(share) for name, share in self.top})


@dataclass(frozen=True)
class Confidence:
    """How the logits of a model become probabilities, and how probable a prediction must be.

    Attributes:
        temperature: what logits are divided by before the softmax (`metrics.temperature_scaling`); above 0.
        threshold: the least probability of a prediction, below which the model abstains; None for none.
        max_error: the largest share of wrong predictions that the threshold allows on new images; None where the threshold was
            not chosen for one. Without a threshold the model abstains from every prediction, since none allows so few errors.
        level: the confidence that `max_error` is kept to; None where it is.
        coverage: the share of images whose set of classes has the true one; None for no sets.
        set_threshold: the least probability of a class in a set; None for no sets.
        images: the fingerprint of the images that threshold and sets come from; None where they come from none.

    Raises:
        ValueError: a temperature that is not above 0, or a share outside of 0..1.

    """

    temperature: float = 1.0
    threshold: float | None = None
    max_error: float | None = None
    level: float | None = None
    coverage: float | None = None
    set_threshold: float | None = None
    images: str | None = None

    def __post_init__(self) -> None:
        if not (isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"expected a temperature above 0; got {self.temperature!r}")
        for name in ("threshold", "max_error", "level", "coverage", "set_threshold"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                raise ValueError(f"expected a {name} from 0 to 1; got {share!r}")

    def scaled(self, logits_NK: Logits) -> NDArray[np.float64]:
        """The logits divided by the temperature: the largest of each image stays the largest."""
        scaled_NK: NDArray[np.float64] = logits_NK.astype(np.float64) / self.temperature
        return scaled_NK

    def probabilities(self, logits_NK: Logits) -> NDArray[np.float64]:
        """The calibrated probabilities, N x K."""
        return softmax(self.scaled(logits_NK))

    def abstains(self, probability: float) -> bool:
        """Whether a prediction of this probability is not given."""
        return self.max_error is not None if self.threshold is None else probability < self.threshold


def fitted(logits_NK: Logits, labels_N: Labels) -> Confidence:
    """The temperature that calibrates these validation images best, to six digits; errors are those of `classification.check`.

    A temperature near 1 is that of a classifier whose margins were scaled before: an SVM, nearest neighbors, or a network that
    learns without gradients.
    """
    return Confidence(temperature=float(f"{1 / temperature_scaling.scale(logits_NK, labels_N):.6g}"))


def of_artifact(described: Mapping[str, Any]) -> Confidence:
    """The confidence that a model.json describes; in the first ones there was a threshold alone."""
    own = described.get("confidence")
    return Confidence(threshold=described["threshold"]) if own is None else Confidence(**own)


def predictions(
    logits_NK: Logits, classes: Sequence[str], confidence: Confidence, unknown_N: NDArray[np.bool_] | None = None
) -> list[Prediction]:
    """The prediction for each image; `classes` are the K names, `unknown_N` says which images look like no training image."""
    shares_NK = confidence.probabilities(logits_NK)
    order_NK = np.argsort(-shares_NK, axis=1, kind="stable")
    sizes_N = np.zeros(len(shares_NK), np.int64)
    if confidence.set_threshold is not None:
        sizes_N = conformal.members(shares_NK, confidence.set_threshold).sum(axis=1)
    flags_N: list[bool | None] = [None] * len(shares_NK) if unknown_N is None else unknown_N.tolist()
    answers = []
    for shares_K, order_K, size, unknown in zip(shares_NK, order_NK, sizes_N.tolist(), flags_N, strict=True):
        top = tuple((classes[k], float(shares_K[k])) for k in order_K[:_TOP])
        names = tuple(classes[k] for k in order_K[:size]) or None
        answers.append(Prediction(*top[0], names, confidence.abstains(top[0][1]), unknown, top))
    return answers
