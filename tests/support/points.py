"""Points that stand for features."""

import numpy as np

from striate.training.transfer.feature_scaling_and_folds import LabeledFeatures


def clusters(seed: int, classes: int = 3, each: int = 30, features: int = 6, spread: float = 0.3) -> LabeledFeatures:
    """Points around corners of a cube, which planes can part."""
    draws = np.random.default_rng(seed)
    labels_M = np.repeat(np.arange(classes), each)
    points_MD = np.eye(classes, features)[labels_M] + spread * draws.normal(size=(len(labels_M), features))
    order = draws.permutation(len(labels_M))
    return LabeledFeatures(points_MD[order].astype(np.float32), labels_M[order])
