"""Norms that keep what they have learned while the rest of a network goes on.

Batches of a small data set say little about means and deviations, and a few steps spoil what a norm has gathered from many
images; so a network that is retrained on few images often keeps its norms as they are.
"""

from typing import Any

from torch import nn

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Frozen(nn.Module):
    """What makes a norm stay in evaluation mode, where it uses its running statistics and does not change them."""

    def train(self, mode: bool = True) -> "Frozen":  # noqa: ARG002 - whatever is asked for
        """Stay in evaluation mode."""
        super().train(False)
        return self


def freeze_norms(net: nn.Module) -> list[str]:
    """Make the batch norms of a network constant, parameters and running statistics; the names of these tensors.

    The tensors stay the same objects under the same names, and `thaw_norms` takes it back. A norm without running statistics
    uses those of each batch and cannot be kept still; it is left as it is.
    """
    kept = []
    for name, module in net.named_modules():
        if isinstance(module, _NORMS) and module.running_mean is not None and not isinstance(module, Frozen):
            module.__class__ = _frozen(type(module))
            module.train(False)
            for parameter in module.parameters():
                parameter.requires_grad_(False)
            kept += [f"{name}.{inner}" for inner in module.state_dict()]
    return kept


def thaw_norms(net: nn.Module) -> None:
    """Make frozen norms again what they were; the network's mode is theirs too."""
    for module in net.modules():
        if isinstance(module, Frozen):
            module.__class__ = type(module).__mro__[2]
            module.train(net.training)
            for parameter in module.parameters():
                parameter.requires_grad_(True)


def _frozen(norm: type[nn.Module]) -> Any:
    """The class of a norm that stays still: of each kind its own, since some do more than normalize (timm's act too)."""
    return type(f"Frozen{norm.__name__}", (Frozen, norm), {})
