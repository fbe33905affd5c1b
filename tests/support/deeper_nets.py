"""Networks of the catalogue that have more of the same layers than a shallower one of their class."""

from collections.abc import Iterable

import pytest

DEEPER = {
    "vgg13": "vgg11", "vgg16": "vgg11", "vgg19": "vgg11",
    "vgg13_bn": "vgg11_bn", "vgg16_bn": "vgg11_bn", "vgg19_bn": "vgg11_bn",
    "resnet34": "resnet18", "resnet101": "resnet50", "resnet152": "resnet50",
    "resnet32": "resnet20", "resnet44": "resnet20", "resnet56": "resnet20", "resnet110": "resnet20", "plain56": "plain20",
}  # fmt: skip


def shallow_first(names: Iterable[str]) -> list[object]:
    """The names as parameters of tests, those of the deeper networks for `make soak`."""
    return [pytest.param(name, marks=pytest.mark.soak) if name in DEEPER else name for name in names]
