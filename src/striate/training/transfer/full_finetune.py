"""All weights, from those of another training: the last of the three strategies.

The head comes first: trained from nothing together with the body it would send large gradients into features that are good
already, and spoil them (Kumar et al. 2022, "LP-FT"). So training begins where the adapted head has ended, at a small rate that
falls with depth: layers near the image, which hold what all images share, change least (Howard & Ruder 2018, section 3.2).
"""

from torch import nn

from striate.training import layer_lr

_FIRST = 0.1  # the rate of the first layer, as a share of the last one's: Girshick et al. 2014, 2.3, has a tenth for the body


def layer_decay(net: nn.Module) -> float:
    """What the rate of each layer is of the next one's, so that the first has a tenth of the last one's.

    >>> from striate.nets.factory import build
    >>> round(layer_decay(build("lenet5_modern", (1, 32, 32), 10)), 6) == round(0.1 ** (1 / 4), 6)  # five layers
    True
    """
    layers = max(layer_lr.depths(net).values(), default=1)
    return float(_FIRST ** (1 / max(1, layers - 1)))


def unfreeze_epochs(net: nn.Module, epochs: int) -> dict[str, int]:
    """The epoch in which each parameter begins to learn, by its name: gradual unfreezing (Howard & Ruder 2018, section 3.3).

    The head learns from the first epoch on, and one layer after the other joins it, the one nearest to the image when half of
    the epochs are over. What has no place in the network in use, as auxiliary heads, learns from the start.
    """
    places = layer_lr.depths(net)
    last, half = max(places.values(), default=1), epochs // 2
    named = layer_lr.layers(net)
    return {name: (last - place) * half // max(1, last - 1) for layer, place in places.items() for name in named[layer]}
