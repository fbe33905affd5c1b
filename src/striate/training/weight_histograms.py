"""Weight histograms by layer, with the shares of small weights and of zeros, mean and standard deviation.

Bins are 0.005 wide, about the multiples of 0.005 from -1 to 1, so that the middle one is about zero; the outermost hold what
lies beyond. They are the same for every layer, network and time, so histograms can be laid over each other.
"""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from striate.training import journal

BIN, SIDE = 0.005, 200  # width, and bins to each side of the middle one
NEAR = 0.2
_AT_ONCE = 2**22


class Spread(NamedTuple):
    """The weights of one layer."""

    layer: str  # its name
    weights: int  # how many it has; biases and norms are left out
    zero: float  # share of those that are exactly 0
    near: float  # share of those within +-0.2
    mean: float  # of all
    deviation: float  # of all, standard
    first: int  # number of the first bin that is not empty; the middle of bin b is 0.005 b
    counts: tuple[int, ...]  # weights in the bins from there on, up to the last that is not empty

    def as_json(self) -> dict[str, Any]:
        """As a dictionary for JSON."""
        return {**self._asdict(), "counts": list(self.counts)}


def spreads(net: nn.Module) -> list[Spread]:
    """Of each layer with weights, in the order in which they were made."""
    named = [(name.rpartition(".")[0] or name, weight) for name, weight in net.named_parameters() if weight.dim() > 1]
    return [_spread(layer, weight.detach()) for layer, weight in named]


def _spread(layer: str, weight: Tensor) -> Spread:
    counts = torch.zeros(2 * SIDE + 1, dtype=torch.int64)
    zero, near, total, squares = 0, 0, 0.0, 0.0
    for part in torch.split(weight.flatten(), _AT_ONCE):  # so that the largest layer takes no memory to speak of
        exact = part.double()
        bins = (exact / BIN).round_().clamp_(-SIDE, SIDE).to(torch.int64).add_(SIDE)
        counts += torch.bincount(bins, minlength=len(counts)).cpu()
        zero, near = zero + int((part == 0).sum()), near + int((part.abs() <= NEAR).sum())
        total, squares = total + float(exact.sum()), squares + float(exact.square_().sum())
    n = weight.numel()
    mean = total / n
    filled = counts.nonzero().flatten().tolist()
    return Spread(
        layer, n, zero / n, near / n, mean, max(0.0, squares / n - mean**2) ** 0.5,
        filled[0] - SIDE, tuple(counts[filled[0] : filled[-1] + 1].tolist()),
    )  # fmt: skip


def record(into: journal.Journal, net: nn.Module, when: Literal["start", "end"]) -> None:
    """Write an event "weights" into a journal, unless it has one of this `when` already, as that of a resumed run has."""
    if into.path is None or read(into.path)[when]:
        return
    into.write("weights", when=when, layers=[spread.as_json() for spread in spreads(net)])


def read(path: Path) -> dict[str, list[Spread]]:
    """What `record` wrote into the journal at this path: "start" and "end", each empty where it is not there."""
    spreads: dict[str, list[Spread]] = {"start": [], "end": []}
    for event in journal.read(path):
        if event["event"] == "weights":
            spreads[event["when"]] = [Spread(**{**layer, "counts": tuple(layer["counts"])}) for layer in event["layers"]]
    return spreads
