"""Looking inside every network of the catalogue: maps of every tap, statistics, strongest images and gradient ascent.

Each network is built once, at the least size that it takes; the tests of one come one after the other.
"""

import copy
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from striate.base.errors import SettingError
from striate.interpret import (
    activation_maximization,
    activations,
    filter_health,
    nearest_images,
    orientation_tuning,
    top_activations,
    unit_shift_tolerance,
)
from striate.nets import catalogue
from striate.nets.factory import build
from striate.nets.net import Net
from striate.nets.receptive_field import windows
from support.deeper_nets import shallow_first

CLASSES = 10
LARGE = 15_000_000  # weights, whose comparison with each other takes seconds


@lru_cache(maxsize=1)
def made(name: str) -> Net:
    entry = catalogue.find(name)
    if name.startswith("plain"):  # of whose smallest image nothing is left after 56 layers that do not learn yet
        return build(name, entry.input_chw, CLASSES).train()
    return build(name, (entry.input_chw[0], entry.smallest_px, entry.smallest_px), CLASSES, init="torch").train()


@pytest.fixture(params=shallow_first(catalogue.names()), scope="module")
def net(request: pytest.FixtureRequest) -> Iterator[Net]:
    yield made(str(request.param))
    made.cache_clear()


def images(net: Net, count: int = 3) -> torch.Tensor:
    return torch.randn(count, *net.input_chw, generator=torch.Generator().manual_seed(0))


def batch(net: Net) -> Any:
    return SimpleNamespace(images_NCHW=images(net), labels_N=torch.tensor([0, 1, 1]), ids_N=np.arange(3, dtype=np.uint64))


def hooks(net: Net) -> int:
    return sum(
        len(layer._forward_hooks) + len(layer._forward_pre_hooks) + len(layer._backward_hooks) for layer in net.modules()
    )


METHODS: dict[str, Callable[[Net, str], Any]] = {
    "maps": lambda net, at: activations.maps(net, images(net), [at]),
    "statistics": lambda net, at: activations.statistics(net, [batch(net)], [at], CLASSES),
    "strongest": lambda net, at: top_activations.strongest(net, [batch(net)], [at], 2),
    "windows": lambda net, at: windows(net, (at,)),
    "maximize": lambda net, at: activation_maximization.maximize(net, at, [0], activation_maximization.Ascent(steps=1)),
    "tuning": lambda net, at: orientation_tuning.tuning(net, at, 2, (0.25,), 4),
    "shifts": lambda net, at: unit_shift_tolerance.by_images(net, at, images(net, 2), 1),
}  # fmt: skip


OF_THE_WHOLE: dict[str, Callable[[Net], Any]] = {
    "verdicts": lambda net: filter_health.examine(net, [batch(net)]),
    "features": lambda net: nearest_images.penultimate(net, [batch(net)]),
}


def test_maps_of_every_tap_have_the_shapes_of_their_windows(net: Net):
    found = activations.maps(net, images(net))
    assert tuple(found) == net.taps
    assert found[net.head_name].shape == (3, CLASSES)
    for name, seen in windows(net).items():
        assert found[name].shape[0] == 3
        assert found[name].dim() in (2, 4)
        sides = tuple(found[name].shape[2:]) or (1, 1)
        assert (len(seen.tops_H), len(seen.lefts_W)) == sides
        assert (seen.bottoms_H <= net.input_chw[1]).all()
        assert (seen.tops_H < seen.bottoms_H).all()


def test_statistics_and_strongest_images_agree_with_the_maps(net: Net):
    found = activations.maps(net, images(net))
    counted = activations.statistics(net, [batch(net)], classes=CLASSES)
    strongest = top_activations.strongest(net, [batch(net)], k=2)
    for name, output in found.items():
        flat_NUP = output.flatten(2) if output.dim() == 4 else output.unsqueeze(2)
        assert np.allclose(counted[name].max_U, flat_NUP.amax((0, 2)), rtol=1e-3, atol=1e-4)
        assert np.allclose(counted[name].mean_U, flat_NUP.mean((0, 2)), rtol=1e-3, atol=1e-4)
        assert np.allclose(strongest[name].values_Uk[:, 0], counted[name].max_U, rtol=1e-6)


def test_gradient_ascent_raises_the_answer_of_the_head(net: Net):
    # At the start the answer of a deep network may depend on its image by less than float32 shows, so the small ones climb in
    # float64, in smaller steps
    small = sum(weight.numel() for weight in net.parameters()) < 5e6
    exact, rate = (copy.deepcopy(net).double(), 0.001) if small else (net, 0.01)
    ascent = activation_maximization.Ascent(activation_maximization.PRESETS["none"], steps=2, step_size=rate)
    best = activation_maximization.maximize(exact, net.head_name, [1, 7], ascent)
    assert (best.end_U > best.start_U).all()
    assert not best.stuck_U.any()


def crash(*_: Any) -> None:
    raise ArithmeticError("half-way")


@pytest.mark.parametrize("method", OF_THE_WHOLE)
def test_hooks_come_off_after_looking_at_the_whole_and_a_crash(net: Net, method: str):
    if method == "verdicts" and sum(weight.numel() for weight in net.parameters()) > LARGE:
        pytest.skip("all weights of a network of this size are compared by make soak")
    look_at_the_whole_and_crash(net, method)


@pytest.mark.soak
@pytest.mark.parametrize("name", catalogue.names())
def test_hooks_come_off_after_verdicts_on_large_networks_too(name: str):
    look_at_the_whole_and_crash(made(name), "verdicts")
    made.cache_clear()


def look_at_the_whole_and_crash(net: Net, method: str) -> None:
    before, training = hooks(net), [layer.training for layer in net.modules()]
    OF_THE_WHOLE[method](net)
    assert hooks(net) == before
    planted = net.get_submodule(net.taps[len(net.taps) // 2]).register_forward_pre_hook(crash)
    try:
        with pytest.raises(ArithmeticError, match="half-way"):
            OF_THE_WHOLE[method](net)
        assert hooks(net) == before + 1
    finally:
        planted.remove()
    assert [layer.training for layer in net.modules()] == training


@pytest.mark.parametrize("method", METHODS)
def test_hooks_come_off_after_success_a_wrong_name_and_a_crash(net: Net, method: str):
    before, training = hooks(net), [layer.training for layer in net.modules()]
    last = net.head_name
    if method == "shifts" and net.input_chw[1] == 1:
        pytest.skip("one pixel cannot move")
    METHODS[method](net, last)
    assert hooks(net) == before
    with pytest.raises(SettingError, match=r"There is no layer 'nonesuch'; "):
        METHODS[method](net, "nonesuch")
    assert hooks(net) == before

    planted = net.get_submodule(net.taps[len(net.taps) // 2]).register_forward_pre_hook(crash)
    try:
        with pytest.raises(ArithmeticError, match="half-way"):
            METHODS[method](net, last)
        assert hooks(net) == before + 1
    finally:
        planted.remove()
    assert [layer.training for layer in net.modules()] == training
    assert all(weight.grad is None for weight in net.parameters())
