"""What every method of attribution keeps on every network: the hooks come off, whatever happens.

The weights are small constants, since only the shapes and the hooks matter; drawing those of all networks would take minutes.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import prod

import pytest
import torch
from torch import Tensor

from striate.base.errors import SettingError, UnsupportedError
from striate.interpret.attribution import METHODS
from striate.nets import catalogue
from striate.nets.factory import build, build_around
from striate.nets.net import Net
from support.attribution_nets import hooks
from support.deeper_nets import shallow_first

NAMES = (*catalogue.names(), "conv 3x3x4, bn, relu, pool 2, fc 6, relu, fc")
CLASSES = 3
# What the rules about rectifiers say nothing of, and networks without maps
REFUSED = {
    (name, method): "is defined for ReLU"
    for name in ("lecun1989", "lenet1", "lenet5", "efficientnet_lite0", "airbench94")
    for method in ("deconvnet", "guided")
} | {("mlp", "gradcam"): "MLP has none. Take saliency, integrated_gradients or occlusion"}


def shape_of(name: str) -> tuple[int, int, int]:
    if catalogue.is_line(name):
        return 1, 12, 12
    entry = catalogue.find(name)
    least = max(8, entry.smallest_px)
    return entry.input_chw[0], least, least


@lru_cache(maxsize=1)
def made(name: str) -> Net:
    with torch.device("meta"):
        weights = build(name, shape_of(name), CLASSES, init="torch").state_dict()
    filled = {}
    for key, tensor in weights.items():
        small = 1 / max(1, prod(tensor.shape[1:])) if tensor.dim() > 1 else 0.1
        filled[key] = torch.full(tensor.shape, small if tensor.is_floating_point() else 0, dtype=tensor.dtype)
    net = build_around(filled, name, shape_of(name), CLASSES).train()
    for module in net.modules():
        if hasattr(module, "table"):
            module.table.zero_()
    return net


@pytest.fixture(params=shallow_first(NAMES), scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def net(name: str) -> Iterator[Net]:
    net = made(name)
    assert not any(hooks(net))
    yield net
    assert not any(hooks(net))
    assert all(module.training for module in net.modules())
    assert all(weight.grad is None and weight.requires_grad for weight in net.parameters())


def ask(method: str, net: Net, target: int) -> Tensor:
    settings = {"window": net.input_chw[1] // 2} if method == "occlusion" else {}
    settings |= {"steps": 2} if method == "integrated_gradients" else {}
    return METHODS[method](net, torch.linspace(0, 1, prod(net.input_chw)).view(net.input_chw), target=target, **settings)


def test_after_success_a_wrong_class_and_a_crash(net: Net, name: str, method: str):
    if (name, method) in REFUSED:
        with pytest.raises(UnsupportedError, match=REFUSED[name, method]):
            ask(method, net, 1)
    else:
        found = ask(method, net, 1)
        assert torch.isfinite(found).all()
        assert tuple(found.shape[-2:]) == net.input_chw[1:] or method == "gradcam"
    assert not any(hooks(net))
    with pytest.raises(SettingError, match=f"expected a class from 0 to {CLASSES - 1}; got {CLASSES}"):
        ask(method, net, CLASSES)
    assert not any(hooks(net))
    # The passes that read the graph and that captum makes, hooked both; what is refused has no second
    for crash in (2,) if (name, method) in REFUSED else (2, 3):
        crash_at(net, method, crash)


def crash_at(net: Net, method: str, crash: int) -> None:
    """The layer half-way fails in this pass."""
    layer = net.get_submodule(net.taps[len(net.taps) // 2])
    own, passes = layer.forward, 0

    def fail(*given: Tensor) -> Tensor:
        nonlocal passes
        passes += 1
        if passes == crash:
            raise RuntimeError("half-way")
        return own(*given)

    layer.forward = fail
    try:
        with pytest.raises(RuntimeError, match="half-way"):
            ask(method, net, 1)
    finally:
        layer.forward = own
    assert passes == crash
    assert not any(hooks(net))


def test_a_layer_that_is_not_there(net: Net):
    with pytest.raises(SettingError, match="There is no layer 'conv99'"):
        METHODS["gradcam"](net, torch.zeros(net.input_chw), target=0, layer="conv99")
