"""The file in int8 or half precision beside the fp32 file: made, and held against the original on held-out images.

Legend: N images, K classes or labels, M images of a split.
"""

import copy
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError, NumbersError
from striate.base.events import Json
from striate.base.option_names import option
from striate.base.phrases import percent
from striate.metrics import multi_label
from striate.metrics.intervals import Interval
from striate.metrics.paired_test import difference
from striate.model import Model
from striate.onnx_model import OnnxModel
from striate.workflows.export import graph, quantize
from striate.workflows.export.proof import Agreement, Reference, compare

MOST_LOSS = 0.02  # of accuracy on the held-out images, beyond which no file is written; or one image, where that is more


class Change(NamedTuple):
    """What less precision changes on the held-out images.

    Attributes:
        agreement: with the original.
        accuracy: of the file less that of the original, with its interval; of several labels an image of all labels right.

    """

    agreement: Agreement
    accuracy: Interval

    def as_json(self) -> Json:
        """For --json."""
        return {"agreement": self.agreement.as_json(), "accuracy_change": self.accuracy._asdict()}


def calibration_rows(labels: NDArray[np.int64], rows_M: NDArray[np.int64], most: int = quantize.IMAGES) -> NDArray[np.int64]:
    """Up to `most` of these rows, as equally many of each class as there are: the first of each, then the second, and so on.

    `rows_M` are in an order that says nothing of the images, as that of their ids; `labels` are of all rows: N, or N x K of
    several labels an image, whose first label counts.
    """
    labels_M = labels[rows_M] if labels.ndim == 1 else labels[rows_M].argmax(axis=1)
    turns_M = np.empty(len(rows_M), np.int64)
    for k in np.unique(labels_M):
        of_class = np.flatnonzero(labels_M == k)
        turns_M[of_class] = np.arange(len(of_class))
    return rows_M[np.lexsort((labels_M, turns_M))[:most]]


def int8(proto: Any, pixels_NHWC: NDArray[np.uint8], model: Model) -> Any:
    """The fp32 graph with its network in int8, whose ranges are measured on these images."""
    if not len(pixels_NHWC):
        raise DataError(
            f"{option('int8')} measures ranges on images, and there are none but those that prove the file. Give more by "
            f"{option('data')}."
        )
    return quantize.quantized(proto, pixels_NHWC, model.net_name)


def fp16(model: Model) -> Any:
    """The graph with its network in half precision; what surrounds it stays in float."""
    return graph.trace(replace(model, net=copy.deepcopy(model.net)), half=True).proto


def change(model: Model, exported: OnnxModel, images: Reference, precision: str) -> Change:
    """How the answers of a file of less precision differ from the original's.

    Raises:
        NumbersError: they are right for fewer images by more than 2 percent of all and by more than one, or not finite.

    """
    agreement, outputs = compare(model, exported, images), exported.predict_pixels(images.pixels_NHWC)
    accuracy = difference(_right(model, outputs.logits, images), _right(model, images.logits_NK, images))
    if -accuracy.value > max(MOST_LOSS, 1 / accuracy.n):
        raise NumbersError(
            f"{precision} costs {model.net_name} {percent(-accuracy.value)} of accuracy ({percent(-accuracy.high)} to "
            f"{percent(-accuracy.low)}) on {accuracy.n:,} held-out images; at most {percent(MOST_LOSS)} is expected, or one "
            f"image. No file was written; export without {option(precision)}, or prove it on more images by {option('data')}."
        )
    return Change(agreement, accuracy)


def _right(model: Model, logits_NK: NDArray[np.float32], images: Reference) -> NDArray[np.bool_]:
    """Which images are classified correctly; of several labels, with all labels right."""
    if model.label_thresholds is None:
        right_N: NDArray[np.bool_] = logits_NK.argmax(axis=1) == images.labels_N
        return right_N
    decided_NK = multi_label.decide(logits_NK, model.label_thresholds)
    all_right_N: NDArray[np.bool_] = (decided_NK == images.labels_N.astype(bool)).all(axis=1)
    return all_right_N
