"""A small network that knows scanned digits, trained once in the process: what lessons look into.

Legend: N images, K = 10 digits, H x W = 16 x 16 pixels.
"""

from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.hash_rng import places
from striate.lab.digit_training import SIDE, VALIDATION, digits

if TYPE_CHECKING:
    from torch import Tensor

    from striate.interpret.attribution import Explanation
    from striate.nets.net import Net

LAYERS = "conv 3x3x8, relu, pool 2, conv 3x3x16, relu, pool 2, fc 10"
EPOCHS, BATCH = 6, 32
Levels = NDArray[np.uint8]


class Network(NamedTuple):
    """The network, and what it subtracts from pixels in [0, 1], so that 0 is the training mean."""

    net: "Net"
    mean_1HW: "Tensor"
    accuracy: float  # on the validation scans

    def image(self, levels_HW: Levels) -> "Tensor":
        """The preprocessed image of gray levels, 1 x 1 x H x W."""
        import torch

        return torch.from_numpy(levels_HW.astype(np.float32) / np.float32(255))[None, None] - self.mean_1HW


@cache
def network() -> Network:
    """Trained in some seconds, with Adam, on all scans but those of the validation."""
    import torch

    from striate.base.config import Train
    from striate.nets.factory import build
    from striate.training import loss, optimizer

    images_N1HW, labels_N = digits()
    mean_1HW = images_N1HW[VALIDATION:].mean(0)
    ready_N1HW, count = images_N1HW - mean_1HW, len(labels_N) - VALIDATION
    net = build(LAYERS, (1, SIDE, SIDE), 10, init="he", seed=0).train()
    settings = Train(batch_size=BATCH, optimizer="adam", lr=0.005, weight_decay=0, schedule="constant", label_smoothing=0)
    update, losses_of = optimizer.make(net, settings), loss.make(settings, None)
    for epoch in range(EPOCHS):
        for start in range(0, count, BATCH):
            rows_B = torch.from_numpy(VALIDATION + places(start, min(start + BATCH, count), count, 0, epoch))
            update.zero_grad()
            torch.autograd.backward(losses_of(net(ready_N1HW[rows_B]), labels_N[rows_B]).mean())
            update.step()
    net.eval()
    with torch.inference_mode():
        right_N = net(ready_N1HW[:VALIDATION]).argmax(1) == labels_N[:VALIDATION]
    return Network(net, mean_1HW, right_N.float().mean().item())


def probabilities(levels_HW: Levels) -> NDArray[np.float32]:
    """Of each digit, K."""
    import torch

    known = network()
    with torch.inference_mode():
        probabilities_K: NDArray[np.float32] = known.net(known.image(levels_HW))[0].softmax(0).numpy()
    return probabilities_K


def hidden(levels_HW: Levels, row: int, column: int, side: int) -> Levels:
    """The image with a square from this pixel on at the training mean, cut off at the edges."""
    mean_HW = (network().mean_1HW[0].numpy() * 255).round().astype(np.uint8)
    square = slice(row, row + side), slice(column, column + side)
    changed_HW = levels_HW.copy()
    changed_HW[square] = mean_HW[square]
    return changed_HW


def explained(levels_HW: Levels, method: str, target: int) -> "Explanation":
    """The map of a method for a digit, with the test of its faithfulness; kept for the latest images."""
    return _explained(levels_HW.tobytes(), method, target)


@lru_cache(maxsize=120)
def _explained(levels: bytes, method: str, target: int) -> "Explanation":
    from striate.interpret.attribution import explain

    known = network()
    levels_HW = np.frombuffer(levels, np.uint8).reshape(SIDE, SIDE)
    return explain(known.net, known.image(levels_HW), method, target=target)


def overlaid(levels_HW: Levels, heat_HW: NDArray[np.floating]) -> Levels:
    """The map over the image, H x W x 3."""
    from striate.plots.interpret.heatmap import overlay

    return overlay(levels_HW[..., None], heat_HW)
