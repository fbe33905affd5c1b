from math import log

import numpy as np
import pytest
import torch

from striate.training.loss import class_weights, cross_entropy

SCORES = torch.tensor([[10.0, -5.0, 5.0]])
FIRST = torch.tensor([0])


def test_cross_entropy_of_the_textbook_s_scores():
    assert cross_entropy()(SCORES, FIRST).item() == pytest.approx(0.0067156523, rel=2e-5)


def test_even_scores_cost_the_logarithm_of_their_number():
    assert cross_entropy()(torch.zeros(1, 7), FIRST).item() == pytest.approx(log(7))


def test_smoothing_spreads_its_share_over_all_classes():
    plain = cross_entropy()
    by_class = [plain(SCORES, torch.tensor([k])).item() for k in range(3)]
    expected = 0.9 * by_class[0] + 0.1 * sum(by_class) / 3
    assert cross_entropy(0.1)(SCORES, FIRST).item() == pytest.approx(expected)


def test_a_weight_multiplies_the_loss_of_its_class():
    weighted = cross_entropy(0.0, torch.tensor([2.0, 1.0, 0.5]))
    losses_N = weighted(SCORES.repeat(3, 1), torch.tensor([0, 1, 2]))
    plain_N = cross_entropy()(SCORES.repeat(3, 1), torch.tensor([0, 1, 2]))
    assert (losses_N / plain_N).tolist() == pytest.approx([2.0, 1.0, 0.5])


def test_half_precision_is_summed_in_float32():
    assert cross_entropy()(SCORES.bfloat16(), FIRST).dtype == torch.float32


def test_balanced_weights_make_every_class_weigh_the_same():
    labels_N = np.array([0, 0, 0, 1, 3, 3])
    weights_K = class_weights(labels_N, 4, "balanced")
    assert weights_K is not None
    assert weights_K.tolist() == pytest.approx([6 / (3 * 3), 6 / (3 * 1), 0.0, 6 / (3 * 2)])
    assert weights_K[torch.from_numpy(labels_N)].mean().item() == pytest.approx(1.0)
    assert class_weights(labels_N, 4, "none") is None
