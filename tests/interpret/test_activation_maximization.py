import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from striate.base.errors import SettingError, UnsupportedError
from striate.interpret.activation_maximization import PRESETS, Ascent, Regularizers, blurred, maximize
from striate.interpret.activations import maps
from striate.nets.factory import build
from striate.nets.net import Net
from support.tiny_nets import OnesThenMean, hooks_of


class Linear(Net):
    taps, head_name = ("fc1",), "fc1"

    def __init__(self, units: int = 3, chw: tuple[int, int, int] = (2, 4, 5), seed: int = 0) -> None:
        super().__init__(chw)
        self.fc1 = nn.Linear(2 * 4 * 5, units)
        with torch.no_grad():
            self.fc1.weight.normal_(generator=torch.Generator().manual_seed(seed))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        return self.fc1(images_NCHW.flatten(1))


def flat(images: Tensor) -> Tensor:
    return images.flatten(1)


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.floats(0.5, 20))
def test_a_linear_unit_likes_its_weights_best_at_the_length_allowed(seed: int, norm: float):
    net = Linear(seed=seed)
    best = maximize(net, "fc1", [0, 2], Ascent(regularizers=Regularizers(norm=norm), seed=seed, steps=100, step_size=norm / 10))
    right = norm * nn.functional.normalize(net.fc1.weight[[0, 2]])
    assert torch.allclose(flat(best.images_UCHW), right, atol=0.02 * norm)
    assert torch.allclose(best.end_U, net.fc1.weight[[0, 2]].norm(dim=1) * norm + net.fc1.bias[[0, 2]], rtol=1e-3)


def test_with_simonyan_s_penalty_it_is_the_weights_over_twice_the_penalty():
    net = Linear()
    best = maximize(net, "fc1", [0, 1, 2], Ascent(regularizers=Regularizers(penalty=0.5), steps=400))
    assert torch.allclose(flat(best.images_UCHW), net.fc1.weight, atol=0.01)  # w / (2 x 0.5)


def test_with_decay_a_linear_unit_s_image_points_along_its_weights():
    net = Linear()
    best = maximize(net, "fc1", [1], Ascent(regularizers=Regularizers(decay=0.1), steps=200))
    cosine = nn.functional.cosine_similarity(flat(best.images_UCHW), net.fc1.weight[1:2])
    assert float(cosine.detach()) > 0.9999


def test_one_step_by_hand():
    # The gradient of the mean over 2 x 2 places of 2 x 2 sums is 1, 2, 1 / 2, 4, 2 / 1, 2, 1 over 4: a mean square of 1 / 4
    net = OnesThenMean()
    best = maximize(
        net, "conv1", [0, 1], Ascent(regularizers=PRESETS["none"], place="mean", steps=1, step_size=0.5, spread=0.0)
    )
    right = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4 / 0.5 * 0.5
    assert torch.allclose(best.images_UCHW[0, 0], right)
    assert torch.allclose(best.images_UCHW[1, 0], -right)
    middle = maximize(net, "conv1", [0], Ascent(regularizers=PRESETS["none"], steps=1, step_size=1.0, spread=0.0))
    assert middle.images_UCHW[0, 0].tolist() == [
        [0, 0, 0],
        [0, 1.5, 1.5],
        [0, 1.5, 1.5],
    ]  # ones over their root mean square, 2 / 3


def test_each_of_yosinski_s_regularizers_by_hand():
    net = OnesThenMean()

    def one(**by: float) -> Tensor:
        return maximize(
            net, "conv1", [0], Ascent(regularizers=Regularizers(**by), place="mean", steps=1, step_size=1.0, spread=0.0)
        ).images_UCHW[0, 0]

    plain = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 2
    assert torch.allclose(one(decay=0.25), 0.75 * plain)
    four = torch.tensor([[0.0, 2, 0], [2, 4, 2], [0, 2, 0]]) / 2
    assert torch.allclose(one(small_norm=4 / 9 + 1e-6), four)
    assert torch.allclose(one(small_contribution=0.89), torch.tensor([[0.0, 0, 0], [0, 2, 0], [0, 0, 0]]))
    assert torch.allclose(one(blur_px=0.7), blurred(plain.view(1, 1, 3, 3), 0.7)[0, 0])
    assert torch.allclose(one(blur_px=0.7, blur_every=2), plain)


def test_a_blur_by_hand():
    image = torch.zeros(1, 2, 7, 7)
    image[0, 0, 3, 3] = 1
    weights = torch.exp(-0.5 * torch.arange(-3.0, 4).square())
    weights /= weights.sum()
    smoothed = blurred(image, 1.0)
    assert torch.allclose(smoothed[0, 0], torch.outer(weights, weights))
    assert not smoothed[0, 1].any()
    assert torch.allclose(blurred(torch.ones(1, 1, 5, 5), 2.0), torch.ones(1, 1, 5, 5))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_a_unit_of_a_trained_net_s_shape_answer_more(name: str):
    net = build("resnet20", (3, 16, 16), 10)
    best = maximize(net, "conv3_1", [0, 5], Ascent(regularizers=PRESETS[name], steps=20, place="mean"))
    assert (best.end_U > best.start_U).all()
    assert torch.isfinite(best.images_UCHW).all()
    assert not best.stuck_U.any()


def test_an_image_depends_on_its_unit_and_the_seed_alone():
    net = build("mnist_cnn", (1, 12, 12), 10)
    both = maximize(net, "pool1", [3, 1], Ascent(steps=5, batch_size=1))
    alone = maximize(net, "pool1", [1], Ascent(steps=5))
    assert torch.allclose(both.images_UCHW[1], alone.images_UCHW[0], atol=1e-6)
    assert not torch.allclose(maximize(net, "pool1", [1], Ascent(steps=5, seed=1)).images_UCHW, alone.images_UCHW, atol=1e-2)
    start = torch.full((1, 12, 12), 0.5)
    assert maximize(
        net, "pool1", [1], Ascent(steps=1, step_size=1e-9, spread=0.0), start_CHW=start
    ).images_UCHW.mean() == pytest.approx(0.5, rel=1e-3)


def test_what_is_said_of_before_and_after_is_what_the_net_answers():
    net = build("mnist_cnn", (1, 12, 12), 10)
    best = maximize(net, "fc2", [0, 9], Ascent(steps=5))
    assert torch.allclose(maps(net, best.images_UCHW)["fc2"][[0, 1], [0, 9]], best.end_U, atol=1e-5)


def test_a_dead_unit_is_said_to_be_stuck_and_stays():
    net = OnesThenMean(bias=-100.0)
    best = maximize(net, "relu1", [0], Ascent(regularizers=PRESETS["none"], steps=3, spread=0.0))
    assert best.stuck_U.tolist() == [True]
    assert not best.images_UCHW.any()


def test_weights_get_no_gradient_and_modes_and_hooks_are_as_before():
    net = build("resnet20", (3, 8, 8), 10).train()
    maximize(net, "conv2_1", [0], Ascent(steps=2))
    assert net.training
    assert all(weight.grad is None for weight in net.parameters())
    assert hooks_of(net) == 0


def test_frozen_weights_do_not_matter_but_a_net_without_gradients_is_refused():
    net = Linear().requires_grad_(False)
    assert float(maximize(net, "fc1", [0], Ascent(steps=5)).end_U) > 0

    class Steps(Linear):
        def forward(self, images_NCHW: Tensor) -> Tensor:
            with torch.no_grad():
                return self.fc1((images_NCHW > 0).float().flatten(1))

    with pytest.raises(UnsupportedError) as caught:
        maximize(Steps(), "fc1", [0])
    assert str(caught.value) == (
        "activation maximization of fc1 needs gradients, and none leads from there back to the image of Steps. Take the images "
        "of a data set that excite it most: striate.interpret.top_activations.strongest."
    )


def test_wrong_layers_units_and_numbers_are_refused():
    net = Linear()
    with pytest.raises(SettingError, match="There is no layer 'fc2'; did you mean fc1"):
        maximize(net, "fc2", [0])
    with pytest.raises(SettingError, match=r"fc1 has units 0 to 2; got 3, -1\."):
        maximize(net, "fc1", [3, 0, -1])
    with pytest.raises(SettingError, match="expected a place of middle or mean, steps and batch_size from 1, a step_size"):
        maximize(net, "fc1", [0], Ascent(place="corner"))
    with pytest.raises(SettingError, match="expected a norm above 0, shares from 0 to below 1 and nothing below 0; got Regul"):
        Regularizers(decay=1.0)
    with pytest.raises(SettingError, match="expected at least 1 step from one blur to the next; got 0"):
        Regularizers(blur_every=0)
    assert hooks_of(net) == 0
