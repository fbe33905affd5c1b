"""Evaluation mode for a block of code: afterwards each module has its own mode again, frozen norms included."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


@contextmanager
def evaluating(net: Module) -> Iterator[Module]:
    """The network in evaluation mode during the block, also where the block fails."""
    modes = {module: module.training for module in net.modules()}
    try:
        yield net.eval()
    finally:
        for module, training in modes.items():
            module.training = training
