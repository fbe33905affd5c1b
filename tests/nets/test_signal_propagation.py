from functools import cache
from math import prod

import pytest
import torch
from torch import Tensor, nn

from striate.nets import signal_propagation
from striate.nets.factory import build, outline
from striate.nets.init import fans, weighted
from striate.nets.net import Net
from striate.nets.signal_propagation import Signal, of_noise, signals


class TwoLayers(Net):
    """Images (1, 0) and (0, 1) become (2, 0) and (0, 1), then logits (2, 2) and (3, 3)."""

    taps, head_name = ("fc1", "fc2"), "fc2"

    def __init__(self) -> None:
        super().__init__((1, 1, 2))
        self.fc2, self.fc1 = nn.Linear(2, 2), nn.Linear(2, 2, bias=False)  # defined in the other order than they run
        with torch.no_grad():
            self.fc1.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
            self.fc2.weight.copy_(torch.tensor([[1.0, 3.0], [0.0, 1.0]]))
            self.fc2.bias.copy_(torch.tensor([0.0, 2.0]))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        return self.fc2(self.fc1(images_NCHW.flatten(1)))


IMAGES = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(2, 1, 1, 2)


def seed_whose_labels(equal: bool) -> int:
    for seed in range(100):
        first, second = torch.randint(2, (2,), generator=torch.Generator().manual_seed(seed)).tolist()
        if (first == second) is equal:
            return seed
    raise AssertionError


def test_moments_of_the_outputs_of_two_layers_are_those_worked_out_by_hand():
    fc1, fc2 = signals(TwoLayers(), IMAGES)
    assert (fc1.name, fc2.name) == ("fc1", "fc2")
    assert (fc1.mean, fc1.variance) == (3 / 4, 5 / 4 - 9 / 16)  # of 2, 0, 0, 1
    assert (fc2.mean, fc2.variance) == (5 / 2, 1 / 4)  # of 2, 2, 3, 3


def test_moments_of_the_gradients_of_two_layers_are_those_worked_out_by_hand():
    # Softmax gives 1/2 to both classes, so the gradient is (-1/2, 1/2) or (1/2, -1/2) at the logits, and by the weights
    # (1, 0) and (3, 1) of the two classes (-1/2, -1) or (1/2, 1) at the hidden units.
    fc1, fc2 = signals(TwoLayers(), IMAGES, seed_whose_labels(equal=False))
    assert (fc1.gradient_mean, fc1.gradient_variance) == (0, 5 / 8)
    assert (fc2.gradient_mean, fc2.gradient_variance) == (0, 1 / 4)
    fc1, fc2 = signals(TwoLayers(), IMAGES, seed_whose_labels(equal=True))
    assert (abs(fc1.gradient_mean), fc1.gradient_variance) == (3 / 4, 5 / 8 - 9 / 16)
    assert (fc2.gradient_mean, fc2.gradient_variance) == (0, 1 / 4)


@cache
def vgg16(init: str) -> dict[str, Signal]:
    net = build("vgg16", (3, 32, 32), 10, init=init)
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return {row.name: row for row in signals(net, images)}


def test_he_keeps_the_variances_of_vgg16_within_a_factor_of_10_and_a_plain_gaussian_explodes():
    he, gaussian = vgg16("he"), vgg16("gaussian")
    convolutions = [row.variance for name, row in he.items() if name.startswith("conv")]
    assert len(convolutions) == 13
    assert max(convolutions) < 10 * min(convolutions)
    assert gaussian["conv5_3"].variance > 1e30 * gaussian["conv1_1"].variance
    assert gaussian["conv1_1"].gradient_variance > 1e30 * gaussian["conv5_3"].gradient_variance


def test_a_plain_gaussian_multiplies_each_variance_by_half_the_inputs_of_a_unit():
    # Both schemes scale the same draws, and rectifiers keep a factor: so the ratio is exact, up to rounding
    net = outline("vgg16", (3, 32, 32), 10)
    halves = [float(fans(layer)[0]) / 2 for layer in weighted(net)]
    he, gaussian = vgg16("he"), vgg16("gaussian")
    for n, name in enumerate(he, start=1):
        assert gaussian[name].variance == pytest.approx(he[name].variance * prod(halves[:n]), rel=1e-3)


def test_half_of_he_halves_the_variance_at_each_layer():
    he, scaled = vgg16("he"), vgg16("scaled")
    for n, name in enumerate(he, start=1):
        assert scaled[name].variance == pytest.approx(he[name].variance / 2**n, rel=1e-3)


def normed() -> Net:
    return build("conv 3x3x4, bn, relu, dropout 0.5, fc", (3, 6, 6), 5)


@pytest.mark.parametrize("training", [True, False])
def test_weights_buffers_modes_hooks_and_the_generator_are_put_back(training: bool):
    net = normed().train(training)
    net.get_submodule("bn1").eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    state = torch.random.get_rng_state()
    signals(net, torch.ones(2, 3, 6, 6))
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert net.training is training
    assert not net.get_submodule("bn1").training
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not any(module._forward_hooks for module in net.modules())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_what_was_changed_is_put_back_also_where_the_network_fails():
    class Fails(TwoLayers):
        def __init__(self) -> None:
            super().__init__()
            self.bn = nn.BatchNorm2d(1)

        def forward(self, images_NCHW: Tensor) -> Tensor:
            self.bn(images_NCHW)
            raise ArithmeticError

    net, state = Fails().eval(), torch.random.get_rng_state()
    with pytest.raises(ArithmeticError):
        signals(net, IMAGES)
    assert int(net.bn.num_batches_tracked) == 0
    assert not net.training
    assert not any(module._forward_hooks for module in net.modules())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_network_runs_in_training_mode():
    images = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    one, again, other = (signals(normed(), images, seed)[-1].variance for seed in (0, 0, 1))
    assert one == again
    assert one != other  # dropout, drawn anew


def test_layers_without_weights_or_that_do_not_run_have_no_rows_and_a_gradient_of_none_is_zero():
    class Beside(TwoLayers):
        def __init__(self) -> None:
            super().__init__()
            self.aside, self.never = nn.Linear(2, 3), nn.Linear(2, 3)

        def forward(self, images_NCHW: Tensor) -> Tensor:
            self.aside(images_NCHW.flatten(1))
            return super().forward(images_NCHW)

    aside, fc1, fc2 = signals(Beside(), IMAGES)
    assert (aside.name, fc1.name, fc2.name) == ("aside", "fc1", "fc2")
    assert (aside.gradient_mean, aside.gradient_variance) == (0, 0)
    assert aside.variance > 0


def test_residual_blocks_that_begin_as_their_shortcut_get_no_gradient_inside():
    rows = of_noise(build("resnet20", (3, 16, 16), 10, init="zero-gamma"), int(1e10))
    assert {row.name for row in rows if row.gradient_variance} == {"conv1", "fc"}


def test_auxiliary_heads_do_not_stand_in_the_way():
    rows = of_noise(build("googlenet", (3, 32, 32), 10, aux=True), int(1e10))
    assert rows[0].name == "conv1"
    assert next(row for row in rows if row.name == "fc").gradient_variance > 0


@pytest.mark.parametrize(("macs", "images"), [(0, 64), (10**8, 64), (10**9, 20), (10**12, 2)])
def test_noise_is_as_many_images_as_a_few_seconds_allow(macs: int, images: int, monkeypatch: pytest.MonkeyPatch):
    given: list[Tensor] = []
    monkeypatch.setattr(signal_propagation, "signals", lambda _net, images_NCHW, _seed: given.append(images_NCHW))
    of_noise(TwoLayers(), macs, 3)
    of_noise(TwoLayers(), macs, 3)
    assert given[0].shape == (images, 1, 1, 2)
    assert torch.equal(given[0], given[1])
