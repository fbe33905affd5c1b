"""The one place that touches hooks: what a layer put out, while a block runs."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from torch import Tensor, nn

from striate.base.errors import SettingError, nearest


@contextmanager
def taps(net: nn.Module, *names: str) -> Iterator[dict[str, Tensor]]:
    """Collect the raw outputs of named layers during the forward passes of the block; the last pass is kept.

        with taps(net, "conv1", "fc1") as seen:
            net(images_NCHW)
        seen["conv1"]                                      # N x C x H x W

    The hooks come off also when the network fails half-way.

    Raises:
        SettingError: a name is no layer, with the nearest that are.

    """
    seen: dict[str, Tensor] = {}
    layers = dict(net.named_modules())
    with ExitStack() as hooks:
        for name in names:
            if name not in layers or not name:
                raise SettingError(f"There is no layer {name!r}; {nearest(name, [known for known in layers if known])}")
            hooks.callback(layers[name].register_forward_hook(partial(_keep, seen, name)).remove)
        yield seen


def _keep(seen: dict[str, Tensor], name: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
    seen[name] = output
