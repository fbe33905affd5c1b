"""What every network of the catalogue keeps, and networks of one's own with it.

Each is built at the least size that it takes, which keeps the large ones affordable; counts at the published sizes are tested
on the meta device by tests/nets/test_catalogue.py.
"""

import copy
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from striate.base.errors import ShapeError
from striate.nets import catalogue
from striate.nets.architectures.lenet5 import RadialBasis
from striate.nets.factory import build, build_around, outline
from striate.nets.hooks import taps
from striate.nets.net import Net
from striate.training.loss import final

NAMES = (*catalogue.names(), "conv 3x3x4, bn, relu, pool 2, fc 6, relu, fc")
CLASSES = 10
_BY_FILE = {catalogue.find(name).where.partition(":")[0]: name for name in reversed(catalogue.names())}
ONE_OF_EACH_FILE = (*_BY_FILE.values(), NAMES[-1])


def shape_of(name: str) -> tuple[int, int, int]:
    if catalogue.is_line(name):
        return 1, 28, 28
    entry = catalogue.find(name)
    return entry.input_chw[0], entry.smallest_px, entry.smallest_px


@lru_cache(maxsize=1)  # the tests of one network come one after the other
def made(name: str) -> Net:
    return build(name, shape_of(name), CLASSES)


@pytest.fixture(params=NAMES, scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def net(name: str) -> Iterator[Net]:
    net = made(name)
    yield net.eval()
    net.zero_grad(set_to_none=True)


def test_logits_have_the_classes_asked_for(name: str):
    for classes in (2, 7):
        other = outline(name, shape_of(name), classes).eval()
        assert other(torch.zeros(3, *other.input_chw, device="meta")).shape == (3, classes)
        assert other.num_classes == classes


def test_any_number_of_channels(name: str):
    _, h, w = shape_of(name)
    with torch.device("meta"):
        assert build(name, (5, h, w), 3)(torch.zeros(2, 5, h, w)).shape == (2, 3)


def test_taps_are_layers_in_forward_order_and_the_head_is_the_last(net: Net):
    with taps(net, *net.taps) as seen, torch.no_grad():
        logits_NK = net(torch.zeros(2, *net.input_chw))
    assert tuple(seen) == net.taps
    assert isinstance(net.head, nn.Linear | RadialBasis)
    assert torch.equal(seen[net.head_name], logits_NK)
    assert logits_NK.shape == (2, CLASSES)


def test_a_tap_is_not_changed_by_what_follows(net: Net):
    images_NCHW = torch.randn(2, *net.input_chw)
    kept: dict[str, torch.Tensor] = {}
    hooks = [
        net.get_submodule(tap).register_forward_hook(lambda *at, tap=tap: kept.setdefault(tap, at[2].detach().clone()))
        for tap in net.taps
    ]
    with taps(net, *net.taps) as seen, torch.no_grad():
        net(images_NCHW)
    for hook in hooks:
        hook.remove()
    assert all(torch.equal(seen[tap], kept[tap]) for tap in net.taps)
    assert not [layer for layer in net.modules() if getattr(layer, "inplace", False)]


def test_replace_head_changes_the_head_alone(net: Net):
    twin = copy.deepcopy(net)
    before = net.state_dict()
    twin.replace_head(3)
    assert twin.num_classes == 3
    assert twin(torch.zeros(1, *net.input_chw)).shape == (1, 3)
    for key, value in twin.state_dict().items():
        if not key.startswith(f"{net.head_name}."):
            assert torch.equal(value, before[key])


def test_images_of_another_shape_are_refused(net: Net):
    c, h, w = net.input_chw
    with pytest.raises(ShapeError, match=rf"expects images_NCHW with C={c}, H={h}, W={w}; got \(2, {c + 1}, {h}, {w}\)"):
        net(torch.zeros(2, c + 1, h, w))


def test_an_image_s_answer_does_not_depend_on_its_batch(net: Net):
    images_NCHW = torch.randn(3, *net.input_chw)
    with torch.no_grad():
        together_NK = net(images_NCHW)
        alone_NK = torch.cat([net(images_NCHW[i : i + 1]) for i in range(3)])
    assert float((together_NK - alone_NK).abs().max()) <= 1e-4 * float(together_NK.abs().max())


def test_every_weight_gets_a_gradient(net: Net):
    net.train()
    net(torch.randn(4, *net.input_chw)).square().sum().backward()
    assert not [key for key, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()]


@pytest.mark.parametrize("name", ONE_OF_EACH_FILE, scope="function")
def test_every_weight_gets_a_gradient_where_products_are_in_bfloat16(name: str):
    net = build(name, shape_of(name), CLASSES).train()
    torch.manual_seed(0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits_NK = net(torch.randn(4, *net.input_chw))
    final(logits_NK).float().square().sum().backward()
    gradients = {key: weight.grad for key, weight in net.named_parameters()}
    assert not [key for key, grad in gradients.items() if grad is None or not (grad.any() and grad.isfinite().all())]


def test_weights_saved_and_loaded_give_the_same_answers(net: Net, name: str, tmp_path: Path):
    save_file({key: tensor.contiguous() for key, tensor in net.state_dict().items()}, tmp_path / "w.safetensors")
    again = build_around(load_file(tmp_path / "w.safetensors"), name, net.input_chw, CLASSES).eval()
    images_NCHW = torch.randn(2, *net.input_chw)
    with torch.no_grad():
        assert torch.equal(again(images_NCHW), net(images_NCHW))
