import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from striate.base.config import Train
from striate.training import optimizer


def one_weight(settings: Train, gradient: float = 1.0, steps: int = 1) -> float:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 2.0)
    result = optimizer.make(layer, settings)
    for _ in range(steps):
        layer.weight.grad = torch.full((1, 1), gradient)
        result.step()
    return layer.weight.item()


def train(**settings: object) -> Train:
    return Train.model_validate({"lr": 0.1, "weight_decay": 0.0, **settings})


def test_sgd_by_hand():
    assert one_weight(train(optimizer="sgd", momentum=0.0)) == pytest.approx(1.9)
    # momentum 0.9 is the default: v = 1, then 1.9
    assert one_weight(train(optimizer="sgd"), steps=2) == pytest.approx(2 - 0.1 - 0.19)
    # Nesterov looks ahead: g + 0.9 v
    assert one_weight(train(optimizer="sgd", nesterov=True)) == pytest.approx(2 - 0.1 * 1.9)


def test_sgd_adds_decay_to_the_gradient():
    assert one_weight(train(optimizer="sgd", momentum=0.0, weight_decay=0.5)) == pytest.approx(2 - 0.1 * (1 + 0.5 * 2))


def test_adam_s_first_step_is_the_rate_whatever_the_gradient():
    assert one_weight(train(optimizer="adam"), gradient=7.0) == pytest.approx(1.9)


def test_adamw_decays_apart_from_the_gradient():
    assert one_weight(train(optimizer="adamw", weight_decay=0.5)) == pytest.approx(2 * (1 - 0.1 * 0.5) - 0.1)


def test_biases_and_norms_do_not_decay():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2))
    result = optimizer.make(net, train(optimizer="adamw", weight_decay=0.3))
    decay = {id(p): group["weight_decay"] for group in result.param_groups for p in group["params"]}
    assert [decay[id(p)] for p in net.parameters()] == [0.3, 0.0, 0.0, 0.0, 0.3, 0.0]


def test_set_rate_reaches_every_group():
    result = optimizer.make(nn.Linear(2, 2), train())
    optimizer.set_rate(result, 0.25)
    assert [group["lr"] for group in result.param_groups] == [0.25, 0.25]


def test_clip_scales_all_gradients_together():
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.grad = torch.tensor([[3.0, 4.0]])
    optimizer.clip(layer.parameters(), 1.0)
    assert layer.weight.grad.flatten().tolist() == pytest.approx([0.6, 0.8], rel=1e-5)


@pytest.mark.parametrize(
    ("name", "theirs"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_steps_are_those_of_torch_bit_for_bit(name: str, theirs: type[torch.optim.Optimizer]):
    torch.manual_seed(0)
    ours, twin = nn.Linear(5, 3), nn.Linear(5, 3)
    twin.load_state_dict(ours.state_dict())
    result = optimizer.make(ours, train(optimizer=name))
    kept = {"momentum": 0.9} if name == "sgd" else {"betas": (0.9, 0.999), "fused": True, "weight_decay": 0.0}
    plain = theirs([twin.weight, twin.bias], lr=0.1, **kept)
    for _ in range(3):
        for net, steps in ((ours, result), (twin, plain)):
            steps.zero_grad()
            net(torch.ones(2, 5)).square().sum().backward()
            steps.step()
    assert all(torch.equal(*pair) for pair in zip(ours.parameters(), twin.parameters(), strict=True))
    assert {frozenset(moments) for moments in result.state_dict()["state"].values()} == {
        frozenset(moments) for moments in plain.state_dict()["state"].values()
    }


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "muon", "muon-adamw"])
def test_moments_go_back_to_the_weights_that_they_are_of_whatever_the_memory_order(name: str):
    def layers_and_optimizer() -> tuple[nn.Sequential, Optimizer]:
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Conv2d(3, 3, kernel_size=3), nn.Conv2d(3, 4, kernel_size=3))
        return layers.to(memory_format=torch.channels_last), optimizer.make(layers, train(optimizer=name))

    def step(layers: nn.Sequential, made: Optimizer) -> None:
        for layer in layers:
            layer.weight.grad = layer.weight.detach() * torch.arange(27.0).view(3, 3, 3)
        made.step()

    whole, made = layers_and_optimizer()
    step(whole, made)
    saved = {
        number: {key: value.clone(memory_format=torch.contiguous_format) for key, value in state.items()}
        for number, state in made.state_dict()["state"].items()
    }
    resumed, again = layers_and_optimizer()
    resumed.load_state_dict(whole.state_dict())
    optimizer.restore(again, saved)
    step(whole, made)
    step(resumed, again)
    assert all(torch.equal(*pair) for pair in zip(resumed.parameters(), whole.parameters(), strict=True))
