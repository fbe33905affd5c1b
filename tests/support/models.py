"""Models whose networks are small and not trained."""

import torch

from striate.batches.preprocess import Preprocess
from striate.data.decode import InputSpec
from striate.model import Model
from striate.nets.factory import build


def tiny_model(side: int = 12, net: str = "conv 3x3x4, bn, relu, pool 2, fc") -> Model:
    """For color images of this many pixels a side, of the classes a, b and c."""
    preprocess = Preprocess(torch.full((3, 1, 1), 0.4), torch.full((3, 1, 1), 0.3))
    built = build(net, (3, side, side), 3, seed=1).eval()
    return Model(built, net, {}, preprocess, InputSpec(side, 3, "squash", (9, 8, 7)), ("a", "b", "c"), training={"seed": 1})
