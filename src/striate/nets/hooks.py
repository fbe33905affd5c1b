"""Forward hooks: the outputs or inputs of named layers during a block of code."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from striate.base.arguments import named_arguments
from striate.base.errors import SettingError, nearest


@named_arguments()
@contextmanager
def taps(net: nn.Module, *names: str) -> Iterator[dict[str, Tensor]]:
    """Collect the raw outputs of named layers during the forward passes of the block; those of the last pass stay.

    Example::

        with taps(net, "conv1", "fc1") as outputs:
            net(images_NCHW)
        outputs["conv1"]                                   # N x C x H x W

    The hooks come off also when the network fails half-way.

    Raises:
        SettingError: a name is no layer; suggests the nearest.

    """
    with _hooked(net, names, _store_output) as outputs:
        yield outputs


@contextmanager
def inputs(net: nn.Module, *names: str) -> Iterator[dict[str, Tensor]]:
    """The same for the first argument of each named layer."""
    with _hooked(net, names, _store_input) as first_arguments:
        yield first_arguments


@contextmanager
def ablated(net: nn.Module, units: Mapping[str, Collection[int]]) -> Iterator[None]:
    """Let units of named layers put out zeros during the block: whole maps of N x U x H x W, or numbers of N x U.

    SettingError: a name is no layer, or a layer has no unit of that number.
    """
    layers = dict(net.named_modules())
    with ExitStack() as hooks:
        for name, numbers in units.items():
            if name not in layers or not name:
                raise SettingError(f"There is no layer {name!r}; {nearest(name, [known for known in layers if known])}")
            hooks.callback(layers[name].register_forward_hook(partial(_ablate, name, sorted(numbers))).remove)
        yield


def _ablate(name: str, numbers: list[int], _module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
    for number in numbers:
        if not 0 <= number < output.shape[1]:
            raise SettingError(f"expected units from 0 to {output.shape[1] - 1} of {name}; got {number}.")
    result = output.clone()
    result[:, numbers] = 0
    return result


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in what a function takes or gives: one, or tuples, lists and dictionaries of them."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from tensors_in(part)


@contextmanager
def _hooked(net: nn.Module, names: tuple[str, ...], store: Callable[..., None]) -> Iterator[dict[str, Tensor]]:
    tensors: dict[str, Tensor] = {}
    layers = dict(net.named_modules())
    with ExitStack() as hooks:
        for name in names:
            if name not in layers or not name:
                raise SettingError(f"There is no layer {name!r}; {nearest(name, [known for known in layers if known])}")
            hooks.callback(layers[name].register_forward_hook(partial(store, tensors, name)).remove)
        yield tensors


def _store_output(tensors: dict[str, Tensor], name: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
    tensors[name] = output


def _store_input(tensors: dict[str, Tensor], name: str, _module: nn.Module, args: tuple[Tensor, ...], _out: object) -> None:
    tensors[name] = args[0]
