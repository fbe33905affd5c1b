"""EfficientNet-Lite0 -- Tan & Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", table 1.

The Lite variant of its authors (TensorFlow's TPU repository, 2020): B0 of the paper without squeeze-and-excite, with ReLU6 in
place of SiLU. Parameters at 3 x 224 x 224 and 1000 classes: 4,652,008; multiply-adds: 385,187,552.

Departures: drop-connect, which leaves out whole blocks in training, is missing. Layers are named for the stages of table 1.
Strided convolutions pad as TensorFlow's "SAME" does: of an odd number of zeros one more comes after the last row and column.
"""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional

from striate.nets.init import he_fan_out
from striate.nets.net import CHW, Net, refuse_small

# of the stages 2 to 8 of table 1: factor of the expansion, side of the kernel, stride, channels, blocks
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


def _norm(channels: int) -> nn.BatchNorm2d:
    """With the constants of its authors."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class SameConv2d(nn.Conv2d):
    """A convolution without bias that gives ceil(side / stride) places, by TensorFlow's padding "SAME".

    At a stride of 1 these are as many zeros on each side; else an odd one comes last.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> None:
        padding = kernel_size // 2 if stride == 1 else 0
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False)

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """N x out_channels x ceil(H / stride) x ceil(W / stride)."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride > 1:
            rows, columns = (max(0, (-(-side // stride) - 1) * stride + kernel - side) for side in maps_NCHW.shape[2:])
            maps_NCHW = functional.pad(maps_NCHW, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return super().forward(maps_NCHW)


class MBConv(nn.Module):
    """A 1 x 1 convolution that expands the channels, one kernel on each channel, a linear 1 x 1 that projects them.

    Sandler et al. 2018, figure 3: the input is added where the shape stays the same. Without expansion the first is left out.
    """

    def __init__(self, in_channels: int, out_channels: int, expansion: int, kernel_size: int, stride: int) -> None:
        super().__init__()
        width = in_channels * expansion
        if expansion != 1:
            self.expand = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
            self.bn1 = _norm(width)
            self.relu1 = nn.ReLU6()
        self.depthwise = SameConv2d(width, width, kernel_size, stride, groups=width)
        self.bn2 = _norm(width)
        self.relu2 = nn.ReLU6()
        self.project = nn.Conv2d(width, out_channels, kernel_size=1, bias=False)
        self.bn3 = _norm(out_channels)
        self.expansion, self.adds = expansion, stride == 1 and in_channels == out_channels

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """N x out_channels x ceil(H / stride) x ceil(W / stride)."""
        inner_NCHW = maps_NCHW if self.expansion == 1 else self.relu1(self.bn1(self.expand(maps_NCHW)))
        out_NCHW: Tensor = self.bn3(self.project(self.relu2(self.bn2(self.depthwise(inner_NCHW)))))
        return out_NCHW + maps_NCHW if self.adds else out_NCHW


class EfficientNetLite0(Net):
    """conv1 3x3/2 32 - mbconv2_1 - mbconv3_1.. - ... - mbconv8_1 - conv9 1x1 1280 - pool9 - dropout - fc K.

    Any channels, sides of at least 32 pixels.
    """

    head_name = "fc"
    paper_init = he_fan_out  # for convolutions, as the authors' code draws them; the last layer as torch draws it

    def __init__(self, input_chw: CHW = (3, 224, 224), num_classes: int = 1000, *, dropout: float = 0.2) -> None:
        super().__init__(input_chw)
        refuse_small("EfficientNet-Lite0", input_chw, least_px=32)
        self.conv1 = SameConv2d(input_chw[0], 32, kernel_size=3, stride=2)
        self.bn1 = _norm(32)
        self.relu1 = nn.ReLU6()
        self.blocks: list[str] = []
        in_channels = 32
        for stage, (expansion, kernel_size, stride, out_channels, depth) in enumerate(STAGES, start=2):
            for number in range(1, depth + 1):
                block = MBConv(in_channels, out_channels, expansion, kernel_size, stride if number == 1 else 1)
                self.blocks.append(f"mbconv{stage}_{number}")
                setattr(self, self.blocks[-1], block)
                in_channels = out_channels
        self.conv9 = nn.Conv2d(in_channels, 1280, kernel_size=1, bias=False)
        self.bn9 = _norm(1280)
        self.relu9 = nn.ReLU6()
        self.pool9 = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1280, num_classes)
        self.taps = ("conv1", *self.blocks, "conv9", "pool9", "fc")

    def external_names(self) -> Mapping[str, str]:
        """Names of the weights that the package registry has, and of timm, by our own."""
        table = {"conv1": "_conv_stem|conv_stem", "bn1": "_bn0|bn1", "conv9": "_conv_head|conv_head", "bn9": "_bn1|bn2"}
        table["fc"] = "_fc|classifier"
        for number, name in enumerate(self.blocks):
            stage, place = name.removeprefix("mbconv").split("_")
            one, timm = f"_blocks.{number}", f"blocks.{int(stage) - 2}.{int(place) - 1}"
            first = [] if number == 0 else [("expand", "_expand_conv", "conv_pw"), ("bn1", "_bn0", "bn1")]
            norm = 1 if number == 0 else 2
            rest = [("depthwise", "_depthwise_conv", "conv_dw"), ("bn2", "_bn1", f"bn{norm}")]
            rest += [("project", "_project_conv", "conv_pw" if number == 0 else "conv_pwl"), ("bn3", "_bn2", f"bn{norm + 1}")]
            table |= {f"{name}.{own}": f"{one}.{registry}|{timm}.{other}" for own, registry, other in [*first, *rest]}
        return table

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits, N x K."""
        self.check(images_NCHW)
        maps_NCHW = self.relu1(self.bn1(self.conv1(images_NCHW)))
        for name in self.blocks:
            maps_NCHW = getattr(self, name)(maps_NCHW)
        maps_NCHW = self.relu9(self.bn9(self.conv9(maps_NCHW)))
        logits_NK: Tensor = self.fc(self.dropout(self.flatten(self.pool9(maps_NCHW))))
        return logits_NK
