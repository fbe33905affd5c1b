"""Numbers by hand, and both verdicts on maps whose faithfulness is known."""

from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from striate.base.errors import SettingError
from striate.interpret import faithfulness
from striate.interpret.attribution.query import make_query
from striate.interpret.faithfulness import FaithfulnessTest, judge, rank_correlation, verdict, with_random_weights
from striate.nets.architectures.lenet5 import RadialBasis
from striate.nets.blocks import Subsampling
from striate.nets.factory import build
from support.attribution_nets import Line, Own


def corner(_net: Own, images_NCHW: Tensor) -> Tensor:
    """Says yes as far as the upper left quarter of an 8 x 8 image is bright."""
    bright_N = images_NCHW[:, 0, :4, :4].mean((1, 2))
    return torch.stack([10 * bright_N - 5, torch.zeros_like(bright_N)], 1)


NET = Own((1, 8, 8), corner, unused=nn.Linear(1, 1))
IMAGE = torch.ones(1, 1, 8, 8)
TRUE = torch.zeros(1, 8, 8)
TRUE[0, :4, :4] = torch.arange(16.0).view(4, 4) + 1
FALSE = TRUE.flip(1, 2)


def judged(heat_NHW: Tensor, fresh: Tensor | None = None, **tests: int) -> faithfulness.Faithfulness:
    other_NHW = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(1)) if fresh is None else fresh
    probabilities = make_query(NET, IMAGE).probabilities
    (result,) = judge(NET, IMAGE, torch.tensor([0]), heat_NHW, probabilities, lambda _net: other_NHW, FaithfulnessTest(**tests))
    return result


def test_the_curves_of_a_true_map_by_hand():
    result = judged(TRUE, steps=4)
    yes, no = 1 / (1 + np.exp(-5)), 1 / (1 + np.exp(5))
    # a quarter of 64 pixels goes at a time, and the first quarter is all that counts
    assert result.deletion_curve_S == pytest.approx([yes, no, no, no, no])
    assert result.insertion_curve_S == pytest.approx([no, yes, yes, yes, yes])
    assert result.deletion_area == pytest.approx((yes + 7 * no) / 8)
    assert result.insertion_area == pytest.approx((no + 7 * yes) / 8)
    assert result.forward_passes == 5 * (2 * 20 + 5)
    # A quarter at random leaves 3/4 of the corner, on average, and so on down to nothing
    assert result.deletion_area < result.random_deletion_area < result.insertion_area


def test_a_map_that_is_right_is_faithful_and_one_of_the_other_corner_is_not():
    right, wrong = judged(TRUE), judged(FALSE)
    assert right.faithful
    assert right.p_value == 1 / 20
    assert right.gain == pytest.approx(right.shifted_deletion_area - right.deletion_area)
    assert right.gain > 0.3
    assert right.reason.startswith("faithful: better than 19 of 19 shifted controls (mean probability during deletion ")
    assert not wrong.faithful
    assert wrong.gain < 0
    assert wrong.reason.startswith("not faithful: shifted controls do as well at ")
    assert "of 19 shifts (mean probability during deletion" in wrong.reason


def test_a_map_that_does_not_change_with_the_weights_is_marked():
    result = judged(TRUE, fresh=2 * TRUE)
    assert result.rank_correlation == pytest.approx(1)
    assert not result.faithful
    assert result.reason == (
        "not faithful: it hardly changes with random weights (rank correlation 1.00), so it shows the image and not what was "
        "learned"
    )


def test_an_empty_map_is_marked():
    result = judged(torch.zeros(1, 8, 8))
    assert (result.faithful, result.reason, result.rank_correlation) == (
        False,
        "not faithful: the map is empty",
        0,
    )


def test_as_many_meaningless_maps_pass_as_the_error_rate_says():
    """Spots at places that have nothing to do with the image: one in ten may pass."""
    generator = torch.Generator().manual_seed(7)
    passed = 0
    for _ in range(60):
        spots = torch.nn.functional.interpolate(torch.rand(1, 1, 3, 3, generator=generator) ** 3, (8, 8), mode="bilinear")[:, 0]
        place = torch.randint(8, (2,), generator=generator).tolist()
        passed += judged(spots.roll(place, (1, 2)), steps=4).faithful
    assert passed <= 12  # of 60 at 10 %: more in 1 of 100 cases


def test_the_verdict_follows_from_the_curves():
    flat, random_RS = np.full((20, 2, 3), 0.5), np.array([[1.0, 0.5, 0.0], [1.0, 0.0, 0.0]])
    assert verdict(flat, random_RS, correlation=0).p_value == 1
    assert verdict(flat, random_RS, correlation=0).random_deletion_area == 0.375  # the mean of 1/2 and 1/4
    best = flat.copy()
    best[0] = [[0.5, 0.0, 0.0], [0.5, 1.0, 1.0]]
    result = verdict(best, random_RS, correlation=0.69)
    assert (
        result.faithful,
        result.p_value,
        result.deletion_area,
        result.gain,
    ) == (True, 0.05, 0.125, 0.375)
    assert not verdict(best, random_RS, correlation=0.7).faithful
    assert not verdict(best[:9], random_RS, correlation=0).faithful  # 8 shifts cannot tell one in ten
    assert "do as well at 0 of 8 shifts" in verdict(best[:9], random_RS, correlation=0).reason
    best[1] = best[0]
    assert verdict(best, random_RS, correlation=0).faithful  # one shift as good may be close by
    best[2] = best[0]
    assert not verdict(best, random_RS, correlation=0).faithful


def test_it_depends_on_the_seed_alone():
    noise = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(3))
    one, same, other = judged(noise), judged(noise), judged(noise, seed=1)
    assert (one.random_deletion_area, one.deletion_area) == (same.random_deletion_area, same.deletion_area)
    assert (one.random_deletion_area, one.deletion_area) != (other.random_deletion_area, one.deletion_area)


def test_settings_below_one_are_refused():
    with pytest.raises(SettingError, match=r"expected 9 shifts or more.*got 8 shifts, 4 steps, 5 orders and 3 copies"):
        judged(TRUE, steps=4, shifts=8)


@pytest.mark.parametrize("size", [(8, 8), (17, 23), (224, 224), (5, 90)])
def test_the_squares_cover_every_pixel_once(size: tuple[int, int]):
    squares = faithfulness._squares(torch.zeros(1, 1, *size))
    assert max(squares.rows, squares.columns) <= faithfulness.ACROSS
    kept = squares.pixels(torch.eye(squares.number))
    assert kept.shape == (squares.number, 1, *size)
    assert kept.sum(0).eq(1).all()
    ramp = torch.rand(1, *size, dtype=torch.float64)
    by_hand = [(ramp * mask).sum() / mask.sum() for mask in kept[:, 0]]
    assert squares.means(ramp)[0] == pytest.approx(torch.stack(by_hand).numpy())


def test_the_other_places_lie_evenly_and_the_first_is_the_map_s_own():
    squares = faithfulness._squares(torch.zeros(1, 1, 20, 16))
    assert (squares.rows, squares.columns) == (10, 8)
    marks = np.zeros(80)
    marks[0] = 1
    result = [divmod(int(squares.moved(marks, place, 20).argmax()), 8) for place in range(20)]
    # 4 x 5 places: rows 0, 2.5, 5, 7.5 and columns 0, 1.6, 3.2, 4.8, 6.4, rounded
    assert result == [(row, column) for row in (0, 2, 5, 8) for column in (0, 2, 3, 5, 6)]


@given(st.lists(st.integers(-5, 5), min_size=3, max_size=20), st.data())
def test_rank_correlation_is_that_of_scipy(values: list[int], data: st.DataObject):
    stats = pytest.importorskip("scipy.stats")
    others = data.draw(st.lists(st.integers(-3, 3), min_size=len(values), max_size=len(values)))
    a, b = np.array(values, float), np.array(others, float)
    result = rank_correlation(a, b)
    if len(set(values)) == 1 or len(set(others)) == 1:
        assert result == 0
    else:
        assert result == pytest.approx(stats.spearmanr(a, b).statistic)


@pytest.mark.parametrize("name", ["resnet20", "lenet5", "lecun1989", "googlenet_bn"])
def test_weights_drawn_anew_are_all_others_and_the_network_itself_is_as_it_was(name: str):
    chw = (3, 32, 32) if name in ("resnet20", "googlenet_bn") else (1, 32, 32)
    net = build(name, chw, 10, seed=1).eval()
    for weight in net.parameters():
        weight.data.add_(0.1 * torch.rand_like(weight))  # so that no bias is zero
    before = {key: value.clone() for key, value in net.state_dict().items()}
    state = torch.get_rng_state()
    fresh, same, other = with_random_weights(net, 0), with_random_weights(net, 0), with_random_weights(net, 0, 1)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert not [key for key, weight in fresh.named_parameters() if torch.equal(weight, before[key])]
    assert all(torch.equal(value, same.state_dict()[key]) for key, value in fresh.state_dict().items())
    large = [key for key, weight in fresh.named_parameters() if weight.dim() > 1]
    assert not [key for key in large if torch.equal(fresh.state_dict()[key], other.state_dict()[key])]
    image = torch.rand(2, *chw, generator=torch.Generator().manual_seed(0))
    assert torch.isfinite(fresh(image)).all()


def test_the_weights_of_a_large_network_wait_in_a_file(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(faithfulness, "_LARGE", 100)
    net = build("conv 3x3x4, bn, relu, fc", (1, 8, 8), 2)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    for number in (0, 1):
        expected = with_random_weights(net, 3, number).state_dict()
        with suppress(KeyError), faithfulness.random_weights(net, 3, number) as changed:
            assert changed is net
            assert all(torch.equal(value, expected[key]) for key, value in net.state_dict().items())
            raise KeyError
        assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    monkeypatch.setattr(faithfulness, "_LARGE", 2**28)
    with faithfulness.random_weights(net, 3) as changed:
        assert changed is not net


def test_norms_begin_anew_and_what_is_not_learned_stays():
    net = build("conv 3x3x4, bn, relu, fc", (1, 8, 8), 2).train()
    net(torch.randn(8, 1, 8, 8) + 3)
    fresh = with_random_weights(net, 0).state_dict()
    assert (fresh["bn1.running_mean"].tolist(), fresh["bn1.running_var"].tolist()) == ([0] * 4, [1] * 4)
    lenet = build("lenet5", (1, 32, 32), 10)
    assert isinstance(lenet.head, RadialBasis)
    assert torch.equal(with_random_weights(lenet, 0).get_submodule("output").codes_KD, lenet.head.codes_KD)
    pool = Line((2, 4, 4), pool1=Subsampling(2))
    assert not torch.equal(with_random_weights(pool, 0).get_submodule("pool1").weight, pool.get_submodule("pool1").weight)
