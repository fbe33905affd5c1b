"""Sizes of batches by arithmetic: a layer puts out its numbers times 4 bytes, and 2^27 bytes hold what a batch needs."""

import gc

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.interpret import activation_maximization, orientation_tuning
from striate.interpret.activation_maximization import Ascent
from striate.interpret.attribution import METHODS
from striate.nets import images_at_once as rule
from striate.nets.factory import build
from striate.nets.images_at_once import OutputBytes, images_at_once, output_bytes
from support.models import tiny_model

LINE = "conv 3x3x8, relu, pool 2, fc"


def test_every_layer_s_output_counts():
    net = build(LINE, (3, 8, 8), 5)
    maps, pooled, image = 4 * 8 * 8 * 8, 4 * 8 * 4 * 4, 4 * 3 * 8 * 8
    assert output_bytes(net, (3, 8, 8)) == OutputBytes(maps, image + 2 * maps + 2 * pooled + 4 * 5)  # flattened too


@pytest.mark.parametrize(
    ("name", "plain", "gradient"),
    [
        ("resnet18", 10, 2),  # 64 x 112 x 112 numbers, four times: 12.8 MB
        ("conv 3x3x64, relu, pool 8, fc", 2, 2),  # 64 x 224 x 224 numbers, as of VGG, four times: 51 MB
    ],
)
def test_what_photographs_need(name: str, plain: int, gradient: int):
    net = build(name, (3, 224, 224), 2, init="torch")
    assert images_at_once(net, (3, 224, 224)) == plain
    assert images_at_once(net, (3, 224, 224), gradient=True) == gradient


def test_small_images_go_through_as_before():
    assert images_at_once(build("resnet20", (3, 32, 32), 10), (3, 32, 32), most=256) == 256
    assert images_at_once(build(LINE, (3, 8, 8), 5), (3, 8, 8)) == 64


def test_it_is_measured_once_and_leaves_no_trace(monkeypatch: pytest.MonkeyPatch):
    passes: list[int] = []

    class Counted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(1)

        def forward(self, images_NCHW: Tensor) -> Tensor:
            passes.append(len(images_NCHW))
            return self.norm(images_NCHW)

    net = Counted().train()
    state = {key: value.clone() for key, value in net.state_dict().items()}
    assert images_at_once(net, (1, 4, 4), most=1) == 1
    assert passes == []
    for _ in range(3):
        assert images_at_once(net, (1, 4, 4)) == 64
    assert passes == [1]
    assert net.training
    assert not net.norm._forward_hooks
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    known = len(rule._MEASURED)
    del net
    gc.collect()
    assert len(rule._MEASURED) < known


def test_nothing_takes_more_images_at_once_and_the_results_are_the_same(monkeypatch: pytest.MonkeyPatch):
    model = tiny_model(24, "conv 3x3x4, bn, relu, pool 2, fc")
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (5, 24, 24, 3), np.uint8)
    two = model.images(pixels_NHWC[:2])
    looks = {
        "predict": lambda: [answer.probability for answer in model.predict(pixels_NHWC)],
        "embed": lambda: model.embed(pixels_NHWC),
        "tuning": lambda: orientation_tuning.tuning(model.net, "relu1", 4, (0.25,), 4).rate_U,
        "maximize": lambda: activation_maximization.maximize(model.net, "conv1", [0, 1, 2], Ascent(steps=2)).end_U,
        **{name: lambda method=method: method(model, two, target=0) for name, method in METHODS.items()},
    }
    sizes: list[int] = []
    model.net.register_forward_pre_hook(lambda _net, given: sizes.append(len(given[0])))
    for name, look in looks.items():
        monkeypatch.undo()
        expected = np.asarray(look())
        sizes.clear()
        monkeypatch.setattr(rule, "_CPU_BYTES", 1)
        assert np.asarray(look()) == pytest.approx(expected, abs=1e-5), name
        assert max(sizes) == 1, name
