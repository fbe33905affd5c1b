from math import log

import numpy as np
import pytest
import torch

from striate.training.epoch_scores import ONE_LABEL, SEVERAL_LABELS, rank
from striate.training.inference import Predictions

LOGITS = log(3) * np.array([[1.0, -1.0], [1.0, 1.0], [-1.0, -1.0], [-1.0, 1.0]])  # probabilities 3/4 and 1/4


def test_of_one_label_the_accuracy_and_the_loss_by_hand():
    labels_N = np.array([0, 0, 1, 1])
    scores = ONE_LABEL.validation(Predictions(np.arange(4, dtype=np.uint64), labels_N, LOGITS))
    # softmax of (1, -1) log 3 is 9/10; of equal logits 1/2
    assert scores == {"accuracy": 0.75, "loss": pytest.approx(-(2 * log(0.9) + 2 * log(0.5)) / 4)}
    assert ONE_LABEL.right(torch.from_numpy(LOGITS), torch.from_numpy(labels_N)).item() == 3
    assert rank({"accuracy": 0.5, "loss": 2.0}) == (0.5, -2.0)


def test_of_several_labels_the_map_chooses_by_hand():
    labels_NK = np.array([[1, 0], [0, 1], [0, 0], [0, 0]])
    scores = SEVERAL_LABELS.validation(Predictions(np.arange(4, dtype=np.uint64), labels_NK, LOGITS))
    # two labels are wrong: the second image's first, and the last image's second; each positive is one of two equal scores
    assert scores["accuracy"] == 6 / 8
    assert scores["map"] == pytest.approx(1 / 2)
    assert scores["loss"] == pytest.approx(-(6 * log(3 / 4) + 2 * log(1 / 4)) / 8)
    assert SEVERAL_LABELS.right(torch.from_numpy(LOGITS), torch.from_numpy(labels_NK)).item() == 3.0
    assert rank({"accuracy": 0.9, "loss": 2.0, "map": 0.5}) == (0.5, -2.0)
