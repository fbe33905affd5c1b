"""The networks there are, as a table that can be read without torch."""

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from striate.base.errors import SettingError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from striate.nets.net import Net


class Entry(NamedTuple):
    """One network of the catalogue.

    Attributes:
        name: what `--net` takes.
        year: of the paper.
        paper: authors and place.
        where: "module:class".
        input_chw: channels, height and width it was published for.
        classes: classes it was published for.
        parameters: of the deployed network, without auxiliary heads, for that input and those classes.
        macs: multiply-adds for one image.
        taps: names of the layers that can be looked at, in forward order.
        learns: how it learns.
        kind: "classifier" or "demonstrator".
        settings: the settings of section [net] that apply, besides name and init.
        smallest_px: the least side that still works.

    """

    name: str
    year: int
    paper: str
    where: str
    input_chw: tuple[int, int, int]
    classes: int
    parameters: int
    macs: int
    taps: tuple[str, ...]
    learns: str
    kind: str
    settings: tuple[str, ...]
    smallest_px: int


CATALOGUE = (
    Entry(
        name="mlp", year=1998, paper="LeCun, Bottou, Bengio & Haffner, section III.C.3: 28x28-300-100-10",
        where="striate.nets.mlp:MLP", input_chw=(1, 28, 28), classes=10, parameters=266_610, macs=266_200,
        taps=("fc1", "fc2", "fc3"), learns="back-propagation", kind="classifier", settings=("dropout",), smallest_px=1,
    ),
    Entry(
        name="mnist_cnn", year=2017, paper="TensorFlow, A Guide to TF Layers: the textbook's MNIST network",
        where="striate.nets.mnist_cnn:MnistCNN", input_chw=(1, 28, 28), classes=10, parameters=3_274_634,
        macs=13_883_904, taps=("conv1", "pool1", "conv2", "pool2", "fc1", "fc2"), learns="back-propagation",
        kind="classifier", settings=("dropout",), smallest_px=4,
    ),
)  # fmt: skip


def names() -> tuple[str, ...]:
    """The names of the catalogue, in its order."""
    return tuple(entry.name for entry in CATALOGUE)


def find(name: str) -> Entry:
    """The entry of this name.

    Raises:
        SettingError: where there is none, with the nearest names.

    """
    for entry in CATALOGUE:
        if entry.name == name:
            return entry
    raise SettingError(
        f"There is no network {name!r}; {nearest(name, names())} "
        "One of your own is a line of layers ('conv 5x5x32, relu, pool 2, fc 10') or file.py:Class."
    )


def is_line(name: str) -> bool:
    """Whether a name describes a network layer by layer."""
    return "," in name or " " in name.strip()


def is_own(name: str) -> bool:
    """Whether a name points to a class in a file, as in `my_net.py:MyNet`."""
    path, colon, _ = name.rpartition(":")
    return bool(colon) and path.endswith(".py")


def builder(name: str) -> "Callable[..., Net]":
    """The class behind a name of the catalogue; torch arrives here."""
    module, _, cls = find(name).where.partition(":")
    found: Callable[..., Net] = getattr(import_module(module), cls)
    return found
