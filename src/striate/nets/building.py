"""From a name to a network: the catalogue, a line of layers, or a class in a file of one's own."""

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from striate.base.draws import seed_of
from striate.base.errors import SettingError
from striate.nets import catalogue
from striate.nets.init import initialise
from striate.nets.net import Net


class Source(NamedTuple):
    """The file behind a network of one's own."""

    path: Path
    sha256: str


def settings_of(name: str) -> tuple[str, ...]:
    """The settings of section [net] that this network has, besides name and init."""
    if catalogue.is_own(name):
        known = inspect.signature(own_class(name)).parameters
        return tuple(setting for setting in ("dropout",) if setting in known)
    if catalogue.is_line(name):
        return ()
    return catalogue.find(name).settings


def build(
    name: str,
    input_chw: tuple[int, int, int],
    num_classes: int,
    *,
    dropout: float | None = None,
    init: str = "torch",
    seed: int = 0,
) -> Net:
    """A network with its initial weights, which depend on `seed` alone.

    Args:
        name: of the catalogue; a line of layers; or `file.py:Class`.
        input_chw: channels, height and width of the images.
        num_classes: K.
        dropout: probability that a unit is dropped, where the network has dropout; None for the network's own.
        init: a scheme of `nets.init`.
        seed: of the draws.

    Raises:
        SettingError: an unknown name, or a setting that this network does not have.
        ShapeError: an input or a number of classes that cannot work.

    """
    own = {} if dropout is None else {"dropout": dropout}
    if own and "dropout" not in settings_of(name):
        raise SettingError(f"net.dropout does not apply to {name!r}, which has none of its own; remove it.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, "init"))
        if catalogue.is_own(name):
            net = _own(name, input_chw, num_classes, own)
        elif catalogue.is_line(name):
            from striate.nets.line import LineNet

            net = LineNet(name, input_chw, num_classes)
        else:
            net = catalogue.builder(name)(input_chw, num_classes=num_classes, **own)
        initialise(net, init)
    return net


def source_of(name: str) -> Source | None:
    """The file of a network of one's own and its hash; None for the package's."""
    if not catalogue.is_own(name):
        return None
    path = Path(name.rpartition(":")[0])
    return Source(path, hashlib.sha256(path.read_bytes()).hexdigest())


def own_class(name: str) -> type[Net]:
    """The class that `file.py:Class` names.

    Raises:
        SettingError: no such file, no such class, or a class that does not derive from Net.

    """
    path_text, _, class_name = name.rpartition(":")
    path = Path(path_text)
    if not path.is_file():
        raise SettingError(f"expected a Python file at {path} for --net {name}; there is none.")
    module_name = f"striate_own_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's own code: whatever it raises, say where
        raise SettingError(f"{path} cannot be run: {type(error).__name__}: {error}.") from error
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Net) and found is not Net):
        kind = "no such class" if found is None else f"{found!r}"
        raise SettingError(
            f"expected in {path} a class {class_name} that derives from striate.nets.net.Net; got {kind}. "
            "Its docstring shows the six lines that such a class needs."
        )
    return found


def _own(name: str, input_chw: tuple[int, int, int], num_classes: int, settings: dict[str, float]) -> Net:
    cls = own_class(name)
    make: Callable[..., Net] = cls
    try:
        net = make(input_chw, num_classes=num_classes, **settings)
    except TypeError as error:
        raise SettingError(
            f"{name} cannot be built as {cls.__name__}(input_chw, num_classes=K): {error}. "
            "Give its __init__ these two parameters and call super().__init__(input_chw)."
        ) from error
    layers = dict(net.named_modules())
    missing = [tap for tap in (*cls.taps, cls.head_name) if tap not in layers or not tap]
    if missing or not cls.taps:
        raise SettingError(
            f"{name}: expected `taps` and `head_name` to name its layers; got {missing or 'no taps'}. "
            f"Its layers are: {', '.join(layer for layer in layers if layer)}."
        )
    if not isinstance(layers[cls.head_name], torch.nn.Linear):
        raise SettingError(f"{name}: expected the head {cls.head_name!r} to be torch.nn.Linear; got {layers[cls.head_name]}.")
    if net.num_classes != num_classes:
        raise SettingError(
            f"{name}: the data have {num_classes} classes; its head {cls.head_name!r} has {net.num_classes} outputs. "
            "Use the num_classes that __init__ is given."
        )
    return net
