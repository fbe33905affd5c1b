"""Whether an exported file answers as the model that it was made of, on held-out images.

Legend: N images, K classes.
"""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import NumbersError
from striate.base.events import Json
from striate.model import Model
from striate.onnx_model import OnnxOutputs

TOLERANCE = 1e-4  # of the largest logit, or of 1 where that is smaller
_BATCHES = (1, 2, 17)


class Exported(Protocol):
    """A file that was loaded."""

    def predict_pixels(self, images_NHWC: NDArray[np.uint8]) -> OnnxOutputs:
        """What it says of images of the model's size."""


class Agreement(NamedTuple):
    """How far two sets of answers for the same images agree.

    Attributes:
        n: images.
        top1: share of them with the same prediction; of several labels an image, with the same labels.
        max_abs_logit: the largest difference of a logit.
        largest_logit: by its absolute value, of the original.
        near_ties: images with other predictions, of which the original's two best logits, or a label and its threshold, are no
            further apart than the two differ anyway.
        unknown: share of the images with the same unknown-input flag; None where there is no flag.

    """

    n: int
    top1: float
    max_abs_logit: float
    largest_logit: float
    near_ties: int
    unknown: float | None

    def as_json(self) -> Json:
        """For --json."""
        return self._asdict()


class Reference(NamedTuple):
    """The images that a file is held against, and what the original says of them."""

    pixels_NHWC: NDArray[np.uint8]
    labels_N: NDArray[np.int64]
    logits_NK: NDArray[np.float32]
    features_ND: NDArray[np.float32]


def reference(model: Model, pixels_NHWC: NDArray[np.uint8], labels_N: NDArray[np.int64]) -> Reference:
    """The original's answers, by one pass."""
    outputs = model.logits_and_embeddings(pixels_NHWC)
    return Reference(pixels_NHWC, labels_N, outputs.logits_NK, outputs.embeddings_ND)


def prove(model: Model, exported: Exported, images: Reference) -> Agreement:
    """How far an fp32 file agrees with its original, in batches of 1, 2 and 17 too.

    Raises:
        NumbersError: it does not: a prediction differs that is no near tie, or a logit by more than 1e-4 of the largest.

    """
    agreement = compare(model, exported, images)
    bound = TOLERANCE * max(1.0, agreement.largest_logit)
    if agreement.max_abs_logit > bound:
        _refuse(f"a logit differs by {agreement.max_abs_logit:.3g}, more than {bound:.3g}", model, agreement.n)
    different = round(agreement.n * (1 - agreement.top1)) - agreement.near_ties
    if different:
        _refuse(f"{different} predictions differ and are no near ties", model, agreement.n)
    rows = np.resize(np.arange(len(images.labels_N)), max(_BATCHES))
    for size in _BATCHES:
        outputs = exported.predict_pixels(images.pixels_NHWC[rows[:size]])
        largest = float(np.abs(outputs.logits - images.logits_NK[rows[:size]]).max())
        if largest > bound:
            _refuse(f"in a batch of {size} a logit differs by {largest:.3g}, more than {bound:.3g}", model, agreement.n)
        features = np.abs(outputs.features - images.features_ND[rows[:size]]).max()
        if features > TOLERANCE * max(1.0, float(np.abs(images.features_ND).max())):
            _refuse(f"a feature differs by {features:.3g}", model, agreement.n)
    return agreement


def compare(model: Model, exported: Exported, images: Reference) -> Agreement:
    """How far a file agrees with its original."""
    outputs = exported.predict_pixels(images.pixels_NHWC)
    ours_NK, theirs_NK = images.logits_NK, outputs.logits
    differences_N = np.abs(ours_NK - theirs_NK).max(axis=1)
    if model.label_thresholds is None:
        other_N = ours_NK.argmax(axis=1) != theirs_NK.argmax(axis=1)
        best_N2 = np.sort(ours_NK, axis=1)[:, -2:]
        margin_N = best_N2[:, -1] - best_N2[:, 0]
    else:
        limits_K = _logit(np.array(model.label_thresholds))
        other_N = ((ours_NK >= limits_K) != (theirs_NK >= limits_K)).any(axis=1)
        margin_N = np.abs(ours_NK - limits_K).min(axis=1)
    flag = model.unknown_inputs
    same = None
    if flag is not None and outputs.unknown is not None:
        same = float((flag.flags(images.features_ND) == outputs.unknown).mean())
    ties = int((other_N & (margin_N <= 2 * differences_N) & (differences_N <= TOLERANCE * np.abs(ours_NK).max())).sum())
    return Agreement(
        len(ours_NK), float(1 - other_N.mean()), float(differences_N.max()), float(np.abs(ours_NK).max()), ties, same
    )


def _logit(shares_K: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        logits_K: NDArray[np.float64] = np.log(shares_K) - np.log1p(-shares_K)
    return logits_K


def _refuse(what: str, model: Model, count: int) -> None:
    raise NumbersError(
        f"the exported {model.net_name} does not answer as the original: {what}, on {count:,} held-out images. No file was "
        "written; use the run itself, and report this network with the versions that `striate doctor` prints."
    )
