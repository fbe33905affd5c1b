"""Exponential moving average (EMA) of the weights, which often scores better than the weights themselves."""

import copy

import torch
from torch import nn


class Average:
    """A copy of a network that follows it: a <- d a + (1 - d) w after every step.

    The decay d is min(decay, (1 + t) / (10 + t)) at step t, so that the start is soon forgotten. Buffers of norms are averaged
    too; counters are copied. A decay of 0.999 averages over about 1,000 steps.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self.net = copy.deepcopy(net).requires_grad_(False)

    @torch.no_grad()
    def follow(self, net: nn.Module, step: int) -> None:
        """Take in the weights after step `step`, counted from 1."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        own, new = list(self.net.state_dict().values()), list(net.state_dict().values())
        floats = [i for i, tensor in enumerate(own) if tensor.is_floating_point()]
        torch._foreach_lerp_([own[i] for i in floats], [new[i] for i in floats], share)
        for i, tensor in enumerate(own):
            if not tensor.is_floating_point():
                tensor.copy_(new[i])
