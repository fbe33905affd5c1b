import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from striate.base.config import Train
from striate.nets.factory import build
from striate.training import weight_penalty

ROWS = torch.tensor([[3.0, 4.0], [0.3, 0.4]])  # norms 5 and 0.5
NUMBERS = st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=20)


def layer(*rows: list[float]) -> nn.Linear:
    result = nn.Linear(len(rows[0]), len(rows))
    with torch.no_grad():
        result.weight.copy_(torch.tensor(rows))
        result.bias.fill_(2.0)
    return result


def stepped(net: nn.Module, rate: float = 0.5, **settings: object) -> None:
    """One step of plain SGD whose loss has no gradient, so that only the penalty moves weights."""
    actual = weight_penalty.make(net, Train(**settings))
    assert actual is not None
    for weight in net.parameters():
        weight.grad = torch.zeros_like(weight)
    actual.before_step()
    torch.optim.SGD(net.parameters(), rate).step()
    actual.after_step(rate)


def test_nothing_asked_for_is_no_penalty():
    assert weight_penalty.make(nn.Linear(2, 2), Train()) is None


def test_l2_moves_against_twice_the_weight_and_leaves_biases():
    net = layer([1.0, -2.0])
    stepped(net, l2=0.1)
    assert net.weight.flatten().tolist() == pytest.approx([1.0 - 0.5 * 2 * 0.1, -2.0 + 0.5 * 2 * 0.1 * 2])
    assert net.bias.tolist() == [2.0]


def test_l2_is_weight_decay_of_twice_its_size_for_plain_sgd():
    one, other = layer([1.0, -2.0]), layer([1.0, -2.0])
    stepped(one, l2=0.1)
    other.weight.grad = torch.zeros_like(other.weight)
    torch.optim.SGD([other.weight], 0.5, weight_decay=0.2).step()
    assert one.weight.tolist() == other.weight.tolist()


def test_the_subgradient_of_l1_is_its_sign_and_zero_stays():
    net = layer([1.0, -0.03, 0.0])
    stepped(net, l1=0.1, l1_by="subgradient")
    assert net.weight.flatten().tolist() == pytest.approx([0.95, 0.02, 0.0])  # a small weight is overshot, not made zero


def test_the_proximal_step_makes_exact_zeros():
    net = layer([1.0, -0.03, 0.0, -0.5])
    stepped(net, l1=0.1)
    assert net.weight.flatten().tolist() == pytest.approx([0.95, 0.0, 0.0, -0.45])
    assert int((net.weight == 0).sum()) == 2
    assert net.bias.tolist() == [2.0]


def test_the_elastic_net_is_both():
    net = layer([1.0])
    stepped(net, l1=0.1, l2=0.1)
    assert net.weight.item() == pytest.approx(1.0 - 0.5 * 2 * 0.1 - 0.5 * 0.1)


def test_a_long_row_comes_to_the_bound_and_a_short_one_stays():
    rows = ROWS.clone()
    weight_penalty.bound_norms(rows, 2.5)
    assert rows.tolist() == [[1.5, 2.0], pytest.approx([0.3, 0.4])]


@given(NUMBERS, st.floats(0.1, 10))
def test_bounding_twice_is_bounding_once_and_keeps_the_direction(numbers: list[float], largest: float):
    row = torch.tensor([numbers], dtype=torch.float64)
    once = row.clone()
    weight_penalty.bound_norms(once, largest)
    twice = once.clone()
    weight_penalty.bound_norms(twice, largest)
    assert torch.allclose(twice, once, rtol=1e-12)
    assert float(once.norm()) <= largest * (1 + 1e-9)
    assert torch.allclose(once * row.norm(), row * once.norm(), atol=1e-9)


@given(NUMBERS, st.floats(0, 10))
def test_soft_thresholds_shrink_towards_zero_and_never_past_it(numbers: list[float], amount: float):
    before = torch.tensor(numbers, dtype=torch.float64)
    after = before.clone()
    weight_penalty.soft_threshold(after, amount)
    assert torch.allclose((before - after).abs(), before.abs().clamp(max=amount))
    assert bool((after * before >= 0).all())


def test_filters_are_bounded_with_all_their_channels():
    filters = torch.ones(2, 3, 2, 2)  # norm sqrt(12)
    weight_penalty.bound_norms(filters, 3.0)
    assert filters.flatten(1).norm(dim=1).tolist() == pytest.approx([3.0, 3.0])


def test_the_links_of_a_table_are_bounded_unit_by_unit():
    net = build("lenet1", (1, 28, 28), 10)
    table = net.get_submodule("h3")
    with torch.no_grad():
        table.weight.fill_(1.0)
    actual = weight_penalty.make(net, Train(max_norm=2.0))
    assert actual is not None
    actual.after_step(0.1)
    norms = table.full_weight().flatten(1).norm(dim=1)
    assert norms.tolist() == pytest.approx([2.0] * 12)


def test_a_frozen_weight_is_left_alone():
    net = layer([3.0, 4.0])
    net.weight.requires_grad_(False)
    actual = weight_penalty.make(net, Train(max_norm=1.0))
    assert actual is not None
    actual.after_step(0.1)
    assert net.weight.flatten().tolist() == [3.0, 4.0]


def test_dropout_is_inverted_and_its_argument_is_the_share_dropped():
    torch.manual_seed(0)
    ones = torch.ones(200_000)
    dropped = nn.Dropout(0.25)(ones)
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.01)
    assert dropped.var().item() == pytest.approx(0.25 / 0.75, abs=0.01)  # x^2 (1 - p) / p with p = 0.75 kept
    assert torch.equal(nn.Dropout(0.25).eval()(ones), ones)


@pytest.mark.parametrize(
    ("net", "layer"), [("mnist_cnn", "dropout"), ("alexnet", "dropout6"), ("fc 4, dropout 0.4, fc", "dropout1")]
)
def test_the_networks_layers_drop_the_share_that_is_set_and_nothing_in_use(net: str, layer: str):
    own = {} if " " in net else {"dropout": 0.4}
    dropout = build(net, (3, 67, 67), 10, **own).get_submodule(layer)
    torch.manual_seed(0)
    x, keep = 3.0, 0.6
    dropped = dropout.train()(torch.full((200_000,), x))
    assert dropped.unique().tolist() == pytest.approx([0.0, x / keep])
    assert dropped.mean().item() == pytest.approx(x, abs=0.03)
    assert dropped.var().item() == pytest.approx(x**2 * (1 - keep) / keep, rel=0.02)
    assert dropout.eval()(torch.full((5,), x)).tolist() == [x] * 5
