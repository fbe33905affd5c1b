"""Data sets by name: `digits` is embedded; the others are looked for, else downloaded with a checksum.

They are looked for in `<data_dir>/<name>`, `$STRIATE_DATA/<name>` and the cache. Files that are there are used as they are.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import files as disk
from striate.base.download import fetch
from striate.base.errors import DataError
from striate.base.events import Watch, quiet
from striate.data import cifar10, mnist_idx
from striate.data.examples import Examples, Part
from striate.data.examples_from_source import from_arrays

FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


class Download(NamedTuple):
    """Where the files of a data set are published: file name to MD5, as their publishers give it."""

    base: str
    files: Mapping[str, str]


DOWNLOADS = {
    "mnist": Download(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        {
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    "fashion-mnist": Download(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        {
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
    "cifar10": Download("https://www.cs.toronto.edu/~kriz/", {"cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"}),
}
NAMES = ("digits", *DOWNLOADS)


def read(name: str, data_dir: str | None, watch: Watch = quiet) -> Examples:
    """The data set of this name, one of NAMES; where `data_dir` is given, only `data_dir/<name>/` is looked into."""
    if name == "digits":
        return _read_digits()
    folder = _folder(name, data_dir, watch)
    if name == "cifar10":
        return cifar10.read(folder)
    return mnist_idx.read(folder, FASHION if name == "fashion-mnist" else None)


def _read_digits() -> Examples:
    table = _digits_table()
    pixels_NHWC = np.round(table[:, :-1].reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    names = [f"digits#{i}" for i in range(len(pixels_NHWC))]
    parts_N = np.full(len(names), Part.FREE, np.uint8)
    return from_arrays(Path("digits"), pixels_NHWC, table[:, -1].astype(np.uint8), names, parts_N, None)


@cache  # to read it takes as long as to train on some of it
def _digits_table() -> NDArray[np.float64]:
    """Scikit-learn's digits, (1797, 65): 64 pixels in [0, 16], then the class; from its file, as to import it takes longer."""
    package = find_spec("sklearn")
    for folder in package.submodule_search_locations or () if package else ():
        if (file := Path(folder, "datasets", "data", "digits.csv.gz")).is_file():
            return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits

    pixels, targets = load_digits(return_X_y=True)
    return np.column_stack([pixels, targets])


def _folder(name: str, data_dir: str | None, watch: Watch) -> Path:
    holds = cifar10.holds_cifar if name == "cifar10" else mnist_idx.holds_idx
    if data_dir is not None:
        if holds(Path(data_dir, name)):
            return Path(data_dir, name)
        raise DataError(f"expected the files of {name} in {Path(data_dir, name)}; {_advice(name)}")
    if (shared := os.environ.get("STRIATE_DATA")) and holds(Path(shared, name)):
        return Path(shared, name)
    cache = disk.cache_folder() / "data" / name
    _download(name, cache, watch)
    return cache


def _is_complete(file: str, cache: Path) -> bool:
    """Whether the cache has the whole of a published file, packed or not: a download may have been broken off."""
    batches = (*cifar10.BATCHES, cifar10.TEST_BATCH)
    needed = batches if file.endswith(".tar.gz") else (file.removesuffix(".gz"),)
    return all(mnist_idx.file_at(cache, name) is not None for name in needed)


def _advice(name: str) -> str:
    return f"put {', '.join(DOWNLOADS[name].files)} there."


def _download(name: str, cache: Path, watch: Watch) -> None:
    """Fetch what the cache lacks of a data set; a file is kept only if its checksum is right."""
    source = DOWNLOADS[name]
    for file, expected in source.files.items():
        if _is_complete(file, cache):
            continue
        try:
            content = fetch(source.base + file, watch)
        except OSError as error:
            raise DataError(
                f"{name} is not on this machine and cannot be downloaded ({error}). Make a folder {name}/ and {_advice(name)} "
                f"Then pass --data-dir with the folder above it, or set STRIATE_DATA."
            ) from error
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if digest != expected:
            raise DataError(
                f"{source.base}{file}: expected MD5 {expected}; got {digest}. It was not kept; try again, or get it elsewhere: "
                f"into $STRIATE_DATA/{name}, {_advice(name)}"
            )
        if file.endswith(".tar.gz"):
            _unpack(content, cache)
        else:
            disk.write_bytes(cache / file, content)


def _unpack(content: bytes, cache: Path) -> None:
    """The binary batches of CIFAR-10's archive, by base name alone: no path of the archive is followed."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member in archive:
            name = Path(member.name).name
            if member.isfile() and (name.endswith(".bin") or name == "batches.meta.txt"):
                file = archive.extractfile(member)
                assert file is not None
                disk.write_bytes(cache / name, file.read())
