from math import log

import numpy as np
import pytest
import torch

from striate.base.config import Train, build
from striate.base.errors import SettingError
from striate.nets import factory
from striate.nets.architectures.googlenet import GoogLeNetOut
from striate.training.loss import (
    asymmetric,
    binary_cross_entropy,
    class_weights,
    crammer_singer,
    cross_entropy,
    final,
    make,
    over_heads,
    weighted,
    weston_watkins,
)  # fmt: skip

SCORES = torch.tensor([[10.0, -5.0, 5.0]])
FIRST = torch.tensor([0])
# softmax of the first class: 1/2, 3/4, 1/4
HEADS = GoogLeNetOut(torch.zeros(1, 2), torch.tensor([[log(3), 0.0]]), torch.tensor([[0.0, log(3)]]))


def test_cross_entropy_of_the_textbook_s_scores():
    assert cross_entropy()(SCORES, FIRST).item() == pytest.approx(0.0067156523, rel=2e-5)


def test_softmax_of_the_textbook_s_scores_is_what_their_losses_say():
    shares = [torch.exp(-cross_entropy()(SCORES.double(), torch.tensor([k]))).item() for k in range(3)]
    assert shares == pytest.approx([0.9933068, 3.0385e-7, 0.0066928], rel=1e-4)


def test_even_scores_cost_the_logarithm_of_their_number():
    assert cross_entropy()(torch.zeros(1, 7), FIRST).item() == pytest.approx(log(7))


def test_smoothing_spreads_its_share_over_all_classes():
    plain = cross_entropy()
    by_class = [plain(SCORES, torch.tensor([k])).item() for k in range(3)]
    expected = 0.9 * by_class[0] + 0.1 * sum(by_class) / 3
    assert cross_entropy(0.1)(SCORES, FIRST).item() == pytest.approx(expected)


def test_a_weight_multiplies_the_loss_of_its_class():
    heavier = weighted(cross_entropy(), torch.tensor([2.0, 1.0, 0.5]))
    losses_N = heavier(SCORES.repeat(3, 1), torch.tensor([0, 1, 2]))
    plain_N = cross_entropy()(SCORES.repeat(3, 1), torch.tensor([0, 1, 2]))
    assert (losses_N / plain_N).tolist() == pytest.approx([2.0, 1.0, 0.5])


def test_hinge_of_the_textbook_s_scores_with_a_margin_of_ten():
    assert weston_watkins(10.0)(SCORES, FIRST).tolist() == [5.0]  # max(0, -5 - 10 + 10) + max(0, 5 - 10 + 10)
    assert weston_watkins(10.0, squared=True)(SCORES, FIRST).tolist() == [25.0]
    assert crammer_singer(10.0)(SCORES, FIRST).tolist() == [5.0]
    assert crammer_singer(10.0, squared=True)(SCORES, FIRST).tolist() == [25.0]


def test_the_two_hinge_losses_differ_where_two_classes_come_near():
    near = torch.tensor([[10.0, 8.0, 5.0]])
    assert weston_watkins(10.0)(near, FIRST).tolist() == [13.0]  # (8 - 10 + 10) + (5 - 10 + 10)
    assert crammer_singer(10.0)(near, FIRST).tolist() == [8.0]
    assert weston_watkins(10.0)(torch.tensor([[13.0, -7.0, 11.0]]), FIRST).tolist() == [8.0]
    by_torch = torch.nn.MultiMarginLoss(margin=10, reduction="none")(near, FIRST)
    assert (3 * by_torch).tolist() == pytest.approx([13.0])


@pytest.mark.parametrize(("squared", "whole"), [(False, 5.0), (True, 25.0)])
def test_torch_s_own_hinge_is_ours_divided_by_the_classes(squared: bool, whole: float):
    by_torch = torch.nn.MultiMarginLoss(p=2 if squared else 1, margin=10, reduction="none")(SCORES, FIRST)
    assert by_torch.tolist() == pytest.approx([whole / 3])
    assert weston_watkins(10.0, squared)(SCORES, FIRST).tolist() == [whole]


def test_hinge_is_zero_where_every_margin_is_kept_and_sends_no_gradient():
    scores = torch.tensor([[5.0, 3.9, 1.0]], requires_grad=True)
    for loss in (weston_watkins(), crammer_singer()):
        lost = loss(scores, FIRST)
        assert lost.tolist() == [0.0]
        assert torch.autograd.grad(lost.sum(), scores)[0].tolist() == [[0.0, 0.0, 0.0]]


def test_focal_weighs_an_image_by_what_it_lacks_to_certainty():
    logits = torch.tensor([[log(3), 0.0]])  # 3/4 for the first class
    assert cross_entropy(focal=2.0)(logits, FIRST).tolist() == pytest.approx([(1 / 4) ** 2 * log(4 / 3)])
    assert cross_entropy(focal=2.0)(logits, FIRST + 1).tolist() == pytest.approx([(3 / 4) ** 2 * log(4)])


def test_settings_choose_the_loss():
    near = torch.tensor([[10.0, 8.0, 5.0]])
    wanted = [
        ({"loss": "weston-watkins", "margin": 10.0}, 13.0), ({"loss": "crammer-singer", "margin": 10.0, "squared": True}, 64.0),
        ({"loss": "weston-watkins"}, 0.0), ({"label_smoothing": 0.0}, cross_entropy()(near, FIRST).item()),
        ({}, cross_entropy(0.05)(near, FIRST).item()),
    ]  # fmt: skip
    for settings, expected in wanted:
        assert make(Train(**settings), None)(near, FIRST).item() == pytest.approx(expected)
    heavier = make(Train(loss="weston-watkins", margin=10.0), torch.tensor([2.0, 1.0, 1.0]))
    assert heavier(near, FIRST).tolist() == [26.0]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"margin": 2.0}, "train: margin does not apply with loss='cross-entropy'; remove it."),
        ({"loss": "crammer-singer", "focal": 2.0}, "train: focal does not apply with loss='crammer-singer'; remove it."),
        (
            {"loss": "weston-watkins", "label_smoothing": 0.1},
            "train: label_smoothing does not apply with loss='weston-watkins'; remove it.",
        ),
        ({"l1_by": "proximal"}, "train: l1_by does not apply without l1; remove it."),
    ],
)
def test_settings_of_another_loss_are_refused(settings: dict[str, object], text: str):
    with pytest.raises(SettingError) as refused:
        build({"train": settings})
    assert str(refused.value) == text


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
    heavier = weighted(cross_entropy(), torch.tensor([2.0, 0.5]))
    losses_N = over_heads(heavier, heads, torch.tensor([0, 1]))
    assert losses_N.tolist() == pytest.approx([2 * 1.195340, 0.5 * 1.195340], abs=1e-5)


def test_mixed_images_cost_what_their_soft_label_costs():
    logits = torch.tensor([[1.0, 2.0, -1.0], [0.0, 1.0, 0.5]])
    own, other, shares = torch.tensor([0, 1]), torch.tensor([2, 1]), torch.tensor([0.7, 0.2])
    soft = torch.tensor([[0.7, 0.0, 0.3], [0.0, 1.0, 0.0]])
    expected = torch.nn.functional.cross_entropy(logits, soft, reduction="none")
    assert torch.allclose(over_heads(cross_entropy(), logits, own, other, shares), expected)
    heads = GoogLeNetOut(logits, logits, logits)
    assert torch.allclose(over_heads(cross_entropy(), heads, own, other, shares), 1.6 * expected)


def test_gradients_reach_the_heads_by_their_weights():
    heads = GoogLeNetOut(*(torch.zeros(1, 2, requires_grad=True) for _ in range(3)))
    over_heads(cross_entropy(), heads, FIRST).sum().backward()
    actual = [logits_NK.grad.flatten().tolist() for logits_NK in heads if logits_NK.grad is not None]
    assert actual == [pytest.approx([-share / 2, share / 2]) for share in (1, 0.3, 0.3)]  # softmax minus target


def test_plain_logits_pass_through():
    assert final(SCORES) is SCORES
    assert over_heads(cross_entropy(), SCORES, FIRST).tolist() == cross_entropy()(SCORES, FIRST).tolist()


def test_what_counts_as_the_answer_is_the_last_head_alone():
    assert final(HEADS) is HEADS.logits_NK
    net = factory.build("googlenet", (3, 32, 32), 4, aux=True)
    images_NCHW = torch.zeros(2, 3, 32, 32)
    outputs = net.train()(images_NCHW)
    assert isinstance(outputs, GoogLeNetOut)
    assert [logits_NK.shape for logits_NK in outputs] == [(2, 4)] * 3
    assert isinstance(net.eval()(images_NCHW), torch.Tensor)


def test_binary_cross_entropy_is_the_mean_over_the_labels_by_hand():
    # probabilities 3/4 and 1/4; the image has the first label alone, then both
    logits_NK = torch.tensor([[log(3), -log(3)]] * 2)
    labels_NK = torch.tensor([[1, 0], [1, 1]])
    expected = [-log(3 / 4), -(log(3 / 4) + log(1 / 4)) / 2]
    assert binary_cross_entropy()(logits_NK, labels_NK).tolist() == pytest.approx(expected)


def test_the_asymmetric_loss_by_hand():
    # p = 3/4 of a label that it has: (1/4)^1 log(3/4); p = 1/4 of one that it has not: q = 0.2, 0.2^2 log(0.8)
    logits_NK, labels_NK = torch.tensor([[log(3), -log(3)]]), torch.tensor([[1, 0]])
    expected = -(log(3 / 4) / 4 + 0.04 * log(0.8)) / 2
    assert asymmetric(1.0, 2.0, 0.05)(logits_NK, labels_NK).item() == pytest.approx(expected, rel=1e-5)


def test_the_asymmetric_loss_without_exponents_and_shift_is_binary_cross_entropy():
    logits_NK, labels_NK = torch.randn(5, 4, generator=torch.manual_seed(0)) * 8, torch.eye(5, 4)
    plain = binary_cross_entropy()(logits_NK, labels_NK)
    assert torch.allclose(asymmetric(0, 0, 0)(logits_NK, labels_NK), plain)


def test_labels_that_are_easily_absent_cost_nothing_and_every_gradient_is_finite():
    logits_NK = torch.tensor([[-200.0, -5.0, 0.0, 5.0, 200.0]] * 2, requires_grad=True)
    labels_NK = torch.tensor([[0] * 5, [1] * 5])
    for exponents in ((0.0, 4.0), (1.0, 4.0), (0.5, 0.5), (0.0, 0.0)):
        losses_N = asymmetric(*exponents, 0.05)(logits_NK, labels_NK)
        (gradient,) = torch.autograd.grad(losses_N.sum(), logits_NK)
        assert torch.isfinite(losses_N).all()
        assert torch.isfinite(gradient).all()
        assert gradient[0, :2].abs().max() == 0  # p is below the shift
