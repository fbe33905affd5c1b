"""Nearest neighbors on features: which images are stored, and the number k of neighbors.

Legend: M training images, V validation images, D features, K classes, k neighbors.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from striate.base.errors import DataError
from striate.metrics import temperature_scaling
from striate.nets import knn_head
from striate.nets.knn_head import KNNHead
from striate.training.transfer.feature_scaling_and_folds import (
    LabeledFeatures,
    Normalize,
    Values,
    folds,
    standard,
    subsample,
    unit_length,
)  # fmt: skip

NUMBERS = (1, 3, 5, 9, 15, 25)  # of neighbors
MOST_IMAGES = 50_000
MOST_BYTES = 10**9
_MOST_ASKED = 5000
_CHUNK = 256  # images whose distances to all others are held at once


class TriedNumber(NamedTuple):
    """One number of neighbors, and the share of left-out training images that it had right."""

    k: int
    accuracy: float


class FittedKNN(NamedTuple):
    """A fitted classifier by nearest neighbors."""

    layer: KNNHead  # with the training images' features and labels in it
    tried: tuple[TriedNumber, ...]  # all numbers of neighbors; empty where a class has one image

    @property
    def chosen(self) -> dict[str, Any]:
        """The number of neighbors, by its name."""
        return {"k": self.layer.k}

    @property
    def classes(self) -> int:
        """K."""
        return self.layer.out_features

    @property
    def settings(self) -> dict[str, Any]:
        """What builds such a layer, by the names of section [net]."""
        return {"knn_memory": len(self.layer.bank_MD), "knn_k": self.layer.k, "unit_features": self.layer.unit_features}

    @property
    def state(self) -> dict[str, Tensor]:
        """The layer's tensors."""
        return self.layer.state_dict()

    def logits(self, values_MD: Values) -> Values:
        """M x K."""
        with torch.inference_mode():
            parts = [self.layer(torch.tensor(part)).numpy() for part in _chunks(values_MD)]
        return np.concatenate([np.empty((0, self.classes), np.float32), *parts])


def fit(
    train: LabeledFeatures, val: LabeledFeatures, classes: int, normalize: Normalize = "standardize", seed: int = 0,
    tick: Callable[[int, int], None] = lambda _done, _total: None,
) -> FittedKNN:  # fmt: skip
    """Keep the training images; choose k by cross-validation on them, the scale by the validation images; `tick` may raise."""
    train_MD, labels_M = train
    _check_size(*train_MD.shape)
    layer = KNNHead(train_MD.shape[1], classes, len(train_MD), 1, normalize == "l2")
    if normalize == "l2":
        ready_MD = unit_length(train_MD)
    else:
        shift_D, factor_D = standard(train_MD)
        layer.shift_D, layer.factor_D = torch.from_numpy(shift_D), torch.from_numpy(factor_D)
        ready_MD = train_MD - shift_D
        ready_MD *= factor_D
    if not np.isfinite(ready_MD).all():
        raise DataError(
            "expected features that are finite numbers; some are not. Start from other weights, or read another layer."
        )
    layer.bank_MD, layer.labels_M = torch.from_numpy(ready_MD), torch.from_numpy(labels_M)
    tried = _compare(layer.bank_MD, layer.labels_M, classes, seed, tick)
    layer.k = max(tried, key=lambda trial: (trial.accuracy, trial.k)).k if tried else 1
    classifier = FittedKNN(layer, tried)
    if len(val.labels_M):
        layer.scale.fill_(temperature_scaling.scale(classifier.logits(val.values_MD), val.labels_M))
    return classifier


def _check_size(images: int, features: int) -> None:
    if images > MOST_IMAGES:
        raise DataError(
            f"a classifier by nearest neighbors keeps every training image: expected at most {MOST_IMAGES:,}; got {images:,}. "
            "Take --classifier svm or logistic."
        )
    if 4 * images * features > MOST_BYTES:
        raise DataError(
            f"{features:,} features of {images:,} training images take {4e-9 * images * features:.2f} GB, which a classifier "
            f"by nearest neighbors would keep: expected at most {MOST_BYTES / 1e9:g}. Read a layer with fewer by --layer, or "
            "take --classifier svm or logistic."
        )


def _compare(
    bank_MD: Tensor, labels_M: Tensor, classes: int, seed: int, tick: Callable[[int, int], None]
) -> tuple[TriedNumber, ...]:
    """Each image asks those of the other folds, once for all numbers of neighbors; at most 5,000 images ask."""
    labels = labels_M.numpy()
    parts = folds(labels, seed)
    if not parts:
        return ()
    numbers = [k for k in NUMBERS if k <= min(len(part.learn) for part in parts)]
    asking_M = np.isin(np.arange(len(labels)), subsample(labels, _MOST_ASKED, seed))
    right = dict.fromkeys(numbers, 0)
    for number, part in enumerate(parts):
        left_out = torch.from_numpy(part.left_out)
        for queries in _chunks(part.left_out[asking_M[part.left_out]]):
            tick(number, len(parts))
            gaps_NM = knn_head.gaps(bank_MD[queries], bank_MD)
            gaps_NM[:, left_out] = torch.inf
            near_Nk = labels_M[knn_head.nearest(gaps_NM, numbers[-1])]
            for k in numbers:
                answers_N = knn_head.votes(near_Nk[:, :k], classes).argmax(dim=1)
                right[k] += int((answers_N == labels_M[queries]).sum())
    return tuple(TriedNumber(k, right[k] / int(asking_M.sum())) for k in numbers)


def _chunks(rows: Any) -> list[Any]:
    return [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
