"""The one-tower AlexNet -- Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks".

The network that torchvision calls `alexnet`: 64, 192, 384, 256, 256 maps, no local response norm, no groups, dropout before fc6
and fc7. 61,100,840 parameters at 3 x 224 x 224 and 1000 classes.

Departures: conv4 has torchvision's 256 maps, for whose sake this network is here; the paper's own column has 384.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from striate.nets import blocks
from striate.nets.architectures.alexnet import conv_side
from striate.nets.net import CHW, Net, refuse_small


class AlexNetOWT(Net):
    """conv1 64 - pool1 - conv2 192 - pool2 - conv3 384 - conv4 256 - conv5 256 - pool5 - fc6 4096 - fc7 4096 - fc8 K.

    Any channels, sides of at least 63 pixels; `dropout` is the probability that an input of fc6 or fc7 is dropped in training.
    """

    taps = (
        "conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "conv3", "relu3", "conv4", "relu4", "conv5", "relu5", "pool5",
        "fc6", "relu6", "fc7", "relu7", "fc8",
    )  # fmt: skip
    head_name = "fc8"

    def __init__(
        self, input_chw: CHW = (3, 224, 224), num_classes: int = 1000, dropout: float = 0.5, activation: str = "relu",
        pooling: str = "max",
    ) -> None:  # fmt: skip
        super().__init__(input_chw)
        refuse_small("alexnet_owt", input_chw, least_px=63)
        c, h, w = input_chw
        self.conv1 = nn.Conv2d(c, 64, kernel_size=11, stride=4, padding=2)
        self.relu1 = blocks.activation(activation)
        self.pool1 = blocks.pool(pooling, 3, 2)
        self.conv2 = nn.Conv2d(64, 192, kernel_size=5, padding=2)
        self.relu2 = blocks.activation(activation)
        self.pool2 = blocks.pool(pooling, 3, 2)
        self.conv3 = nn.Conv2d(192, 384, kernel_size=3, padding=1)
        self.relu3 = blocks.activation(activation)
        self.conv4 = nn.Conv2d(384, 256, kernel_size=3, padding=1)
        self.relu4 = blocks.activation(activation)
        self.conv5 = nn.Conv2d(256, 256, kernel_size=3, padding=1)
        self.relu5 = blocks.activation(activation)
        self.pool5 = blocks.pool(pooling, 3, 2)
        self.flatten = nn.Flatten()
        self.dropout6 = nn.Dropout(dropout)
        self.fc6 = nn.Linear(256 * conv_side(h, 2) * conv_side(w, 2), 4096)
        self.relu6 = blocks.activation(activation)
        self.dropout7 = nn.Dropout(dropout)
        self.fc7 = nn.Linear(4096, 4096)
        self.relu7 = blocks.activation(activation)
        self.fc8 = nn.Linear(4096, num_classes)

    def external_names(self) -> Mapping[str, str]:
        """Names of torchvision's `alexnet` by our own."""
        convolutions = {f"conv{n}": f"features.{index}" for n, index in ((1, 0), (2, 3), (3, 6), (4, 8), (5, 10))}
        return convolutions | {"fc6": "classifier.1", "fc7": "classifier.4", "fc8": "classifier.6"}

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits, N x K."""
        self.check(images_NCHW)
        maps_NCHW = self.pool1(self.relu1(self.conv1(images_NCHW)))
        maps_NCHW = self.pool2(self.relu2(self.conv2(maps_NCHW)))
        maps_NCHW = self.relu4(self.conv4(self.relu3(self.conv3(maps_NCHW))))
        maps_NCHW = self.pool5(self.relu5(self.conv5(maps_NCHW)))
        hidden_ND = self.relu6(self.fc6(self.dropout6(self.flatten(maps_NCHW))))
        hidden_ND = self.relu7(self.fc7(self.dropout7(hidden_ND)))
        logits_NK: Tensor = self.fc8(hidden_ND)
        return logits_NK
