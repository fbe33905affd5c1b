"""LeNet-1 -- LeCun et al. 1990, "Handwritten Digit Recognition with a Back-Propagation Network", NIPS 2, table 1.

28 x 28 pixels. H1: 4 maps of 24 x 24, 5 x 5 kernels. H2: 2 x 2 subsampling. H3: 12 maps of 8 x 8, 5 x 5, of which each sees one
or two maps of H2 by table 1: two halves that do not mix. H4: 2 x 2 subsampling. 10 outputs from 192 units.
2,578 parameters: 104 + 8 + 512 + 24 + 1,930; 98,442 links.

Departures: the outputs are logits, without their squashing function, so that any loss applies.
"""

from torch import Tensor, nn

from striate.nets.blocks import ScaledTanh, Subsampling, TableConv2d
from striate.nets.init import lecun_uniform
from striate.nets.net import CHW, Net, refuse_small

_ROWS = ("111011000000", "011111000000", "000000111011", "000000011111")  # maps of H2, by maps of H3
TABLE = tuple(tuple(source for source in range(4) if _ROWS[source][to] == "1") for to in range(12))


class LeNet1(Net):
    """h1 4 - h2 subsampling - h3 12 - h4 subsampling - output K; any channels, sides of at least 16 pixels."""

    taps = ("h1", "squash1", "h2", "squash2", "h3", "squash3", "h4", "squash4", "output")
    head_name = "output"
    paper_init = lecun_uniform

    def __init__(self, input_chw: CHW = (1, 28, 28), num_classes: int = 10) -> None:
        super().__init__(input_chw)
        refuse_small("lenet1", input_chw, least_px=16)
        c, h, w = input_chw
        self.h1 = nn.Conv2d(c, 4, kernel_size=5)
        self.squash1 = ScaledTanh()
        self.h2 = Subsampling(4)
        self.squash2 = ScaledTanh()
        self.h3 = TableConv2d(TABLE, 4, kernel_size=5)
        self.squash3 = ScaledTanh()
        self.h4 = Subsampling(12)
        self.squash4 = ScaledTanh()
        self.flatten = nn.Flatten()
        self.output = nn.Linear(12 * (((h - 4) // 2 - 4) // 2) * (((w - 4) // 2 - 4) // 2), num_classes)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits, N x K."""
        self.check(images_NCHW)
        maps_NCHW = self.squash2(self.h2(self.squash1(self.h1(images_NCHW))))
        maps_NCHW = self.squash4(self.h4(self.squash3(self.h3(maps_NCHW))))
        logits_NK: Tensor = self.output(self.flatten(maps_NCHW))
        return logits_NK
