from math import log

import numpy as np
import pytest
import torch

from striate.nets.building import build
from striate.nets.googlenet import GoogLeNetOut
from striate.training.loss import class_weights, cross_entropy, final, over_heads

SCORES = torch.tensor([[10.0, -5.0, 5.0]])
FIRST = torch.tensor([0])
# softmax of the first class: 1/2, 3/4, 1/4
HEADS = GoogLeNetOut(torch.zeros(1, 2), torch.tensor([[log(3), 0.0]]), torch.tensor([[0.0, log(3)]]))


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


def test_auxiliary_heads_weigh_three_tenths_each():
    expected = log(2) + 0.3 * (log(4 / 3) + log(4))
    assert expected == pytest.approx(1.195340, abs=1e-6)
    assert over_heads(cross_entropy(), HEADS, FIRST).tolist() == pytest.approx([expected])
    other = log(2) + 0.3 * log(4) + 0.3 * log(4 / 3)  # of the second class: 1/2, 1/4, 3/4
    assert over_heads(cross_entropy(), HEADS, torch.tensor([1])).tolist() == pytest.approx([other])
    swapped = GoogLeNetOut(HEADS.aux4a_NK, HEADS.logits_NK, HEADS.aux4d_NK)
    assert over_heads(cross_entropy(), swapped, FIRST).tolist() == pytest.approx([log(4 / 3) + 0.3 * (log(2) + log(4))])


def test_each_image_has_a_loss_of_its_own_over_the_heads_in_the_weight_of_its_class():
    heads = GoogLeNetOut(*(logits_NK.repeat(2, 1) for logits_NK in HEADS))
    weighted = cross_entropy(0.0, torch.tensor([2.0, 0.5]))
    losses_N = over_heads(weighted, heads, torch.tensor([0, 1]))
    assert losses_N.tolist() == pytest.approx([2 * 1.195340, 0.5 * 1.195340], abs=1e-5)


def test_gradients_reach_the_heads_by_their_weights():
    heads = GoogLeNetOut(*(torch.zeros(1, 2, requires_grad=True) for _ in range(3)))
    over_heads(cross_entropy(), heads, FIRST).sum().backward()
    found = [logits_NK.grad.flatten().tolist() for logits_NK in heads if logits_NK.grad is not None]
    assert found == [pytest.approx([-share / 2, share / 2]) for share in (1, 0.3, 0.3)]  # softmax minus target


def test_plain_logits_pass_through():
    assert final(SCORES) is SCORES
    assert over_heads(cross_entropy(), SCORES, FIRST).tolist() == cross_entropy()(SCORES, FIRST).tolist()


def test_what_counts_as_the_answer_is_the_last_head_alone():
    assert final(HEADS) is HEADS.logits_NK
    net = build("googlenet", (3, 32, 32), 4, aux=True)
    images_NCHW = torch.zeros(2, 3, 32, 32)
    outputs = net.train()(images_NCHW)
    assert isinstance(outputs, GoogLeNetOut)
    assert [logits_NK.shape for logits_NK in outputs] == [(2, 4)] * 3
    assert isinstance(net.eval()(images_NCHW), torch.Tensor)
