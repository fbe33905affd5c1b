"""What is called LeNet-5 in most code: LeCun et al. 1998 with full connections, ReLU, pools without parameters.

28 x 28 pixels with a border of 2, which equals the paper's 32 x 32. 61,706 parameters, not the paper's 60,000: C3 sees all
six maps, the pools have none, the output is fully connected.
"""

from torch import Tensor, nn

from striate.nets import blocks
from striate.nets.net import CHW, Net, refuse_small


class LeNet5Modern(Net):
    """conv1 6 - pool1 - conv2 16 - pool2 - fc1 120 - fc2 84 - fc3 K; any channels, sides of at least 12 pixels."""

    taps = ("conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "fc1", "relu3", "fc2", "relu4", "fc3")
    head_name = "fc3"

    def __init__(
        self, input_chw: CHW = (1, 28, 28), num_classes: int = 10, activation: str = "relu", pooling: str = "max"
    ) -> None:
        super().__init__(input_chw)
        refuse_small("lenet5_modern", input_chw, least_px=12)
        c, h, w = input_chw
        self.conv1 = nn.Conv2d(c, 6, kernel_size=5, padding=2)
        self.relu1 = blocks.activation(activation)
        self.pool1 = blocks.pool(pooling, 2, 2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.relu2 = blocks.activation(activation)
        self.pool2 = blocks.pool(pooling, 2, 2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(16 * ((h // 2 - 4) // 2) * ((w // 2 - 4) // 2), 120)
        self.relu3 = blocks.activation(activation)
        self.fc2 = nn.Linear(120, 84)
        self.relu4 = blocks.activation(activation)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits, N x K."""
        self.check(images_NCHW)
        maps_NCHW = self.pool1(self.relu1(self.conv1(images_NCHW)))
        maps_NCHW = self.pool2(self.relu2(self.conv2(maps_NCHW)))
        hidden_ND = self.relu4(self.fc2(self.relu3(self.fc1(self.flatten(maps_NCHW)))))
        logits_NK: Tensor = self.fc3(hidden_ND)
        return logits_NK
