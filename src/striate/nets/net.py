"""The contract of every network: `input_chw`, `taps`, `head`, `replace_head`.

Legend: N images, C channels, H x W pixels, K classes.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from striate.base.errors import ShapeError

CHW = tuple[int, int, int]  # channels, height and width


class Net(nn.Module):
    """The one base class. A network of one's own derives from it:

        class MyNet(striate.nets.net.Net):
            taps = ("conv1", "fc1")          # layers to look at, in forward order
            head_name = "fc1"                # the last fully connected layer

            def __init__(self, input_chw, num_classes):
                super().__init__(input_chw)
                ...

    A layer's attribute is its name in the paper, and is its tap: the module's raw output. No activation works in place, since
    that would rewrite what the tap before it saw. `input_chw` is the shape of the images that the network is built for.
    """

    taps: tuple[str, ...] = ()
    head_name: str = ""
    whitening_epsilon: float | None = None  # what `init="whitening"` adds to variances of patches; else that of `init.whiten`
    channels_last: bool = True  # whether a CPU trains it faster, at its own size, with its filters' channels last in memory

    def __init__(self, input_chw: CHW) -> None:
        super().__init__()
        self.input_chw = input_chw

    @property
    def head(self) -> nn.Module:
        """The last layer, which puts out the logits: fully connected, but for LeNet-5's radial basis functions."""
        return self.get_submodule(self.head_name)

    @property
    def num_classes(self) -> int:
        """K, the number of logits."""
        head: Any = self.head
        return int(head.out_features)

    def replace_head(self, num_classes: int) -> None:
        """Put a fresh last layer for another number of classes in place of the head; all else is kept."""
        old = self.head
        assert isinstance(old, nn.Linear)
        new = nn.Linear(old.in_features, num_classes, bias=old.bias is not None)
        self.set_head(new.to(old.weight.device, old.weight.dtype))

    def set_head(self, head: nn.Module) -> None:
        """Put this layer in place of the head."""
        parent, _, name = self.head_name.rpartition(".")
        setattr(self.get_submodule(parent), name, head)

    def paper_init(self) -> None:
        """Draw the weights as the paper says, by torch's global generator; here they stay as torch drew them."""

    def drop_auxiliary(self) -> None:
        """Leave out what only training needs; most networks have nothing of the kind."""

    def external_names(self) -> Mapping[str, str]:
        """Layer names of other libraries by our own, "a|b" where two differ; empty where no other library has the network."""
        return {}

    def check(self, images_NCHW: Tensor) -> None:
        """Refuse images of another shape than the network was built for (ShapeError)."""
        if images_NCHW.dim() != 4 or tuple(images_NCHW.shape[1:]) != self.input_chw:
            c, h, w = self.input_chw
            raise ShapeError(
                f"{type(self).__name__} expects images_NCHW with C={c}, H={h}, W={w}; got {tuple(images_NCHW.shape)}. "
                "Bring the images to that size, or build the network for theirs."
            )


def refuse_small(name: str, input_chw: CHW, least_px: int) -> None:
    """Refuse an input that a network cannot be built for: ShapeError for a side below `least_px`, or no channels."""
    c, h, w = input_chw
    if c < 1 or min(h, w) < least_px:
        raise ShapeError(
            f"{name} expects images of at least {least_px} x {least_px} pixels and 1 channel; got C={c}, H={h}, W={w}. "
            f"Set preprocess.size_px to {least_px} or more."
        )
