"""How weights begin.

`torch` keeps what the layers of torch draw: Kaiming uniform with a = sqrt(5), which is U(+-1/sqrt(fan_in)), also for
biases. `glorot` (Glorot & Bengio 2010, eq. 16) draws U(+-sqrt(6 / (fan_in + fan_out))), `he` (He et al. 2015, eq. 10)
N(0, 2 / fan_in); both set biases to zero. Norm layers keep weight 1 and bias 0.
"""

from torch import nn

SCHEMES = ("torch", "glorot", "he")


def initialise(net: nn.Module, scheme: str) -> None:
    """Draw the weights of every convolution and fully connected layer anew, by torch's global generator.

    Args:
        net: changed in place.
        scheme: one of `SCHEMES`; `torch` changes nothing.

    """
    if scheme == "torch":
        return
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            if scheme == "glorot":
                nn.init.xavier_uniform_(layer.weight)
            else:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
