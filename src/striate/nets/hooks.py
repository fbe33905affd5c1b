"""The one place that touches hooks: what a layer put out, or was given, while a block runs."""

from collections.abc import Callable, Iterator
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
    with _hooked(net, names, _keep) as seen:
        yield seen


@contextmanager
def inputs(net: nn.Module, *names: str) -> Iterator[dict[str, Tensor]]:
    """The same, of what named layers were given: their first argument.

    Raises:
        SettingError: a name is no layer, with the nearest that are.

    """
    with _hooked(net, names, _keep_input) as seen:
        yield seen


@contextmanager
def _hooked(net: nn.Module, names: tuple[str, ...], keep: Callable[..., None]) -> Iterator[dict[str, Tensor]]:
    seen: dict[str, Tensor] = {}
    layers = dict(net.named_modules())
    with ExitStack() as hooks:
        for name in names:
            if name not in layers or not name:
                raise SettingError(f"There is no layer {name!r}; {nearest(name, [known for known in layers if known])}")
            hooks.callback(layers[name].register_forward_hook(partial(keep, seen, name)).remove)
        yield seen


def _keep(seen: dict[str, Tensor], name: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
    seen[name] = output


def _keep_input(seen: dict[str, Tensor], name: str, _module: nn.Module, given: tuple[Tensor, ...], _output: object) -> None:
    seen[name] = given[0]
