"""What a network's test accuracy stands beside: methods that see small copies of the images alone, learned on the same images.

They are measured once, at the end of a training, and kept in `baselines.json` of its run.

Legend: N test images, M training images, H x W pixels, C channels, D values of a small image, K classes.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import run_folder, run_record
from striate.base.events import Json
from striate.data import on_the_fly
from striate.data.on_the_fly import DecodedOnTheFly, PixelRows
from striate.metrics.intervals import wilson
from striate.workflows.dataset import Dataset

FILE = "baselines.json"
SIDE_PX = 16
_CHUNK = 64
_BYTES = 2**27  # of pixels that are read at most, about half a second
_MOST, _MOST_DECODED = 5000, 200  # training images that are compared with; and where images are decoded each time
_PENALTY = 0.01  # of the linear model's weights, as a share of the mean variance times the images


class Parts(NamedTuple):
    """Rows of the images to learn from and to test on, and the labels of all images."""

    train_M: NDArray[np.int64]
    test_N: NDArray[np.int64]
    labels_A: NDArray[np.int64]


def add(folder: Path, dataset: Dataset) -> None:
    """Measure the baselines of a run on its test images, and write them."""
    parts = Parts(dataset.parts.train_M, dataset.parts.test_M, dataset.examples.labels_N)
    if len(parts.test_N):
        run_record.add(folder, {FILE: run_folder.as_bytes(measure(dataset.stored.pixels_NHWC, parts))})


def read(folder: Path) -> Json | None:
    """The baselines of a run; None where it has none, as with folds."""
    content = run_record.content(folder, FILE)
    return None if content is None else dict(json.loads(content))


def measure(pixels_AHWC: PixelRows, parts: Parts) -> Json:
    """Accuracies with their intervals; of many images, those are taken that a few hundred milliseconds allow."""
    most = _MOST_DECODED if isinstance(pixels_AHWC, DecodedOnTheFly) else _MOST
    most = max(100, min(most, _BYTES // int(np.prod(pixels_AHWC.shape[1:]))))
    train_M, test_N = _thinned(parts.train_M, most), _thinned(parts.test_N, most // 2)
    train_MD, test_ND = small(pixels_AHWC, train_M), small(pixels_AHWC, test_N)
    labels_M, labels_N = parts.labels_A[train_M], parts.labels_A[test_N]
    predicted = {
        "nearest_pixels": labels_M[_nearest(train_MD, test_ND)],
        "linear_pixels": _linear(train_MD, labels_M, test_ND),
    }
    scores = {name: wilson(int((guess_N == labels_N).sum()), len(labels_N)) for name, guess_N in predicted.items()}
    named = {name: dict(zip(("accuracy", "low", "high", "n"), score, strict=True)) for name, score in scores.items()}
    return {**named, "side_px": SIDE_PX, "trained_on": len(train_M)}


def _thinned(rows_N: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many rows, at equal distances, so that classes which lie in blocks keep their shares."""
    return rows_N if len(rows_N) <= most else rows_N[np.linspace(0, len(rows_N) - 1, most).astype(np.int64)]


def small(pixels_AHWC: PixelRows, rows_N: NDArray[np.int64]) -> NDArray[np.float32]:
    """These images as means over 16 x 16 areas, or whole where they are smaller, in [0, 1]; N x D."""
    height, width = pixels_AHWC.shape[1:3]
    tops, lefts = (np.arange(min(side, SIDE_PX)) * side // min(side, SIDE_PX) for side in (height, width))
    areas = np.outer(np.diff([*tops, height]), np.diff([*lefts, width]))[None, :, :, None]
    means = []
    for pixels_NHWC in on_the_fly.in_chunks(pixels_AHWC, rows_N, _CHUNK):
        sums = np.add.reduceat(pixels_NHWC, tops, axis=1, dtype=np.uint32)
        sums = np.add.reduceat(sums, lefts, axis=2, dtype=np.uint32)
        means.append((sums / (255 * areas)).astype(np.float32).reshape(len(pixels_NHWC), -1))
    return np.concatenate(means)


def _nearest(train_MD: NDArray[np.float32], test_ND: NDArray[np.float32]) -> NDArray[np.int64]:
    """The training image whose pixels are nearest to those of each test image."""
    nearest: NDArray[np.int64] = ((train_MD**2).sum(axis=1) - 2 * (test_ND @ train_MD.T)).argmin(axis=1)
    return nearest


def _linear(train_MD: NDArray[np.float32], labels_M: NDArray[np.int64], test_ND: NDArray[np.float32]) -> NDArray[np.int64]:
    """Classes by ridge regression of the pixels on the classes, one of K."""
    mean_D, targets_MK = train_MD.mean(axis=0), np.eye(int(labels_M.max()) + 1)[labels_M]
    centered_MD = (train_MD - mean_D).astype(np.float64)
    gram_DD = centered_MD.T @ centered_MD
    gram_DD[np.diag_indices_from(gram_DD)] += _PENALTY * np.trace(gram_DD) / len(gram_DD) + 1e-9
    weights_DK = np.linalg.solve(gram_DD, centered_MD.T @ (targets_MK - targets_MK.mean(axis=0)))
    predicted_N: NDArray[np.int64] = ((test_ND - mean_D) @ weights_DK + targets_MK.mean(axis=0)).argmax(axis=1)
    return predicted_N
