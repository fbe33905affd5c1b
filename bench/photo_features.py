"""How features of photographs are best read: size, how images are made square, layers, classifier and normalization.

    python bench/photo_features.py trashnet --seeds 20

EfficientNet-Lite0 with ImageNet weights stays as it is; its features are computed once for each size and kind of square. For
each seed the images are divided anew (`data.split_seed`), the classifier is fitted to the training images, its strength chosen
by cross-validation on these, and tested. The difference is paired: to the first row, seed by seed, with its standard error over
the seeds. Several minutes of two cores.
"""

import argparse
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

import numpy as np
import torch

import striate
from striate.base import config
from striate.data import decode, image_facts, sources, split
from striate.data.decode import InputSpec
from striate.data.examples import Examples
from striate.metrics.intervals import wilson
from striate.nets.eval_mode import evaluating
from striate.nets.feature_layer import features
from striate.training.transfer.feature_classifier import fit
from striate.training.transfer.feature_scaling_and_folds import LabeledFeatures
from striate.workflows.finetune.start import BEST, READINGS, at_size

HEAD, LAYERS = "pool9", READINGS[BEST].layer
LATE = "mbconv6_3+mbconv7_4+mbconv8_1+pool9"


class Way(NamedTuple):
    """One way to read features, and to classify them."""

    side: int
    mode: str
    share: float
    layers: str
    classifier: str
    normalize: str
    with_val: bool = False  # the validation images are learned from as well


WAYS = (
    Way(224, "crop", 0.875, HEAD, "svm", "standardize"), Way(224, "crop", 0.875, HEAD, "svm", "l2"),
    Way(224, "crop", 0.875, HEAD, "logistic", "standardize"), Way(224, "crop", 0.875, HEAD, "logistic", "l2"),
    Way(224, "crop", 0.875, LAYERS, "logistic", "standardize"), Way(224, "squash", 1.0, HEAD, "logistic", "standardize"),
    Way(224, "squash", 1.0, LAYERS, "logistic", "standardize"), Way(224, "pad", 1.0, HEAD, "logistic", "standardize"),
    Way(288, "crop", 1.0, LAYERS, "logistic", "standardize"), Way(288, "squash", 1.0, HEAD, "logistic", "standardize"),
    Way(288, "squash", 1.0, LATE, "logistic", "standardize"), Way(288, "squash", 1.0, LAYERS, "svm", "standardize"),
    Way(288, "squash", 1.0, LAYERS, "logistic", "l2"), Way(288, "squash", 1.0, LAYERS, "logistic", "standardize"),
    Way(288, "squash", 1.0, LAYERS, "logistic", "standardize", with_val=True),
    Way(320, "squash", 1.0, LAYERS, "logistic", "standardize"),
)  # fmt: skip


def read(examples: Examples, way: Way) -> dict[str, np.ndarray]:
    """Features of all images at one size, by the name of the layers."""
    model = at_size(striate.load(BEST), way.side)
    spec = InputSpec(way.side, 3, way.mode, share=way.share, interpolation="bicubic")
    names, columns = (HEAD, LATE, LAYERS), {}
    with evaluating(model.net), torch.inference_mode():
        for first in range(0, len(examples), 32):
            paths = [Path(str(examples.root)) / name for name in examples.names[first : first + 32]]
            pixels = np.stack([decode.square(decode.decode_image(path, spec.background), spec) for path in paths])
            images_NCHW = model.preprocess.images(torch.from_numpy(pixels))
            for name, values in zip(names, features(model.net, images_NCHW, names), strict=True):
                columns.setdefault(name, []).append(values.flatten(1).numpy())
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def correct(values_ND: np.ndarray, examples: Examples, parts: split.Split, way: Way) -> int:
    """Test images that are correct."""
    labels_N, none_M = examples.labels_N, parts.val_M[:0]
    train_M = np.concatenate([parts.train_M, parts.val_M]) if way.with_val else parts.train_M
    val_M = none_M if way.with_val else parts.val_M
    train, val = (LabeledFeatures(values_ND[rows_M], labels_N[rows_M]) for rows_M in (train_M, val_M))
    fitted = fit(train, val, len(examples.classes), way.classifier, way.normalize)
    return int((fitted.logits(values_ND[parts.test_M]).argmax(axis=1) == labels_N[parts.test_M]).sum())


def row(way: Way, counts: list[int], tests: list[int], first: list[int]) -> str:
    """One line of the table."""
    score = wilson(sum(counts), sum(tests))
    shares = [100 * (a - b) / n for a, b, n in zip(counts, first, tests, strict=True)]
    layers = {HEAD: "head", LATE: "4", LAYERS: "6"}[way.layers]
    error = stdev(shares) / len(shares) ** 0.5 if len(shares) > 1 else 0.0
    classifier = f"{way.classifier}, {way.normalize}{', with val' if way.with_val else ''}"
    cells = (
        f"{way.side} {way.mode} {way.share:g}", layers, classifier,
        f"{100 * score.value:.1f} % ({100 * score.low:.1f} to {100 * score.high:.1f})", f"{mean(shares):+.1f} ± {error:.1f}",
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description="How features of photographs are best read.")
    parser.add_argument("data", help="a folder of photographs by class")
    parser.add_argument("--seeds", type=int, default=20, help="splits 0 to N - 1")
    parsed = parser.parse_args()
    examples = sources.read(config.build({"data": {"path": parsed.data}}).data)
    paths = [Path(str(examples.root)) / name for name in examples.names]
    hash_N = np.array([image_facts.pixel_hash(decode.decode_image(path, (255, 255, 255))) for path in paths], np.uint64)
    settings = [config.build({"data": {"path": parsed.data, "split_seed": seed}}).data for seed in range(parsed.seeds)]
    parts = [split.divide(examples, hash_N, data) for data in settings]
    print("| input | layers | classifier | test accuracy | difference to the first |\n|---|---|---|---|---|")
    first: list[int] = []
    kept: dict[tuple[int, str, float], dict[str, np.ndarray]] = {}
    for way in WAYS:
        key = (way.side, way.mode, way.share)
        if key not in kept:
            kept[key] = read(examples, way)
        counts = [correct(kept[key][way.layers], examples, part, way) for part in parts]
        first = first or counts
        print(row(way, counts, [len(part.test_M) for part in parts], first), flush=True)


if __name__ == "__main__":
    main()
