"""The fully connected network that convolution is measured against: 784-300-100-10.

Source: LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition", section III.C.3
(28x28-300-100-10; 266,610 parameters with biases).

Departures: ReLU in place of the paper's scaled tanh (`activation="scaled_tanh"` gives it); torch's initialization; logits and
cross-entropy in place of squared error.
"""

from torch import Tensor, nn

from striate.nets import blocks
from striate.nets.net import CHW, Net, refuse_small


class MLP(Net):
    """fc1 300 - fc2 100 - fc3 K over the flattened image, of any size; ReLU after fc1 and fc2.

    `dropout` is the probability that a unit of fc1 or fc2 is dropped in training.
    """

    taps = ("fc1", "fc2", "fc3")
    head_name = "fc3"

    def __init__(
        self, input_chw: CHW = (1, 28, 28), num_classes: int = 10, dropout: float = 0.0, activation: str = "relu"
    ) -> None:
        super().__init__(input_chw)
        refuse_small("mlp", input_chw, least_px=1)
        c, h, w = input_chw
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(c * h * w, 300)
        self.relu1 = blocks.activation(activation)
        self.dropout1 = nn.Dropout(dropout)
        self.fc2 = nn.Linear(300, 100)
        self.relu2 = blocks.activation(activation)
        self.dropout2 = nn.Dropout(dropout)
        self.fc3 = nn.Linear(100, num_classes)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits, N x K."""
        self.check(images_NCHW)
        hidden_ND = self.dropout1(self.relu1(self.fc1(self.flatten(images_NCHW))))
        hidden_ND = self.dropout2(self.relu2(self.fc2(hidden_ND)))
        logits_NK: Tensor = self.fc3(hidden_ND)
        return logits_NK
