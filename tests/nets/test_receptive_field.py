"""The windows of units against what gradients say: which pixels change a unit at all."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.base.errors import SettingError
from striate.nets.factory import build
from striate.nets.hooks import taps
from striate.nets.net import Net
from striate.nets.receptive_field import windows
from striate.nets.summary import layer_table


class One(Net):
    taps, head_name = ("layer",), "fc1"

    def __init__(self, layer: nn.Module, chw: tuple[int, int, int] = (2, 11, 9)) -> None:
        super().__init__(chw)
        self.before = nn.Conv2d(chw[0], 2, 3, stride=2, padding=1)
        self.layer = layer
        self.fc1 = nn.LazyLinear(2)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        return self.fc1(self.layer(self.before(images_NCHW)).flatten(1))


class Sliced(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return maps[..., 1::2, :-1] + maps[:, :, 1::2, 1:]


class Gate(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return maps * maps.mean((2, 3), keepdim=True)


LAYERS = {
    "plain": nn.Conv2d(2, 3, 3),
    "strided, padded": nn.Conv2d(2, 3, 3, stride=2, padding=1),
    "stride beyond the kernel": nn.Conv2d(2, 3, 2, stride=3),
    "dilated, oblong": nn.Conv2d(2, 3, (3, 2), padding=(2, 1), dilation=(2, 1)),
    "same, even kernel": nn.Conv2d(2, 3, 4, padding="same"),
    "grouped": nn.Conv2d(2, 2, 3, groups=2),
    "circular": nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"),
    "reflect": nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"),
    "replicate": nn.Conv2d(2, 3, 3, padding=1, padding_mode="replicate"),
    "constant pad": nn.Sequential(nn.ConstantPad2d((1, 2, 0, 1), -1.0), nn.Conv2d(2, 2, 3)),
    "ceil": nn.AvgPool2d(2, stride=2, ceil_mode=True),
    "adaptive": nn.AdaptiveAvgPool2d((2, 3)),
    "mean": nn.AdaptiveAvgPool2d(1),
    "sliced": Sliced(),
    "gated": Gate(),
    "group norm": nn.GroupNorm(1, 2),
    "only padding at the border": nn.Conv2d(2, 3, 1, padding=1),
}


def positive(net: Net) -> Net:
    """With weights above zero and means for maxima each pixel that a unit sees changes it."""
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.MaxPool2d):
            parent, _, last = name.rpartition(".")
            mean = nn.AvgPool2d(module.kernel_size, module.stride, module.padding, module.ceil_mode)
            setattr(net.get_submodule(parent), last, mean)
    net.double().eval()(torch.zeros(1, *net.input_chw).double())
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=generator, dtype=torch.float64) + 0.5)
            if not name.endswith("bias"):
                parameter.div_(parameter[0].numel())
    return net


def seen_by_gradients(net: Net, layer: str, place: tuple[int, int]) -> list[int]:
    image = (torch.rand(1, *net.input_chw, generator=torch.Generator().manual_seed(0)).double() + 0.1).requires_grad_()
    with taps(net, layer) as seen:
        net(image)
    output = seen[layer]
    unit = output[(..., *place)].sum() if output.dim() == 4 else output.sum()
    if not unit.requires_grad:
        return [0, 0, 0, 0]
    (gradient,) = torch.autograd.grad(unit, image)
    rows, columns = gradient[0].abs().sum(0).numpy().nonzero()
    return [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1] if len(rows) else [0, 0, 0, 0]


def check(net: Net, layer: str, most: int = 400) -> None:
    fields = windows(net, (layer,))[layer]
    h, w = len(fields.tops_H), len(fields.lefts_W)
    rows, columns = (sorted({0, 1 % n, n // 2, n - 1}) if h * w > most else range(n) for n in (h, w))
    for row in rows:
        for column in columns:
            box = fields.boxes(np.array(row), np.array(column)).tolist()
            if box[0] == box[2] or box[1] == box[3]:  # nothing but padding, in one direction at least
                box = [0, 0, 0, 0]
            assert box == seen_by_gradients(net, layer, (row, column)), (layer, row, column)


@pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel:UserWarning")
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_each_kind_of_layer_sees_the_pixels_that_have_a_gradient(layer: nn.Module):
    check(positive(One(layer)), "layer")


LINE = "conv 5x5x3 stride 2, relu, pool 3 stride 2, conv 3x3x4, bn, relu, avgpool 2, fc"


@pytest.mark.parametrize(
    ("name", "chw", "layers"),
    [
        ("resnet20", (3, 16, 16), ("conv1", "conv2_1", "conv3_1", "conv3_1.shortcut", "conv3_2", "conv4_1", "pool4", "fc")),
        ("resnet18", (3, 40, 40), ("conv1", "pool1", "conv2_2", "conv3_1")),
        ("googlenet", (3, 48, 48), ("pool1", "pool2", "inception3a.conv5x5", "inception3a.conv_pool_proj", "inception3a")),
        ("alexnet", (1, 67, 67), ("conv1", "pool1", "norm1", "conv2", "pool2")),
        ("lecun1989", (1, 16, 16), ("h1", "h2", "h3")),
        ("lenet5", (1, 32, 32), ("c1", "s2", "c3", "s4", "c5", "f6")),
        ("mnist_cnn", (1, 12, 12), ("conv1", "pool1", "conv2", "pool2", "fc1")),
    ],
)  # fmt: skip
def test_the_networks_of_the_catalogue_too(name: str, chw: tuple[int, int, int], layers: tuple[str, ...]):
    net = positive(build(name, chw, 2, init="torch"))
    for layer in layers:
        check(net, layer, most=16)


def test_inside_the_image_size_and_jump_are_those_of_the_layer_table():
    net = build("alexnet", (3, 227, 227), 2, init="torch")
    fields = windows(net)
    for row in layer_table(net):
        if row.name in fields and len(row.output) == 3:
            tops, bottoms = fields[row.name].tops_H, fields[row.name].bottoms_H
            inside = (tops > 0) & (bottoms < 227)
            assert set(bottoms[inside] - tops[inside]) <= {row.receptive_field}
            assert set(np.diff(tops[inside])) <= {row.jump}


def test_the_start_of_alexnet_s_conv5_by_hand():
    # Araujo's start, from the image on: conv1 0, pool1 0, conv2 0 - 2 * 8, pool2 -16, conv3, 4 and 5 each 16 less
    fields = windows(build("alexnet", (3, 227, 227), 2, init="torch"), ("conv5",))["conv5"]
    starts = -16 - 3 * 16 + 16 * np.arange(13)
    assert fields.tops_H.tolist() == np.maximum(starts, 0).tolist()
    assert fields.bottoms_H.tolist() == np.minimum(starts + 163, 227).tolist()


def test_an_unknown_layer_is_refused_and_the_mode_and_hooks_are_as_before():
    net = build("mnist_cnn", (1, 12, 12), 2).train()
    with pytest.raises(SettingError, match="There is no layer 'conv9'"):
        windows(net, ("conv9",))
    windows(net)
    assert net.training
    assert not any(module._forward_hooks for module in net.modules())
