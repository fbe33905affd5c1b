"""The residual networks for small images, and the plain networks they are measured against.

Source: He, Zhang, Ren & Sun 2016, "Deep Residual Learning for Image Recognition", section 4.2: a 3 x 3 convolution, three
stages of n blocks with 16, 32 and 64 maps of full, half and quarter size, a global mean, one fully connected layer; 6n + 2
layers with weights. Parameters at 3 x 32 x 32 and 10 classes with option A: 269,722 (20 layers), 464,154 (32), 658,586 (44),
853,018 (56), 1,727,962 (110); option B has 2,752 more. Multiply-adds of the 20: 40.55 million.

Departures: none in structure. The stages are called conv2 to conv4, as in the paper's table for ImageNet.
"""

from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn

from striate.nets import blocks
from striate.nets.architectures.residual_blocks import BasicBlock, Shortcut, external_block, stages
from striate.nets.init import he_fan_out
from striate.nets.net import CHW, Net, refuse_small


class CifarResNet(Net):
    """conv1 16 - conv2_1..n 16 - conv3_1..n 32 - conv4_1..n 64 - pool4 - fc K, n blocks in each stage.

    Any channels, sides of at least 8 pixels; the shortcut is "A", "B" or "C" of `nets.architectures.residual_blocks`, or
    "none" for the plain network.
    """

    head_name = "fc"
    paper_init = he_fan_out  # for convolutions; the last layer as torch draws it

    def __init__(
        self, input_chw: CHW = (3, 32, 32), num_classes: int = 10, *, n: int, shortcut: Shortcut = "A", activation: str = "relu"
    ) -> None:
        super().__init__(input_chw)
        refuse_small("A residual network of this family", input_chw, least_px=8)
        self.conv1 = nn.Conv2d(input_chw[0], 16, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu1 = blocks.activation(activation)
        self.blocks: list[str] = []
        channels = 16
        for name, width, stride in stages((n, n, n), 16):
            self.blocks.append(name)
            setattr(self, name, BasicBlock(channels, width, stride, shortcut, activation))
            channels = width
        self.pool4 = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(64, num_classes)
        self.taps = ("conv1", *self.blocks, "pool4", "fc")

    def external_names(self) -> Mapping[str, str]:
        """Names of the widely used CIFAR repositories, which differ in the head and the shortcut, by our own."""
        table = {"conv1": "conv1", "bn1": "bn1", "fc": "linear|fc"}
        for name in self.blocks:
            external = external_block(name)
            table |= {f"{name}.{part}": f"{external}.{part}" for part in ("conv1", "bn1", "conv2", "bn2")}
            for index, part in enumerate(("conv", "bn")):
                table[f"{name}.shortcut.{part}"] = f"{external}.downsample.{index}|{external}.shortcut.{index}"
        return table

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits, N x K."""
        self.check(images_NCHW)
        maps_NCHW = self.relu1(self.bn1(self.conv1(images_NCHW)))
        for name in self.blocks:
            maps_NCHW = getattr(self, name)(maps_NCHW)
        logits_NK: Tensor = self.fc(self.flatten(self.pool4(maps_NCHW)))
        return logits_NK


resnet20 = partial(CifarResNet, n=3)
resnet32 = partial(CifarResNet, n=5)
resnet44 = partial(CifarResNet, n=7)
resnet56 = partial(CifarResNet, n=9)
resnet110 = partial(CifarResNet, n=18)
plain20 = partial(CifarResNet, n=3, shortcut="none")
plain56 = partial(CifarResNet, n=9, shortcut="none")
