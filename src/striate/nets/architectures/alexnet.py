"""AlexNet -- Krizhevsky, Sutskever & Hinton 2012, section 3.5 and figure 2.

Parameters at 3 x 227 x 227 and 1000 classes: 34,944 + 307,456 + 885,120 + 663,936 + 442,624 + 37,752,832 + 16,781,312 +
4,097,000 = 60,965,224; multiply-adds 724,406,816. Sides: 227, 55, 27, 27, 13, 13, 13, 13, 6. All pools are
3 x 3 at stride 2: they overlap.

Departures: the two GPU towers are `groups=2` on one device; the input is 227 px, which the paper's arithmetic needs (it
prints 224); dropout is inverted (scaled in training), where the paper halves the outputs at test time.
"""

from torch import Tensor, nn

from striate.nets import blocks
from striate.nets.init import gaussian
from striate.nets.net import CHW, Net, refuse_small


def conv_side(size_px: int, padding: int) -> int:
    """Side of pool5's output, for an image of `size_px` with this padding around it."""
    side = (size_px + 2 * padding - 11) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    return side


class AlexNet(Net):
    """conv1 96, norm1, pool1 - conv2 256, norm2, pool2 - conv3 384 - conv4 384 - conv5 256, pool5 - fc6, fc7 4096 - fc8 K.

    Any channels, sides of at least 67 pixels; `dropout` is the probability that a unit of fc6 or fc7 is dropped in training.
    """

    taps = (
        "conv1", "relu1", "norm1", "pool1", "conv2", "relu2", "norm2", "pool2", "conv3", "relu3", "conv4", "relu4",
        "conv5", "relu5", "pool5", "fc6", "relu6", "fc7", "relu7", "fc8",
    )  # fmt: skip
    head_name = "fc8"
    channels_last = False  # its large filters and maps are computed slower so

    def __init__(
        self, input_chw: CHW = (3, 227, 227), num_classes: int = 1000, dropout: float = 0.5, activation: str = "relu",
        pooling: str = "max",
    ) -> None:  # fmt: skip
        super().__init__(input_chw)
        refuse_small("alexnet", input_chw, least_px=67)
        c, h, w = input_chw
        self.conv1 = nn.Conv2d(c, 96, kernel_size=11, stride=4)
        self.relu1 = blocks.activation(activation)
        self.norm1 = blocks.LocalResponseNorm()
        self.pool1 = blocks.pool(pooling, 3, 2)
        self.conv2 = nn.Conv2d(96, 256, kernel_size=5, padding=2, groups=2)
        self.relu2 = blocks.activation(activation)
        self.norm2 = blocks.LocalResponseNorm()
        self.pool2 = blocks.pool(pooling, 3, 2)
        self.conv3 = nn.Conv2d(256, 384, kernel_size=3, padding=1)
        self.relu3 = blocks.activation(activation)
        self.conv4 = nn.Conv2d(384, 384, kernel_size=3, padding=1, groups=2)
        self.relu4 = blocks.activation(activation)
        self.conv5 = nn.Conv2d(384, 256, kernel_size=3, padding=1, groups=2)
        self.relu5 = blocks.activation(activation)
        self.pool5 = blocks.pool(pooling, 3, 2)
        self.flatten = nn.Flatten()
        self.fc6 = nn.Linear(256 * conv_side(h, 0) * conv_side(w, 0), 4096)
        self.relu6 = blocks.activation(activation)
        self.dropout6 = nn.Dropout(dropout)
        self.fc7 = nn.Linear(4096, 4096)
        self.relu7 = blocks.activation(activation)
        self.dropout7 = nn.Dropout(dropout)
        self.fc8 = nn.Linear(4096, num_classes)

    def paper_init(self) -> None:
        """N(0, 0.01); biases 1 in conv2, conv4, conv5, fc6 and fc7, else 0 (section 5)."""
        gaussian(self, std=0.01)
        for layer in (self.conv2, self.conv4, self.conv5, self.fc6, self.fc7):
            assert layer.bias is not None
            nn.init.ones_(layer.bias)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits, N x K."""
        self.check(images_NCHW)
        maps_NCHW = self.pool1(self.norm1(self.relu1(self.conv1(images_NCHW))))
        maps_NCHW = self.pool2(self.norm2(self.relu2(self.conv2(maps_NCHW))))
        maps_NCHW = self.relu4(self.conv4(self.relu3(self.conv3(maps_NCHW))))
        maps_NCHW = self.pool5(self.relu5(self.conv5(maps_NCHW)))
        hidden_ND = self.dropout6(self.relu6(self.fc6(self.flatten(maps_NCHW))))
        hidden_ND = self.dropout7(self.relu7(self.fc7(hidden_ND)))
        logits_NK: Tensor = self.fc8(hidden_ND)
        return logits_NK
