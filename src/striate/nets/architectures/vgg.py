"""VGG -- Simonyan & Zisserman 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition", table 1.

3 x 3 convolutions at stride 1, 2 x 2 pools, widths 64, 128, 256, 512, 512; three fully connected layers. Parameters at
3 x 224 x 224 and 1000 classes: 132,863,336 (11 layers, configuration A), 133,047,848 (13, B), 138,357,544 (16, D), 143,667,240
(19, E); 123,642,856 of them are fully connected. With batch norm: 132,868,840, 133,053,736, 138,365,992, 143,678,248.

Departures: none in structure. Batch norm came after the paper; it stands between convolution and ReLU, and the
convolution keeps its bias, as in torchvision.
"""

from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn

from striate.nets import blocks
from striate.nets.init import gaussian, he
from striate.nets.net import CHW, Net, refuse_small

_WIDTHS = (64, 128, 256, 512, 512)


class VGG(Net):
    """conv1_1 .. pool1 - conv2_1 .. pool2 - conv3_1 .. pool3 - conv4_1 .. pool4 - conv5_1 .. pool5 - fc6 - fc7 4096 - fc8 K.

    Any channels, sides of at least 32 pixels; `depths` are the convolutions before each of the five pools; `bn` puts batch norm
    after every convolution; `dropout` is the probability that a unit of fc6 and of fc7 is dropped in training.
    """

    head_name = "fc8"
    channels_last = False  # its large filters and maps are computed slower so

    def __init__(
        self, input_chw: CHW = (3, 224, 224), num_classes: int = 1000, *, depths: tuple[int, int, int, int, int],
        bn: bool = False, dropout: float = 0.5, activation: str = "relu", pooling: str = "max",
    ) -> None:  # fmt: skip
        super().__init__(input_chw)
        refuse_small("VGG", input_chw, least_px=32)
        channels, height, width = input_chw
        self.layers: list[str] = []  # of the convolutional part, in order
        for stage, (depth, maps) in enumerate(zip(depths, _WIDTHS, strict=True), start=1):
            for number in range(1, depth + 1):
                self._add(f"conv{stage}_{number}", nn.Conv2d(channels, maps, kernel_size=3, padding=1))
                if bn:
                    self._add(f"bn{stage}_{number}", nn.BatchNorm2d(maps))
                self._add(f"relu{stage}_{number}", blocks.activation(activation))
                channels = maps
            self._add(f"pool{stage}", blocks.pool(pooling, 2, 2))
        self.flatten = nn.Flatten()
        self.fc6 = nn.Linear(512 * (height // 32) * (width // 32), 4096)
        self.relu6 = blocks.activation(activation)
        self.dropout6 = nn.Dropout(dropout)
        self.fc7 = nn.Linear(4096, 4096)
        self.relu7 = blocks.activation(activation)
        self.dropout7 = nn.Dropout(dropout)
        self.fc8 = nn.Linear(4096, num_classes)
        self.taps = (*(name for name in self.layers if not name.startswith("bn")), "fc6", "relu6", "fc7", "relu7", "fc8")
        self._own_start_trains = sum(depths) == 8 and not bn

    def _add(self, name: str, layer: nn.Module) -> None:
        setattr(self, name, layer)
        self.layers.append(name)

    def paper_init(self) -> None:
        """N(0, 0.01), biases zero; with more than 11 layers, which the paper grew from the trained 11, He normal below fc8."""
        if self._own_start_trains:
            gaussian(self, std=0.01)
        else:
            he(self)
            nn.init.normal_(self.fc8.weight, std=0.01)

    def external_names(self) -> Mapping[str, str]:
        """Names of torchvision and of timm, whose fc6 and fc7 are convolutions of the same numbers, by our own."""
        table = {name: f"features.{index}" for index, name in enumerate(self.layers) if name.startswith(("conv", "bn"))}
        return table | {
            "fc6": "classifier.0|pre_logits.fc1", "fc7": "classifier.3|pre_logits.fc2", "fc8": "classifier.6|head.fc",
        }  # fmt: skip

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits, N x K."""
        self.check(images_NCHW)
        maps_NCHW = images_NCHW
        for name in self.layers:
            maps_NCHW = getattr(self, name)(maps_NCHW)
        hidden_ND = self.dropout6(self.relu6(self.fc6(self.flatten(maps_NCHW))))
        hidden_ND = self.dropout7(self.relu7(self.fc7(hidden_ND)))
        logits_NK: Tensor = self.fc8(hidden_ND)
        return logits_NK


vgg11 = partial(VGG, depths=(1, 1, 2, 2, 2))
vgg13 = partial(VGG, depths=(2, 2, 2, 2, 2))
vgg16 = partial(VGG, depths=(2, 2, 3, 3, 3))
vgg19 = partial(VGG, depths=(2, 2, 4, 4, 4))
vgg11_bn = partial(vgg11, bn=True)
vgg13_bn = partial(vgg13, bn=True)
vgg16_bn = partial(vgg16, bn=True)
vgg19_bn = partial(vgg19, bn=True)
