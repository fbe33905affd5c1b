"""ResNet -- He, Zhang, Ren & Sun 2016, "Deep Residual Learning for Image Recognition", table 1.

Parameters at 3 x 224 x 224 and 1000 classes, shortcuts of option B: 11,689,512 (18 layers), 21,797,672 (34), 25,557,032 (50),
44,549,160 (101), 60,192,808 (152).

Departures: the stride of a bottleneck is in its 3 x 3 convolution, which most implementations do and which costs more
multiply-adds (4,089,184,256 in place of 3,857,973,248 for 50 layers); `v1=True` puts it in the first 1 x 1, as in the paper.
"""

from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn

from striate.nets import blocks
from striate.nets.architectures.residual_blocks import BasicBlock, Bottleneck, Shortcut, external_block, stages
from striate.nets.init import he_fan_out
from striate.nets.net import CHW, Net, refuse_small


class ResNet(Net):
    """conv1 7x7/2 64 - pool1 3x3/2 - conv2_1.. - conv3_1.. - conv4_1.. - conv5_1.. - pool5 - fc K, `depths` blocks in a stage.

    Any channels, sides of at least 32 pixels; the shortcut is "A", "B" or "C" of `nets.architectures.residual_blocks`; `v1`
    puts the stride of bottlenecks into the first 1 x 1.
    """

    head_name = "fc"
    paper_init = he_fan_out  # for convolutions; the last layer as torch draws it

    def __init__(
        self, input_chw: CHW = (3, 224, 224), num_classes: int = 1000, *, depths: tuple[int, int, int, int],
        block: type[BasicBlock | Bottleneck], shortcut: Shortcut = "B", v1: bool = False, activation: str = "relu",
    ) -> None:  # fmt: skip
        super().__init__(input_chw)
        refuse_small("ResNet", input_chw, least_px=32)
        self.conv1 = nn.Conv2d(input_chw[0], 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu1 = blocks.activation(activation)
        self.pool1 = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.blocks: list[str] = []
        channels = 64
        for name, width, stride in stages(depths, 64):
            self.blocks.append(name)
            setattr(self, name, block(channels, width, stride, shortcut, activation, v1))
            channels = width * block.expansion
        self.pool5 = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes)
        self.taps = ("conv1", "pool1", *self.blocks, "pool5", "fc")

    def external_names(self) -> Mapping[str, str]:
        """Names of torchvision and of timm, which are the same, by our own."""
        table = {"conv1": "conv1", "bn1": "bn1", "fc": "fc"}
        for name in self.blocks:
            external = external_block(name)
            table |= {f"{name}.{part}": f"{external}.{part}" for part in ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3")}
            table |= {f"{name}.shortcut.conv": f"{external}.downsample.0", f"{name}.shortcut.bn": f"{external}.downsample.1"}
        return table

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits, N x K."""
        self.check(images_NCHW)
        maps_NCHW = self.pool1(self.relu1(self.bn1(self.conv1(images_NCHW))))
        for name in self.blocks:
            maps_NCHW = getattr(self, name)(maps_NCHW)
        logits_NK: Tensor = self.fc(self.flatten(self.pool5(maps_NCHW)))
        return logits_NK


resnet18 = partial(ResNet, depths=(2, 2, 2, 2), block=BasicBlock)
resnet34 = partial(ResNet, depths=(3, 4, 6, 3), block=BasicBlock)
resnet50 = partial(ResNet, depths=(3, 4, 6, 3), block=Bottleneck)
resnet101 = partial(ResNet, depths=(3, 4, 23, 3), block=Bottleneck)
resnet152 = partial(ResNet, depths=(3, 8, 36, 3), block=Bottleneck)
