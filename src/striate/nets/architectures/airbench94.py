"""The small, wide network of the speed records on CIFAR-10.

Source: Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (arXiv 2404.00498), section 3.1 and listing: a 2 x 2
convolution whose filters are the whitened principal components of image patches and do not learn, three stages of two 3 x 3
convolutions with 64, 256 and 256 maps, the first followed by a 2 x 2 pool, a global maximum, one fully connected layer without
bias. Parameters at 3 x 32 x 32 and 10 classes: 1,971,640; multiply-adds: 118,147,360.

At inference the logits may be those of several views (section 3.5): the image and its mirror image, and both of the image
moved by a pixel along the diagonal, to either side, which count half as much.

Departures: what the listing divides the logits by is in the draw of the last layer, whose rate is smaller for it. The
filters of conv1 are those of `init="whitening"`, kept by `lr_multipliers`, as in the recipe `airbench94_cifar10`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.base.errors import SettingError
from striate.nets import blocks
from striate.nets.net import CHW, Net, refuse_small

WIDTHS = (64, 256, 256)
VIEWS = (1, 2, 6)


class Airbench94(Net):
    """conv1 2x2x24 - (conv 3x3 - pool 2x2 - bn - conv 3x3 - bn) x 64, 256, 256 - pool5 - fc K; GELU after conv1 and the norms.

    Any channels, sides of at least 9 pixels. There are two filters in conv1 for each number in a 2 x 2 patch: 24 of color
    images, 8 of gray ones. `views` is the number of views at inference, 1, 2 or 6, whose logits are averaged.
    """

    taps = (
        "conv1", "conv2_1", "pool2", "conv2_2", "conv3_1", "pool3", "conv3_2", "conv4_1", "pool4", "conv4_2", "pool5", "fc",
    )  # fmt: skip
    head_name = "fc"
    whitening_epsilon = 5e-4

    def __init__(
        self, input_chw: CHW = (3, 32, 32), num_classes: int = 10, *, activation: str = "gelu", views: int = 1
    ) -> None:
        super().__init__(input_chw)
        if views not in VIEWS:
            raise SettingError(f"expected 1, 2 or 6 views of an image; got {views}.")
        self.views = views
        refuse_small("airbench94", input_chw, least_px=9)
        channels = 2 * input_chw[0] * 2**2
        self.conv1 = nn.Conv2d(input_chw[0], channels, kernel_size=2)
        self.act1 = blocks.activation(activation)
        for stage, width in enumerate(WIDTHS, start=2):
            self.add_module(f"conv{stage}_1", nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False))
            self.add_module(f"pool{stage}", nn.MaxPool2d(2))
            self.add_module(f"bn{stage}_1", blocks.UnscaledBatchNorm2d(width, eps=1e-12, momentum=0.4))
            self.add_module(f"act{stage}_1", blocks.activation(activation))
            self.add_module(f"conv{stage}_2", nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False))
            self.add_module(f"bn{stage}_2", blocks.UnscaledBatchNorm2d(width, eps=1e-12, momentum=0.4))
            self.add_module(f"act{stage}_2", blocks.activation(activation))
            channels = width
        self.pool5 = nn.AdaptiveMaxPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes, bias=False)

    @torch.no_grad()
    def paper_init(self) -> None:
        """The first filters of each 3 x 3 convolution pass its maps on unchanged (Dirac); the others as torch draws them."""
        for name, layer in self.named_modules():
            if isinstance(layer, nn.Conv2d) and name != "conv1" and not layer.weight.is_meta:
                nn.init.dirac_(layer.weight[: layer.in_channels])
        if not self.fc.weight.is_meta:
            self.fc.weight.div_(self.fc.weight.std() * self.fc.in_features)

    def extra_repr(self) -> str:
        """The number of views, of which the layers say nothing."""
        return f"views={self.views}"

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits, N x K."""
        self.check(images_NCHW)
        if self.training or self.views == 1:
            return self._logits(images_NCHW)
        views = [(0.125, view) for moved in _moved(images_NCHW) for view in (moved, moved.flip(3))] if self.views == 6 else []
        own = 0.5 if self.views == 2 else 0.25
        views += [(own, images_NCHW.flip(3)), (own, images_NCHW)]  # taps keep what they saw last: the image itself
        return torch.stack([share * self._logits(view) for share, view in views]).sum(0)

    def _logits(self, images_NCHW: Tensor) -> Tensor:
        maps_NCHW = self.act1(self.conv1(images_NCHW))
        for stage in (2, 3, 4):
            for part in (f"conv{stage}_1", f"pool{stage}", f"bn{stage}_1", f"act{stage}_1"):
                maps_NCHW = getattr(self, part)(maps_NCHW)
            for part in (f"conv{stage}_2", f"bn{stage}_2", f"act{stage}_2"):
                maps_NCHW = getattr(self, part)(maps_NCHW)
        logits_NK: Tensor = self.fc(self.flatten(self.pool5(maps_NCHW)))
        return logits_NK


def _moved(images_NCHW: Tensor) -> tuple[Tensor, Tensor]:
    """The images moved by a pixel down and to the right, and up and to the left; the border is mirrored."""
    padded = functional.pad(images_NCHW, (1, 1, 1, 1), mode="reflect")
    return padded[:, :, :-2, :-2], padded[:, :, 2:, 2:]
