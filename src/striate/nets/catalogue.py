"""The networks there are, as a table that can be read without torch."""

from collections.abc import Collection, Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from striate.base.errors import MissingExtraError, SettingError, nearest

HEAD_SETTINGS = ("unit_features", "knn_memory", "knn_k")  # of a head that `nets.feature_layer` puts on any network

if TYPE_CHECKING:
    from collections.abc import Callable

    from striate.nets.net import Net


class Entry(NamedTuple):
    """One network of the catalogue."""

    name: str  # what `--net` takes
    year: int
    paper: str
    where: str  # "file:class" in `architectures/`, or a function that builds one
    input_chw: tuple[int, int, int]  # channels, height and width it was published for
    classes: int
    parameters: int  # of the deployed network, without auxiliary heads, for that input and those classes
    macs: int  # multiply-adds for one image
    taps: tuple[str, ...]  # names of the layers whose outputs can be read, in forward order
    settings: tuple[str, ...]  # the settings of section [net] that apply, besides name and initialization
    smallest_px: int  # the least side that still works
    learns: str = "back-propagation"  # how it learns
    kind: str = "classifier"  # "classifier" or "demonstrator"


_ALEXNET = "Krizhevsky, Sutskever & Hinton, section 3.5"
_VGG = "Simonyan & Zisserman, table 1"
_GOOGLENET = "Szegedy et al., table 1"
_RESNET = "He, Zhang, Ren & Sun, table 1"
_CIFAR = "He, Zhang, Ren & Sun, section 4.2"
_OPEN = ("dropout", "activation", "pooling")  # where the paper leaves the choice
_GOOGLENET_TAPS = (
    "conv1", "pool1", "conv2_reduce", "conv2", "pool2", "inception3a", "inception3b", "pool3", "inception4a", "inception4b",
    "inception4c", "inception4d", "inception4e", "pool4", "inception5a", "inception5b", "pool5", "fc",
)  # fmt: skip


def _stages(first: int, depths: tuple[int, ...]) -> tuple[str, ...]:
    """conv2_1, conv2_2, ... conv3_1, ...: the blocks of stages that begin with number `first`."""
    return tuple(f"conv{stage}_{n}" for stage, depth in enumerate(depths, start=first) for n in range(1, depth + 1))


def _mbconv_taps(depths: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(f"mb{name}" for name in _stages(2, depths))


def _vgg_taps(depths: tuple[int, ...]) -> tuple[str, ...]:
    taps: list[str] = []
    for stage, depth in enumerate(depths, start=1):
        taps += [f"{kind}{stage}_{n}" for n in range(1, depth + 1) for kind in ("conv", "relu")] + [f"pool{stage}"]
    return (*taps, "fc6", "relu6", "fc7", "relu7", "fc8")


def _vgg(name: str, letter: str, depths: tuple[int, ...], parameters: int, macs: int) -> Entry:
    more = " with batch norm" if name.endswith("_bn") else ""
    return Entry(
        name=name, year=2014, paper=f"{_VGG}, {letter}{more}", where=f"vgg:{name}", input_chw=(3, 224, 224),
        classes=1000, parameters=parameters, macs=macs, taps=_vgg_taps(depths), settings=_OPEN, smallest_px=32,
    )  # fmt: skip


def _resnet(layers: int, depths: tuple[int, ...], parameters: int, macs: int) -> Entry:
    settings = ("activation", "shortcut", "v1") if layers >= 50 else ("activation", "shortcut")
    return Entry(
        name=f"resnet{layers}", year=2015, paper=_RESNET, where=f"resnet:resnet{layers}", input_chw=(3, 224, 224),
        classes=1000, parameters=parameters, macs=macs, taps=("conv1", "pool1", *_stages(2, depths), "pool5", "fc"),
        settings=settings, smallest_px=32,
    )  # fmt: skip


def _cifar(name: str, n: int, parameters: int, macs: int) -> Entry:
    plain = name.startswith("plain")
    return Entry(
        name=name, year=2015, paper=f"{_CIFAR}, without shortcuts" if plain else _CIFAR,
        where=f"cifar_resnet:{name}", input_chw=(3, 32, 32), classes=10, parameters=parameters, macs=macs,
        taps=("conv1", *_stages(2, (n, n, n)), "pool4", "fc"),
        settings=("activation",) if plain else ("activation", "shortcut"), smallest_px=8,
    )  # fmt: skip


CATALOGUE = (
    Entry(
        name="lecun1989", year=1989, paper="LeCun et al., Neural Computation 1:541", where="lecun1989:LeCun1989",
        input_chw=(1, 16, 16), classes=10, parameters=9_760, macs=63_660,
        taps=("h1", "tanh1", "h2", "tanh2", "h3", "tanh3", "output"), settings=(), smallest_px=8,
    ),
    Entry(
        name="lenet1", year=1990, paper="LeCun et al., NIPS 2, table 1", where="lenet1:LeNet1",
        input_chw=(1, 28, 28), classes=10, parameters=2_578, macs=92_288,
        taps=("h1", "squash1", "h2", "squash2", "h3", "squash3", "h4", "squash4", "output"), settings=(), smallest_px=16,
    ),
    Entry(
        name="mlp", year=1998, paper="LeCun, Bottou, Bengio & Haffner, section III.C.3: 28x28-300-100-10",
        where="mlp:MLP", input_chw=(1, 28, 28), classes=10, parameters=266_610, macs=266_200,
        taps=("fc1", "fc2", "fc3"), settings=("dropout", "activation"), smallest_px=1,
    ),
    Entry(
        name="lenet5", year=1998, paper="LeCun, Bottou, Bengio & Haffner, section II.B", where="lenet5:LeNet5",
        input_chw=(1, 32, 32), classes=10, parameters=60_000, macs=328_096,
        taps=(
            "c1", "squash1", "s2", "squash2", "c3", "squash3", "s4", "squash4", "c5", "squash5", "f6", "squash6", "output",
        ),
        settings=("output",), smallest_px=32,
    ),
    Entry(
        name="lenet5_modern", year=1998, paper="as most code has it since: full connections, ReLU, max pools",
        where="lenet5_modern:LeNet5Modern", input_chw=(1, 28, 28), classes=10, parameters=61_706, macs=416_520,
        taps=("conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "fc1", "relu3", "fc2", "relu4", "fc3"),
        settings=("activation", "pooling"), smallest_px=12,
    ),
    Entry(
        name="alexnet", year=2012, paper=_ALEXNET, where="alexnet:AlexNet", input_chw=(3, 227, 227), classes=1000,
        parameters=60_965_224, macs=724_406_816,
        taps=(
            "conv1", "relu1", "norm1", "pool1", "conv2", "relu2", "norm2", "pool2", "conv3", "relu3", "conv4", "relu4",
            "conv5", "relu5", "pool5", "fc6", "relu6", "fc7", "relu7", "fc8",
        ),
        settings=_OPEN, smallest_px=67,
    ),
    Entry(
        name="alexnet_owt", year=2014, paper="Krizhevsky, One weird trick, as torchvision has it",
        where="alexnet_owt:AlexNetOWT", input_chw=(3, 224, 224), classes=1000, parameters=61_100_840,
        macs=714_188_480,
        taps=(
            "conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "conv3", "relu3", "conv4", "relu4", "conv5", "relu5",
            "pool5", "fc6", "relu6", "fc7", "relu7", "fc8",
        ),
        settings=_OPEN, smallest_px=63,
    ),
    _vgg("vgg11", "A", (1, 1, 2, 2, 2), 132_863_336, 7_609_090_048),
    _vgg("vgg13", "B", (2, 2, 2, 2, 2), 133_047_848, 11_308_466_176),
    _vgg("vgg16", "D", (2, 2, 3, 3, 3), 138_357_544, 15_470_264_320),
    _vgg("vgg19", "E", (2, 2, 4, 4, 4), 143_667_240, 19_632_062_464),
    _vgg("vgg11_bn", "A", (1, 1, 2, 2, 2), 132_868_840, 7_609_090_048),
    _vgg("vgg13_bn", "B", (2, 2, 2, 2, 2), 133_053_736, 11_308_466_176),
    _vgg("vgg16_bn", "D", (2, 2, 3, 3, 3), 138_365_992, 15_470_264_320),
    _vgg("vgg19_bn", "E", (2, 2, 4, 4, 4), 143_678_248, 19_632_062_464),
    Entry(
        name="googlenet", year=2014, paper=_GOOGLENET, where="googlenet:googlenet", input_chw=(3, 224, 224),
        classes=1000, parameters=6_998_552, macs=1_582_671_872, taps=_GOOGLENET_TAPS, settings=("dropout", "activation", "aux"),
        smallest_px=32,
    ),
    Entry(
        name="googlenet_bn", year=2014, paper=f"{_GOOGLENET}, as torchvision has it",
        where="googlenet:googlenet_bn",
        input_chw=(3, 224, 224), classes=1000, parameters=6_624_904, macs=1_498_376_192, taps=_GOOGLENET_TAPS,
        settings=("dropout", "activation", "aux"), smallest_px=32,
    ),
    _resnet(18, (2, 2, 2, 2), 11_689_512, 1_814_073_344),
    _resnet(34, (3, 4, 6, 3), 21_797_672, 3_663_761_408),
    _resnet(50, (3, 4, 6, 3), 25_557_032, 4_089_184_256),
    _resnet(101, (3, 4, 23, 3), 44_549_160, 7_801_405_440),
    _resnet(152, (3, 8, 36, 3), 60_192_808, 11_513_626_624),
    _cifar("resnet20", 3, 269_722, 40_551_040),
    _cifar("resnet32", 5, 464_154, 68_862_592),
    _cifar("resnet44", 7, 658_586, 97_174_144),
    _cifar("resnet56", 9, 853_018, 125_485_696),
    _cifar("resnet110", 18, 1_727_962, 252_887_680),
    _cifar("plain20", 3, 269_722, 40_551_040),
    _cifar("plain56", 9, 853_018, 125_485_696),
    Entry(
        name="mnist_cnn", year=2017, paper="TensorFlow, A Guide to TF Layers: the textbook's MNIST network",
        where="mnist_cnn:MnistCNN", input_chw=(1, 28, 28), classes=10, parameters=3_274_634,
        macs=13_883_904, taps=("conv1", "pool1", "conv2", "pool2", "fc1", "fc2"), settings=_OPEN, smallest_px=4,
    ),
    Entry(
        name="efficientnet_lite0", year=2019, paper="Tan & Le, table 1, as its authors' Lite variant",
        where="efficientnet_lite0:EfficientNetLite0", input_chw=(3, 224, 224), classes=1000,
        parameters=4_652_008, macs=385_187_552,
        taps=("conv1", *_mbconv_taps((1, 2, 2, 3, 3, 4, 1)), "conv9", "pool9", "fc"), settings=("dropout",), smallest_px=32,
    ),
    Entry(
        name="airbench94", year=2024, paper="Jordan, arXiv 2404.00498, section 3.1", where="airbench94:Airbench94",
        input_chw=(3, 32, 32), classes=10, parameters=1_971_640, macs=118_147_360,
        taps=(
            "conv1", "conv2_1", "pool2", "conv2_2", "conv3_1", "pool3", "conv3_2", "conv4_1", "pool4", "conv4_2", "pool5", "fc",
        ),
        settings=("activation", "views"), smallest_px=9,
    ),
)  # fmt: skip


class Historical(NamedTuple):
    """A network of the history, from before back-propagation took over."""

    name: str  # what `striate history` takes, and `--net` where it is a classifier
    year: int
    paper: str
    learns: str  # how
    kind: str  # "classifier", which `striate train` takes, or "demonstrator"
    where: str = ""  # "module:class" of a classifier; empty for a demonstrator
    input_chw: tuple[int, int, int] | None = None  # what a classifier takes best; None for a demonstrator
    smallest_px: int = 1  # the least side that a classifier takes
    taps: tuple[str, ...] = ()  # of a classifier


HISTORICAL = (
    Historical(
        "mcculloch_pitts", 1943, "McCulloch & Pitts, Bulletin of Mathematical Biophysics 5:115", "by hand", "demonstrator",
    ),
    Historical("optimal_control", 1960, "Kelley, ARS Journal 30:947", "gradients by adjoint equations", "demonstrator"),
    Historical(
        "cells", 1962, "Hubel & Wiesel, Journal of Physiology 160:106", "not at all: cells of the cortex", "demonstrator",
    ),
    Historical(
        "gmdh", 1971, "Ivakhnenko, IEEE Transactions SMC-1:364", "least squares, layer by layer", "classifier",
        "striate.history.classifiers:GMDHNet", (20, 1, 1), 1, ("polynomials", "answer"),
    ),
    Historical(
        "neocognitron", 1980, "Fukushima, Biological Cybernetics 36:193; Neural Networks 1:119 (1988)", "winner takes all",
        "classifier", "striate.history.classifiers:NeocognitronClassifier", (1, 28, 28), 19,
        ("us1", "uc1", "us2", "uc2", "us3", "uc3", "us4", "uc4", "answer"),
    ),
    Historical("rumelhart", 1986, "Rumelhart, Hinton & Williams, Nature 323:533", "back-propagation", "demonstrator"),
)  # fmt: skip


def gradient_free(name: str) -> Historical | None:
    """The classifier of this name that learns without gradients, else None.

    SettingError for a demonstrator, which no images train.
    """
    for network in HISTORICAL:
        if network.name == name:
            if network.kind == "demonstrator":
                raise SettingError(f"{name} is a demonstrator, which no images train; `striate history {name}` runs it.")
            return network
    return None


def names() -> tuple[str, ...]:
    """The names of the catalogue, in its order."""
    return tuple(entry.name for entry in CATALOGUE)


def find(name: str) -> Entry:
    """The entry of this name; SettingError where there is none, with the nearest names."""
    for entry in CATALOGUE:
        if entry.name == name:
            return entry
    if "@" in name:
        raise SettingError(
            f"expected a network; got weights, {name!r}. `striate finetune DATA --from {name}` starts from them."
        )
    known = (*names(), *(network.name for network in HISTORICAL if network.kind == "classifier"))
    raise SettingError(
        f"There is no network {name!r}; {nearest(name, known)} "
        "One of your own is a line of layers ('conv 5x5x32, relu, pool 2, fc 10') or file.py:Class; one of timm's is timm:NAME."
    )


def settings_of(name: str) -> tuple[str, ...]:
    """The settings of section [net] that a network has, besides name and initialization; not of one of one's own."""
    if is_line(name):
        return ()
    if is_timm(name):
        return ("dropout",)
    if gradient_free(name) is not None:
        return ("grown",)
    return find(name).settings


def check_settings(name: str, given: Iterable[str], known: Collection[str]) -> None:
    """Refuse a setting that a network does not have."""
    for setting in given:
        if setting not in known:
            has = f"it has {', '.join(known)}" if known else "it has no settings of its own"
            raise SettingError(f"net.{setting} does not apply to {name!r}: {has}. Remove it.")


def check(name: str, settings: Iterable[str]) -> None:
    """Refuse a network that is not there, and settings that it does not have; of one's own, that its file is not there.

    Raises:
        SettingError: with the nearest names, or the settings that there are.
        MissingExtraError: one of timm's, which is not installed.

    """
    if is_own(name):
        own_file(name)
        return
    if is_timm(name) and find_spec("timm") is None:
        raise MissingExtraError(name, "timm", "zoo")
    own = [setting for setting in settings if setting not in ("feature_layer", *HEAD_SETTINGS)]
    check_settings(name, own, settings_of(name))


def is_line(name: str) -> bool:
    """Whether a name describes a network layer by layer."""
    return "," in name or " " in name.strip()


def is_own(name: str) -> bool:
    """Whether a name points to a class in a file, as in `my_net.py:MyNet`."""
    path, colon, _ = name.rpartition(":")
    return bool(colon) and path.endswith(".py")


def own_file(name: str) -> Path:
    """The file that `file.py:Class` names; SettingError where there is none."""
    path = Path(name.rpartition(":")[0])
    if not path.is_file():
        raise SettingError(f"expected a Python file at {path} for --net {name}; there is none.")
    return path


def is_timm(name: str) -> bool:
    """Whether a name asks for a network of timm, as in `timm:resnet18`."""
    return name.startswith("timm:")


def builder(name: str) -> "Callable[..., Net]":
    """The class behind a name of the catalogue; torch arrives here."""
    historical = gradient_free(name)
    where = f"striate.nets.architectures.{find(name).where}" if historical is None else historical.where
    module, _, cls = where.partition(":")
    build: Callable[..., Net] = getattr(import_module(module), cls)
    return build
