"""The first convolutional network trained by back-propagation -- LeCun et al. 1989, Neural Computation 1:541.

16 x 16 pixels in [-1, 1], background -1. H1: 12 maps of 8 x 8, 5 x 5 kernels at stride 2. H2: 12 maps of 4 x 4, 5 x 5 at
stride 2, each from 8 of the 12 maps. H3: 30 units, fully connected. 10 outputs. Borders are filled with -1, the background.
Weights are shared within a map, biases are not: one for each unit. tanh everywhere. 9,760 parameters: 1,068 + 2,592 + 5,790 +
310; 1,256 units; 64,660 links.

Departures: the outputs are logits, without their tanh, so that any loss applies (the paper: squared distance to +-1). The
paper leaves open which 8 maps; here maps 0-3 see 0-7, maps 4-7 see 4-11, maps 8-11 see 0-3 and 8-11.
"""

from torch import Tensor, nn

from striate.nets.blocks import TableConv2d, UnitBias
from striate.nets.init import lecun_uniform
from striate.nets.net import CHW, Net, refuse_small

TABLE = tuple(
    tuple(source for source in range(12) if source // 4 in groups) for groups in ((0, 1), (1, 2), (0, 2)) for _ in range(4)
)


class LeCun1989(Net):
    """h1 12 - h2 12 - h3 30 - output K; any channels, sides of at least 8 pixels."""

    taps = ("h1", "tanh1", "h2", "tanh2", "h3", "tanh3", "output")
    head_name = "output"
    paper_init = lecun_uniform

    def __init__(self, input_chw: CHW = (1, 16, 16), num_classes: int = 10) -> None:
        super().__init__(input_chw)
        refuse_small("lecun1989", input_chw, least_px=8)
        c, h, w = input_chw
        (h1, w1), (h2, w2) = ((h + 1) // 2, (w + 1) // 2), ((h + 3) // 4, (w + 3) // 4)
        self.pad1 = nn.ConstantPad2d(2, -1.0)
        self.h1 = nn.Conv2d(c, 12, kernel_size=5, stride=2, bias=False)
        self.bias1 = UnitBias((12, h1, w1))
        self.tanh1 = nn.Tanh()
        self.pad2 = nn.ConstantPad2d(2, -1.0)
        self.h2 = TableConv2d(TABLE, 12, kernel_size=5, stride=2, bias=False)
        self.bias2 = UnitBias((12, h2, w2))
        self.tanh2 = nn.Tanh()
        self.flatten = nn.Flatten()
        self.h3 = nn.Linear(12 * h2 * w2, 30)
        self.tanh3 = nn.Tanh()
        self.output = nn.Linear(30, num_classes)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits, N x K."""
        self.check(images_NCHW)
        maps_NCHW = self.tanh1(self.bias1(self.h1(self.pad1(images_NCHW))))
        maps_NCHW = self.tanh2(self.bias2(self.h2(self.pad2(maps_NCHW))))
        logits_NK: Tensor = self.output(self.tanh3(self.h3(self.flatten(maps_NCHW))))
        return logits_NK
