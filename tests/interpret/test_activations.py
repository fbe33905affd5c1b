import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.base.errors import SettingError, ShapeError, UnsupportedError
from striate.interpret import activations
from striate.nets.factory import build
from support.tiny_nets import OnesThenMean, batches, hooks_of, ramp


def test_the_maps_of_every_tap_by_hand():
    result = activations.maps(OnesThenMean(), ramp())
    assert list(result) == ["conv1", "relu1", "pool1", "fc1"]
    assert result["conv1"].tolist() == [[[[8, 12], [20, 24]], [[-8, -12], [-20, -24]]]]
    assert result["relu1"].tolist() == [[[[8, 12], [20, 24]], [[0, 0], [0, 0]]]]
    assert result["pool1"].tolist() == [[[[24]], [[0]]]]
    assert result["fc1"].tolist() == [[24, 34]]


def test_named_layers_alone_are_given_in_the_order_asked_for():
    net = OnesThenMean()
    result = activations.maps(net, ramp(), ["fc1", "conv1"])
    assert list(result) == ["fc1", "conv1"]
    assert not result["fc1"].requires_grad


def test_an_unknown_name_is_refused_with_the_nearest_and_images_of_another_size_too():
    net = OnesThenMean()
    with pytest.raises(SettingError) as caught:
        activations.maps(net, ramp(), ["conv2"])
    assert str(caught.value) == "There is no layer 'conv2'; did you mean conv1?"
    with pytest.raises(SettingError, match="There is no layer 'rellu1'; did you mean relu1"):
        activations.statistics(net, [], ["rellu1"])
    with pytest.raises(ShapeError, match="expects images_NCHW with C=1, H=3, W=3; got"):
        activations.maps(net, ramp(4))
    assert hooks_of(net) == 0


def test_modes_are_as_they_were_module_by_module():
    net = build("conv 3x3x4, bn, relu, globalpool, fc", (1, 8, 8), 3).train()
    norm = next(module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)).eval()
    before = norm.running_mean.clone()
    activations.maps(net, torch.randn(4, 1, 8, 8))
    activations.statistics(net, batches(torch.randn(4, 1, 8, 8), (4,)))
    assert net.training
    assert not norm.training
    assert torch.equal(norm.running_mean, before)


def test_reach_stops_at_the_last_layer_asked_for_and_keeps_the_gradient():
    net = OnesThenMean()
    net.fc1.register_forward_pre_hook(lambda *_: pytest.fail("ran on"))
    image = ramp().requires_grad_()
    result = activations.outputs_up_to(net, image, ["relu1", "conv1"])
    result["relu1"].sum().backward()
    assert image.grad.view(3, 3).tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]


def test_statistics_by_hand():
    # Two images: the ramp, 2 x 2 sums 8 12 20 24, and ones, whose sums are 4; the second filter is the negative
    images = torch.cat([ramp(), torch.ones(1, 1, 3, 3)])
    result = activations.statistics(OnesThenMean(), batches(images, (1, 1), [0, 1]), classes=2)
    conv, relu, fc = result["conv1"], result["relu1"], result["fc1"]
    assert (conv.images, conv.places, fc.places) == (2, 4, 1)
    assert conv.mean_U.tolist() == [10, -10]  # (64 + 16) / 8
    assert conv.std_U == pytest.approx([56**0.5] * 2)  # 64 + 144 + 400 + 576 + 4 * 16 = 1248; / 8 - 100 = 56
    assert (conv.min_U.tolist(), conv.max_U.tolist()) == ([4, -24], [24, -4])
    assert relu.zeros_U.tolist() == [0, 1]
    assert relu.sparseness_U[0] == pytest.approx((1 - 100 / 156) / (1 - 1 / 8))
    assert np.isnan(relu.sparseness_U[1])  # all are zero
    assert np.isnan(conv.sparseness_U[1])  # negative
    assert relu.class_means_KU.tolist() == [[16, 0], [4, 0]]
    assert relu.selectivity_U[0] == pytest.approx((16 - 4) / (16 + 4))
    assert np.isnan(relu.selectivity_U[1])
    assert relu.preferred_U[0] == 0
    assert fc.mean_U.tolist() == [(24 + 4) / 2, (34 + 14) / 2]


def test_without_classes_there_is_no_selectivity_and_without_images_nothing():
    result = activations.statistics(OnesThenMean(), batches(ramp(), (1,)), ["relu1"])["relu1"]
    assert (result.selectivity_U, result.preferred_U, result.class_means_KU) == (None, None, None)
    with pytest.raises(SettingError, match="expected images; got none"):
        activations.statistics(OnesThenMean(), [])


def test_a_class_that_is_not_there_is_left_out():
    images = torch.cat([ramp(), torch.ones(1, 1, 3, 3)])
    result = activations.statistics(OnesThenMean(), batches(images, (2,), [0, 2]), ["relu1"], classes=3)["relu1"]
    assert np.isnan(result.class_means_KU[1]).all()
    assert result.selectivity_U[0] == pytest.approx(12 / 20)


def test_selectivity_of_three_classes_by_hand():
    result = activations.selectivity(np.array([[0.0, 2.0, -1.0], [5.0, 2.0, 3.0], [0.0, 2.0, 3.0]]))
    assert result.index_U[:2].tolist() == [1, 0]  # one class alone; all alike
    assert np.isnan(result.index_U[2])  # a negative mean
    assert result.preferred_U[0] == 1


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(0, 1000))
def test_any_batches_of_the_same_images_give_what_numpy_gives(sizes: list[int], seed: int):
    images = torch.randn(sum(sizes), 1, 5, 5, generator=torch.Generator().manual_seed(seed)) + 3
    net = OnesThenMean((0.3, -0.2, 0.1), side=5, kernel=3, bias=0.5)
    result = activations.statistics(net, batches(images, tuple(sizes)), ["conv1", "relu1"])
    for name, output in activations.maps(net, images, ["conv1", "relu1"]).items():
        values = output.double().numpy().transpose(1, 0, 2, 3).reshape(3, -1)
        assert result[name].mean_U == pytest.approx(values.mean(axis=1), abs=1e-6)
        assert result[name].std_U == pytest.approx(values.std(axis=1), abs=1e-5)
        assert result[name].min_U == pytest.approx(values.min(axis=1))
        assert result[name].max_U == pytest.approx(values.max(axis=1))
        assert result[name].zeros_U == pytest.approx((values == 0).mean(axis=1))


def test_a_large_mean_does_not_drown_the_deviation():
    images = torch.randn(64, 1, 3, 3)
    net = OnesThenMean((0.01,), bias=1000.0)
    result = activations.statistics(net, batches(images, (32, 32)), ["conv1"])["conv1"]
    exact = activations.maps(net, images, ["conv1"])["conv1"].double().numpy().std()
    assert result.std_U[0] == pytest.approx(exact, rel=1e-3)


def test_a_layer_that_runs_twice_and_one_without_units_are_refused():
    class Twice(OnesThenMean):
        def forward(self, images_NCHW: torch.Tensor) -> torch.Tensor:
            self.relu1(images_NCHW)
            return super().forward(images_NCHW)

    net = Twice()
    with pytest.raises(UnsupportedError, match="relu1 runs more than once in a forward pass"):
        activations.statistics(net, batches(ramp(), (1,)))
    assert hooks_of(net) == 0
    with pytest.raises(
        UnsupportedError, match=r"expected tokens to put out maps, N x U x H x W, or units, N x U; got \(2, 3, 4\)"
    ):
        activations.flat_NUP("tokens", torch.zeros(2, 3, 4))


def test_for_json_what_is_not_defined_is_none():
    images = torch.cat([ramp(), torch.ones(1, 1, 3, 3)])
    (row,) = activations.as_json(activations.statistics(OnesThenMean(), batches(images, (2,), [0, 1]), ["relu1"], classes=2))
    assert (row["name"], row["images"], row["places"]) == ("relu1", 2, 4)
    first, second = row["units"]
    assert (first["mean"], first["preferred"]) == (10, 0)
    assert (second["zeros"], second["sparseness"], second["selectivity"]) == (1, None, None)
