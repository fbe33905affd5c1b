"""The textbook's network for MNIST: two convolutions, two pools, two fully connected layers.

Source: TensorFlow's "A Guide to TF Layers: Building a Convolutional Neural Network" (r1), which textbook chapters on
convolutional networks took over. At 28 x 28 gray and 10 classes: 3,274,634 parameters, 13,883,904 multiply-adds an image,
832 + 51,264 + 3,212,288 + 10,250 by layer; a unit of pool2 sees 16 x 16 pixels, at a jump of 4.

Departures: none. The default dropout of 0.4 is the guide's; the textbook has 0.5.
"""

from torch import Tensor, nn

from striate.nets import blocks
from striate.nets.init import glorot
from striate.nets.net import CHW, Net, refuse_small


class MnistCNN(Net):
    """conv1 5x5x32 - pool1 - conv2 5x5x64 - pool2 - fc1 1024 - dropout - fc2 K; ReLU after conv1, conv2 and fc1.

    Any channels, sides of at least 4 pixels; a pool drops the last row or column of an odd side. `dropout` is the probability
    that a unit of fc1 is dropped in training.
    """

    taps = ("conv1", "pool1", "conv2", "pool2", "fc1", "fc2")
    head_name = "fc2"
    paper_init = glorot  # and zero biases: what tf.layers began with

    def __init__(
        self, input_chw: CHW = (1, 28, 28), num_classes: int = 10, dropout: float = 0.4, activation: str = "relu",
        pooling: str = "max",
    ) -> None:  # fmt: skip
        super().__init__(input_chw)
        refuse_small("mnist_cnn", input_chw, least_px=4)
        c, h, w = input_chw
        self.conv1 = nn.Conv2d(c, 32, kernel_size=5, padding=2)
        self.relu1 = blocks.activation(activation)
        self.pool1 = blocks.pool(pooling, 2, 2)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=5, padding=2)
        self.relu2 = blocks.activation(activation)
        self.pool2 = blocks.pool(pooling, 2, 2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(64 * (h // 4) * (w // 4), 1024)
        self.relu3 = blocks.activation(activation)
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits, N x K."""
        self.check(images_NCHW)
        maps_NCHW = self.pool1(self.relu1(self.conv1(images_NCHW)))
        maps_NCHW = self.pool2(self.relu2(self.conv2(maps_NCHW)))
        hidden_ND = self.relu3(self.fc1(self.flatten(maps_NCHW)))
        logits_NK: Tensor = self.fc2(self.dropout(hidden_ND))
        return logits_NK
