"""Legend: U units of a layer, D inputs of a unit."""

import pytest
import torch
from torch import nn

from striate.base import config
from striate.base.config import Train
from striate.base.errors import SettingError
from striate.nets import factory
from striate.training import muon, optimizer


def settings(**given: object) -> Train:
    return Train.model_validate({"optimizer": "muon", "lr": 0.1, "weight_decay": 0.0, **given})


@pytest.mark.parametrize("shape", [(8, 30), (30, 8), (8, 8)])
def test_singular_values_come_near_to_one_and_the_directions_stay(shape: tuple[int, int]):
    matrix_UD = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    orthogonal_UD = muon.orthogonalized(matrix_UD, 5)
    values = torch.linalg.svdvals(orthogonal_UD)
    assert 0.6 < values.min() <= values.max() < 1.3
    left, _, right = torch.linalg.svd(matrix_UD, full_matrices=False)
    inner = left.T @ orthogonal_UD @ right.T  # diagonal, since an odd polynomial keeps singular vectors
    assert (inner - inner.diagonal().diag()).abs().max() < 1e-5


def test_the_polynomial_by_hand():
    """One iteration of a s + b s^3 + c s^5, of singular values 0.6 and 0.8 of a matrix of norm one."""
    expected = [3.4445 * s - 4.775 * s**3 + 2.0315 * s**5 for s in (0.6, 0.8)]
    assert muon.orthogonalized(torch.diag(torch.tensor([0.6, 0.8])), 1).diagonal().tolist() == pytest.approx(expected, rel=1e-5)


def test_hidden_weights_keep_one_norm_and_move_by_the_rate():
    net = factory.build("mlp", (1, 4, 4), 3, seed=0)
    result = optimizer.make(net, settings())
    before = net.fc1.weight.detach().clone()
    for parameter in net.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    scaled_UD = before * (len(before) ** 0.5 / before.norm())
    gradient_UD = net.fc1.weight.grad.clone()
    result.step()
    # the first buffer is the gradient, and Nesterov's look ahead scales it alone: its directions are those of the gradient
    expected_UD = scaled_UD - 0.1 * muon.orthogonalized(gradient_UD * 1.6)
    torch.testing.assert_close(net.fc1.weight.detach(), expected_UD)


def test_the_last_layer_and_biases_learn_by_sgd_with_nesterov_momentum():
    net = factory.build("mlp", (1, 4, 4), 3, seed=0)
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    result = optimizer.make(net, settings())
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    result.step()
    after = dict(net.named_parameters())
    for name in ("fc3.weight", "fc3.bias", "fc1.bias", "fc2.bias"):
        torch.testing.assert_close(after[name].detach(), before[name] - 0.1 * 1.85)


def test_what_decays_decays_by_the_rate_whatever_its_factor():
    net = factory.build("mlp", (1, 4, 4), 3, seed=0)
    nn.init.constant_(net.fc3.weight, 2.0)
    factors = {name: 4.0 if name.startswith("fc3") else 1.0 for name, _ in net.named_parameters()}
    result = optimizer.make(net, settings(weight_decay=0.5), factors)
    optimizer.set_rate(result, 0.1)
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    result.step()
    torch.testing.assert_close(net.fc3.weight.detach(), torch.full((3, 100), 2 - 0.1 * 0.5 * 2 * 1.85))


def test_what_has_no_gradient_stays():
    net = factory.build("mlp", (1, 4, 4), 3, seed=0)
    result = optimizer.make(net, settings())
    before = net.fc1.weight.detach().clone()
    result.step()
    assert torch.equal(net.fc1.weight, before)


def test_with_adamw_hidden_kernels_move_as_by_muon_and_the_rest_as_by_torch_with_decay():
    net, twin = (factory.build("mnist_cnn", (1, 12, 12), 10, seed=0) for _ in range(2))
    given = Train.model_validate({"optimizer": "muon-adamw", "lr": 1 / 128, "muon_lr": 1 / 16, "weight_decay": 0.1})
    ours, names = optimizer.make(net, given), [name for name, parameter in net.named_parameters() if parameter.dim() > 2]
    rest = {name: parameter for name, parameter in twin.named_parameters() if name not in names[1:]}
    theirs = torch.optim.AdamW(
        [
            {"params": [p for p in rest.values() if p.dim() > 1], "weight_decay": 0.1},
            {"params": [p for p in rest.values() if p.dim() == 1], "weight_decay": 0.0},
        ],
        lr=1 / 128, fused=True,
    )  # fmt: skip
    by_muon = muon.Muon(
        [{"params": [p for name, p in twin.named_parameters() if name not in rest], "orthogonal": True}], lr=1 / 16
    )
    optimizer.set_rate(ours, 1 / 128)
    random = torch.Generator().manual_seed(1)
    for _ in range(3):
        for pair in zip(net.parameters(), twin.parameters(), strict=True):
            pair[0].grad = torch.randn(pair[0].shape, generator=random)
            pair[1].grad = pair[0].grad.clone()
        for each in (ours, theirs, by_muon):
            each.step()
    assert len(names) > 1
    for (name, one), other in zip(net.named_parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, other), name


def test_with_adamw_both_rates_follow_the_schedule():
    net = factory.build("mnist_cnn", (1, 12, 12), 10, seed=0)
    made = optimizer.make(net, Train.model_validate({"optimizer": "muon-adamw", "lr": 0.01, "muon_lr": 0.05}))
    optimizer.set_rate(made, 0.002)
    assert [(group["orthogonal"], group["lr"]) for group in made.param_groups] == [
        (True, pytest.approx(0.01)),
        (False, 0.002),
        (False, 0.002),
    ]


def test_with_adamw_factors_by_layer_multiply_both_rates():
    net = factory.build("mnist_cnn", (1, 12, 12), 10, seed=0)
    factors = {name: 3.0 if name.startswith(("conv2", "fc2")) else 1.0 for name, _ in net.named_parameters()}
    made = optimizer.make(net, Train.model_validate({"optimizer": "muon-adamw", "lr": 0.01, "muon_lr": 0.05}), factors)
    optimizer.set_rate(made, 0.01)
    rates = {id(parameter): group["lr"] for group in made.param_groups for parameter in group["params"]}
    actual = {name: rates[id(parameter)] for name, parameter in net.named_parameters()}
    expected = {name: (0.05 if name == "conv2.weight" else 0.01) * factors[name] for name in factors}
    assert actual == pytest.approx(expected)


def test_with_adamw_torch_puts_the_count_of_steps_of_a_loaded_state_where_its_fused_step_wants_it():
    """torch moves `step` to the device of its parameter for groups that say that they are fused, and for no others."""
    net = factory.build("mnist_cnn", (1, 12, 12), 10, seed=0)
    made = optimizer.make(net, Train.model_validate({"optimizer": "muon-adamw"}))
    assert [(group["orthogonal"], group["fused"]) for group in made.param_groups] == [
        (True, False),
        (False, True),
        (False, True),
    ]
    again = optimizer.make(net, Train.model_validate({"optimizer": "muon-adamw"}))
    again.load_state_dict(made.state_dict())
    assert [group["fused"] for group in again.param_groups] == [False, True, True]


def test_with_adamw_the_head_and_what_is_no_convolution_are_adamw_s():
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.zeros(1, 1, 8))
            self.first, self.second = nn.Conv2d(1, 4, kernel_size=3), nn.Conv2d(4, 4, kernel_size=3)
            self.over_time = nn.Conv1d(4, 4, kernel_size=3)

    own = Own()
    made = optimizer.make(own, Train.model_validate({"optimizer": "muon-adamw"}))
    orthogonal = [parameter for group in made.param_groups if group["orthogonal"] for parameter in group["params"]]
    assert len(orthogonal) == 1
    assert orthogonal[0] is own.second.weight
    net = factory.build("conv 3x3x4, relu, conv 3x3x4, relu, conv 3x3x3, relu, fc", (1, 12, 12), 3, seed=0)
    convolutions = [name for name, layer in net.named_modules() if isinstance(layer, nn.Conv2d)]
    net.head_name = convolutions[2]  # as of networks of timm that end with a convolution
    with_head = optimizer.make(net, Train.model_validate({"optimizer": "muon-adamw"}))
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    taken = [names[id(parameter)] for group in with_head.param_groups if group["orthogonal"] for parameter in group["params"]]
    assert taken == [f"{convolutions[1]}.weight"]


@pytest.mark.parametrize("name", ["mlp", "conv 3x3x4, relu, fc"])
def test_with_adamw_a_network_without_hidden_kernels_is_refused(name: str):
    net = factory.build(name, (1, 4, 4), 3, seed=0)
    with pytest.raises(SettingError) as refused:
        optimizer.make(net, settings(optimizer="muon-adamw"))
    assert str(refused.value) == (
        "train.optimizer='muon-adamw' takes the kernels of convolutions but the first by muon; there are none to train. "
        "Use adamw."
    )


def test_the_rate_of_muon_alone_is_refused_where_it_would_do_nothing():
    with pytest.raises(SettingError, match="muon_lr does not apply with optimizer='adamw'; remove it"):
        config.build({"train": {"optimizer": "adamw", "muon_lr": 0.1}})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"betas": (0.9, 0.99)}, "betas does not apply with optimizer='muon'; remove it"),
        ({"nesterov": True}, "nesterov does not apply with optimizer='muon'; remove it"),
        ({"l2": 0.1}, "l2 does not apply with optimizer='muon', which keeps the norm of the weights; remove it"),
        ({"max_norm": 3.0}, "max_norm does not apply with optimizer='muon', which keeps the norm of the weights; remove it"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(given: dict[str, object], said: str):
    with pytest.raises(SettingError) as refused:
        config.build({"train": {"optimizer": "muon", **given}})
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["muon", "muon-adamw"])
def test_pretrained_weights_are_not_for_it(name: str):
    with pytest.raises(SettingError) as refused:
        config.build({"finetune": {"weights": "x", "strategies": ("retrain",), "retrain": {"optimizer": name}}})
    assert f"optimizer='{name}' does not apply to pretrained weights, whose size it changes" in str(refused.value)


def test_a_closure_is_called_first_and_its_loss_comes_back():
    net = factory.build("mlp", (1, 4, 4), 3, seed=0)
    result, before = optimizer.make(net, settings()), net.fc3.bias.detach().clone()

    def closure() -> float:
        loss = net.fc3.bias.sum()
        torch.autograd.backward(loss)
        return float(loss.detach())

    assert result.step(closure) == pytest.approx(float(before.sum()))
    torch.testing.assert_close(net.fc3.bias.detach(), before - 0.1 * 1.85)
