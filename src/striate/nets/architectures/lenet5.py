"""LeNet-5 -- LeCun, Bottou, Bengio & Haffner 1998, "Gradient-Based Learning Applied to Document Recognition", section II.B.

32 x 32 pixels, background -0.1 and foreground 1.175. C1: 6 maps of 28 x 28, 156 parameters. S2: subsampling, 12. C3: 16 maps
of 10 x 10 by table I, 1,516. S4: subsampling, 32. C5: 120 maps of 1 x 1, 48,120. F6: 84 units, 10,164. Output: 10 radial basis
functions around fixed 7 x 12 bitmaps of the digits, 840 numbers that are not trained. 60,000 trainable parameters; 340,908
links.
Every layer up to F6 is squashed by 1.7159 tanh(2a / 3).

Departures: the logits are minus the distances, so the largest wins and cross-entropy over them is the paper's discriminative
loss (equation 9) as its constant j grows. The bitmaps are drawn for this package after figure 3. With another number of
classes than 10 there are no bitmaps, and the output is fully connected.

Legend: N images, K classes, D units of F6.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from striate.base.errors import SettingError
from striate.nets.blocks import ScaledTanh, Subsampling, TableConv2d
from striate.nets.init import lecun_uniform
from striate.nets.net import CHW, Net, refuse_small

TABLE = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip
_BITMAPS = """
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
..###.. ...#... .#####. .#####. ....##. ####### ..####. ####### .#####. .#####.
.##.##. ..##... ##...## ##...## ...###. ##..... .##.... ##...## ##...## ##...##
##...## .###... .....## .....## ..#.##. ##..... ##..... .....## ##...## ##...##
##...## ...#... .....## .....## .#..##. ##..... ##..... ....##. ##...## ##...##
##...## ...#... ....##. ..####. ##..##. ######. ######. ....##. .#####. .######
##...## ...#... ...##.. ..####. ##..##. .....## ##...## ...##.. ##...## .....##
##...## ...#... ..##... .....## ####### .....## ##...## ...##.. ##...## .....##
##...## ...#... .##.... .....## ....##. .....## ##...## ..##... ##...## .....##
.##.##. ...#... ##..... ##...## ....##. ##...## ##...## ..##... ##...## ....##.
..###.. .#####. ####### .#####. ....##. .#####. .#####. ..##... .#####. .####..
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
"""


def bitmaps_KD() -> Tensor:
    """The codes of the ten digits: 10 x 84 of +1 (ink) and -1, row by row of 7 x 12 pixels."""
    rows = [line.split() for line in _BITMAPS.split("\n") if line]
    digits = ["".join(row[digit] for row in rows) for digit in range(10)]
    return torch.tensor([[1.0 if pixel == "#" else -1.0 for pixel in digit] for digit in digits])


class RadialBasis(nn.Module):
    """-sum_d (x_d - w_kd)^2: minus the squared distance to each fixed code."""

    codes_KD: Tensor

    def __init__(self, codes_KD: Tensor) -> None:
        super().__init__()
        self.out_features, self.in_features = codes_KD.shape
        self.register_buffer("codes_KD", codes_KD)

    def forward(self, units_ND: Tensor) -> Tensor:
        """Logits, N x K, at most zero."""
        return -(units_ND.unsqueeze(1) - self.codes_KD).square().sum(2)

    def multiply_adds(self, _output: object) -> int:
        """One square for each class and unit."""
        return self.codes_KD.numel()


class LeNet5(Net):
    """C1 6 - S2 - C3 16 - S4 - C5 120 - F6 84 - output K; any channels, sides of at least 32 pixels.

    The output is "rbf", for 10 classes alone, or "linear"; None for the first where there are 10 classes.
    """

    taps = ("c1", "squash1", "s2", "squash2", "c3", "squash3", "s4", "squash4", "c5", "squash5", "f6", "squash6", "output")
    head_name = "output"
    paper_init = lecun_uniform  # appendix A

    def __init__(
        self, input_chw: CHW = (1, 32, 32), num_classes: int = 10, output: Literal["rbf", "linear"] | None = None
    ) -> None:
        super().__init__(input_chw)
        refuse_small("lenet5", input_chw, least_px=32)
        if output == "rbf" and num_classes != 10:
            raise SettingError(
                f"lenet5's output of radial basis functions has bitmaps for the 10 digits; got {num_classes} classes. "
                "Set net.output=linear, or leave it out."
            )
        c, h, w = input_chw
        h5, w5 = (((side - 4) // 2 - 4) // 2 - 4 for side in (h, w))
        self.c1 = nn.Conv2d(c, 6, kernel_size=5)
        self.squash1 = ScaledTanh()
        self.s2 = Subsampling(6)
        self.squash2 = ScaledTanh()
        self.c3 = TableConv2d(TABLE, 6, kernel_size=5)
        self.squash3 = ScaledTanh()
        self.s4 = Subsampling(16)
        self.squash4 = ScaledTanh()
        self.c5 = nn.Conv2d(16, 120, kernel_size=5)
        self.squash5 = ScaledTanh()
        self.flatten = nn.Flatten()
        self.f6 = nn.Linear(120 * h5 * w5, 84)
        self.squash6 = ScaledTanh()
        rbf = num_classes == 10 and output != "linear"
        self.output = RadialBasis(bitmaps_KD()) if rbf else nn.Linear(84, num_classes)

    def replace_head(self, num_classes: int) -> None:
        """A fully connected output for another number of classes; the bitmaps are for the ten digits only."""
        place = self.f6.weight
        self.output = nn.Linear(84, num_classes).to(place.device, place.dtype)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits, N x K."""
        self.check(images_NCHW)
        maps_NCHW = self.squash2(self.s2(self.squash1(self.c1(images_NCHW))))
        maps_NCHW = self.squash4(self.s4(self.squash3(self.c3(maps_NCHW))))
        units_ND = self.squash6(self.f6(self.flatten(self.squash5(self.c5(maps_NCHW)))))
        logits_NK: Tensor = self.output(units_ND)
        return logits_NK
