import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.base.errors import UnsupportedError
from striate.nets.factory import build, outline
from striate.nets.net import Net
from striate.nets.summary import Layer, layer_table


class One(Net):
    """Any layer, then as many means as classes."""

    taps, head_name = ("layer",), "fc1"

    def __init__(self, layer: nn.Module, chw: tuple[int, int, int] = (4, 9, 9), outputs: int = 4) -> None:
        super().__init__(chw)
        self.layer = layer
        self.fc1 = nn.Linear(outputs, 2)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        return self.fc1(self.layer(images_NCHW).mean((2, 3)))


def row_of(layer: nn.Module, chw: tuple[int, int, int] = (4, 9, 9), outputs: int = 4) -> Layer:
    return layer_table(One(layer, chw, outputs))[0]


class Branches(Net):
    """Two branches of different reach that meet by addition and by concatenation."""

    taps = ("fc1",)
    head_name = "fc1"

    def __init__(self) -> None:
        super().__init__((1, 8, 8))
        self.wide = nn.Conv2d(1, 2, 5, padding=2)
        self.narrow = nn.Conv2d(1, 2, 1)
        self.after_sum = nn.Conv2d(2, 2, 3, padding=1)
        self.after_cat = nn.Conv2d(4, 2, 3, padding=1)
        self.fc1 = nn.Linear(2, 2)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        wide, narrow = self.wide(images_NCHW), self.narrow(images_NCHW)
        first = self.after_sum(wide + narrow)
        second = self.after_cat(torch.cat([first, narrow], 1))
        return self.fc1(second.mean((2, 3)))


def test_where_branches_meet_the_larger_field_counts():
    rows = {row.name: row for row in layer_table(Branches())}
    assert rows["wide"].receptive_field == 5
    assert rows["narrow"].receptive_field == 1
    assert rows["after_sum"].receptive_field == 7
    assert rows["after_cat"].receptive_field == 9


def test_grouped_convolutions_count_their_own_channels_only():
    class Grouped(Net):
        taps, head_name = ("conv1",), "fc1"

        def __init__(self) -> None:
            super().__init__((4, 6, 6))
            self.conv1 = nn.Conv2d(4, 8, 3, groups=2, bias=False)
            self.fc1 = nn.Linear(8 * 16, 2)

        def forward(self, images_NCHW: Tensor) -> Tensor:
            return self.fc1(self.conv1(images_NCHW).flatten(1))

    row = layer_table(Grouped())[0]
    assert row.parameters == 8 * 2 * 9
    assert row.macs == 8 * 16 * 2 * 9


def test_the_network_is_left_as_it_was():
    net = build("mnist_cnn", (1, 28, 28), 10).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    layer_table(net)
    assert net.training
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert all(not module._forward_hooks for module in net.modules())


def test_memory_is_four_bytes_for_each_number_of_the_output():
    rows = {row.name: row for row in layer_table(Branches())}
    assert rows["wide"].bytes == 4 * 2 * 8 * 8
    assert rows["fc1"].bytes == 4 * 2


def test_a_row_says_what_comes_in_and_what_that_sees():
    rows = {row.name: row for row in layer_table(outline("mnist_cnn", (1, 28, 28), 10))}
    assert rows["conv1"].input == (1, 28, 28)
    assert (rows["conv1"].before, rows["conv1"].sources) == ((1, 1), ())
    assert rows["conv2"].input == (32, 14, 14)
    assert (rows["conv2"].before, rows["conv2"].sources) == ((6, 2), ("pool1",))
    assert rows["fc1"].input == (3136,)
    assert (rows["fc1"].before, rows["fc1"].sources) == ((28, 28), ("flatten",))


def test_where_branches_meet_each_is_a_source_in_the_order_of_the_sum_or_of_the_channels():
    rows = {row.name: row for row in layer_table(Branches())}
    assert rows["wide"].sources == rows["narrow"].sources == ()
    assert rows["after_sum"].sources == ("wide", "narrow")
    assert rows["after_cat"].sources == ("after_sum", "narrow")
    assert rows["after_cat"].input == (4, 8, 8)


def test_a_layer_that_runs_twice_has_two_rows_and_its_parameters_once():
    class Twice(One):
        def forward(self, images_NCHW: Tensor) -> Tensor:
            return self.fc1(self.layer(self.layer(images_NCHW)).mean((2, 3)))

    first, second, _ = layer_table(Twice(nn.Conv2d(4, 4, 3)))
    assert (first.name, second.name) == ("layer", "layer")
    assert (first.parameters, second.parameters) == (4 * 4 * 9 + 4, 0)
    assert (first.macs, second.macs) == (4 * 49 * 36, 4 * 25 * 36)
    assert (first.receptive_field, second.receptive_field) == (3, 5)


def test_weights_that_two_layers_share_count_once():
    tied = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1))
    tied[1].weight = tied[0].weight
    first, second, _ = layer_table(One(tied))
    assert (first.parameters, second.parameters) == (4 * 4 + 4, 4)


def test_a_block_with_parameters_of_its_own_has_a_row_after_those_of_its_layers():
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 5, padding=2)
            self.scale = nn.Parameter(torch.ones(4, 1, 1))

        def forward(self, maps_NCHW: Tensor) -> Tensor:
            return maps_NCHW + self.scale * self.conv(maps_NCHW)

    rows = layer_table(One(nn.Sequential(Scaled(), nn.Conv2d(4, 4, 3))))
    assert [row.name for row in rows] == ["layer.0.conv", "layer.0", "layer.1", "fc1"]
    block, after = rows[1], rows[2]
    assert (block.parameters, block.receptive_field, block.before) == (4, 5, (5, 1))
    assert block.sources == ("layer.0.conv",)
    assert (after.sources, after.receptive_field) == (("layer.0",), 7)


def test_a_block_without_parameters_of_its_own_and_an_identity_have_no_rows():
    rows = layer_table(One(nn.Sequential(nn.Identity(), nn.ReLU())))
    assert [row.name for row in rows] == ["layer.1", "fc1"]
    assert rows[0].sources == ()


@pytest.mark.parametrize("way", ["mean", "flatten", "reshape"])
def test_a_unit_sees_the_whole_image_once_there_are_no_maps_however_they_went(way: str):
    class Flat(One):
        def forward(self, images_NCHW: Tensor) -> Tensor:
            maps_NCHW = self.layer(images_NCHW)
            flat = {
                "mean": lambda: maps_NCHW.mean((2, 3)),
                "flatten": lambda: maps_NCHW.flatten(1),
                "reshape": lambda: maps_NCHW.reshape(len(maps_NCHW), -1),
            }[way]()
            return self.fc1(flat)

    row = layer_table(Flat(nn.Conv2d(4, 4, 3), outputs=4 if way == "mean" else 4 * 49))[-1]
    assert (row.name, row.receptive_field, row.jump, row.before) == ("fc1", 9, 9, (3, 1))


def test_layers_called_with_names_or_that_put_out_several_tensors_have_rows():
    class Recurrent(Net):
        taps, head_name = ("rnn",), "fc1"

        def __init__(self) -> None:
            super().__init__((1, 6, 5))
            self.rnn, self.fc1 = nn.LSTM(5, 3, batch_first=True), nn.Linear(3, 2)

        def forward(self, images_NCHW: Tensor) -> Tensor:
            units_NHD, _ = self.rnn(input=images_NCHW[:, 0])
            return self.fc1(input=units_NHD[:, -1])

    rnn, fc1 = layer_table(Recurrent())
    assert (rnn.input, rnn.output, rnn.parameters) == ((6, 5), (6, 3), 4 * 3 * (5 + 3 + 2))
    assert (fc1.output, fc1.sources) == ((2,), ("rnn",))


SIDES = (9, 10, 12, 13)
WINDOWS = [
    nn.Conv2d(4, 6, 3), nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.Conv2d(4, 6, (1, 5), padding=(0, 2), stride=(2, 1)),
    nn.Conv2d(4, 6, 3, dilation=2, groups=2), nn.Conv2d(4, 6, 3, padding="same", dilation=2),
    nn.Conv2d(4, 6, 3, padding_mode="reflect"),
    nn.MaxPool2d(3, 2), nn.MaxPool2d(3, 2, ceil_mode=True), nn.MaxPool2d(2, 2, padding=1, ceil_mode=True),
    nn.MaxPool2d(1, 2, ceil_mode=True), nn.MaxPool2d((2, 3)), nn.MaxPool2d(2, dilation=3), nn.AvgPool2d(2),
    nn.AvgPool2d(3, 2, padding=1, ceil_mode=True), nn.AvgPool2d((3, 1), ceil_mode=True), nn.AdaptiveAvgPool2d(1),
    nn.AdaptiveAvgPool2d((3, 2)), nn.AdaptiveMaxPool2d(2), nn.LocalResponseNorm(3), nn.BatchNorm2d(4), nn.ReLU(inplace=True),
    nn.ConstantPad2d((1, 2, 3, 0), 0.5), nn.PixelShuffle(2), nn.GELU(),
]  # fmt: skip


@pytest.mark.parametrize("layer", WINDOWS, ids=str)
def test_shapes_on_the_meta_device_are_those_of_real_images(layer: nn.Module):
    for height in SIDES:
        for width in SIDES:
            real = layer.eval()(torch.zeros(1, 4, height, width)).shape[1:]
            assert row_of(layer, (4, height, width), real[0]).output == tuple(real)


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(5, 4, 3), nn.Conv2d(4, 4, 11), nn.MaxPool2d(11), nn.BatchNorm2d(5), nn.Linear(8, 4)], ids=str
)
def test_a_layer_that_does_not_fit_is_refused_with_the_words_of_torch(layer: nn.Module):
    with pytest.raises(
        UnsupportedError, match="the forward pass of One fails for an image of C=4, H=9, W=9 on the meta device"
    ):
        row_of(layer)


def test_a_forward_pass_that_asks_for_numbers_is_refused_and_the_network_is_left_as_it_was():
    class Asks(One):
        def forward(self, images_NCHW: Tensor) -> Tensor:
            if float(self.layer(images_NCHW).max()) > 0:
                return super().forward(images_NCHW)
            return super().forward(-images_NCHW)

    net = Asks(nn.BatchNorm2d(4)).train()
    net.layer.eval()
    with pytest.raises(UnsupportedError) as caught:
        layer_table(net)
    assert str(caught.value).startswith(
        "the forward pass of Asks fails for an image of C=4, H=9, W=9 on the meta device, which has shapes but no numbers: "
        "RuntimeError: "
    )
    assert str(caught.value).endswith(". Mend it, or give the size that it is for.")
    assert net.training
    assert not net.layer.training
    assert all(not module._forward_hooks for module in net.modules())


def test_functions_called_with_names_give_the_same_rows():
    class Named(One):
        def forward(self, images_NCHW: Tensor) -> Tensor:
            maps_NCHW = functional.max_pool2d(input=self.layer(images_NCHW), kernel_size=2, stride=1)
            maps_NCHW = torch.cat(tensors=[maps_NCHW, functional.relu(input=maps_NCHW)], dim=1)
            return self.fc1(functional.adaptive_avg_pool2d(maps_NCHW, output_size=1).flatten(1))

    rows = layer_table(Named(nn.Conv2d(4, 4, 3), outputs=8))
    assert [(row.output, row.sources) for row in rows] == [((4, 7, 7), ()), ((2,), ("layer",))]


def test_an_outline_holds_no_numbers():
    net = outline("vgg19", (3, 224, 224), 1000)
    assert all(tensor.is_meta for tensor in (*net.parameters(), *net.buffers()))
    assert sum(row.parameters for row in layer_table(net)) == 143_667_240


def test_a_fresh_process_has_the_table_of_vgg19_without_a_number_of_its_550_megabytes():
    code = """
import resource, sys
import torch
from torch.overrides import TorchFunctionMode
from striate.nets import factory, summary
from striate.workflows import nets
numbers = [0]

class Counting(TorchFunctionMode):
    def __torch_function__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and not result.is_meta:
            numbers[0] += result.numel()
        return result

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with Counting():
    rows = nets.layers("vgg19")
more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(len(rows), numbers[0], more / (1 if sys.platform == "darwin" else 1 / 1024), "torch._dynamo" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    rows, numbers, more_bytes, compiler = ran.stdout.split()
    assert int(rows) == 16 + 3 + 18 + 5 + 1 + 2  # convolutions, fully connected, rectifiers, pools, flatten, dropout
    assert int(numbers) == 0  # computed; what takes time here is to fill 144 million weights
    assert float(more_bytes) < 50e6
    assert compiler == "False"
