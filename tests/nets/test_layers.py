import torch
from torch import Tensor, nn

from striate.nets.building import build
from striate.nets.layers import layer_table
from striate.nets.net import Net


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
