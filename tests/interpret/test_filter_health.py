import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from striate.interpret import filter_health
from striate.interpret.readout_points import probes
from striate.nets import catalogue
from striate.nets.factory import build
from striate.nets.net import Net

LINE = "conv 5x5x8, relu, pool 2, conv 3x3x12, bn, relu, globalpool, fc"


def images(net: Net, count: int = 12) -> list[Any]:
    shape = (count // 2, *net.input_chw)
    return [SimpleNamespace(images_NCHW=torch.randn(shape, generator=torch.Generator().manual_seed(n))) for n in range(2)]


def smooth(net: Net) -> None:
    """Give the first layer smooth kernels of different turns, each with a positive answer somewhere."""
    conv: Any = net.get_submodule(probes(net)[0].layer)
    k = conv.kernel_size[0]
    y, x = np.mgrid[:k, :k] - (k - 1) / 2
    with torch.no_grad():
        for f in range(len(conv.weight)):
            turn = np.pi * f / len(conv.weight)
            wave = np.exp(-(x**2 + y**2) / 4) * np.cos(1.4 * (x * np.cos(turn) + y * np.sin(turn)))
            conv.weight[f] = torch.from_numpy(wave - wave.mean())
        conv.bias.zero_()


@pytest.fixture
def net() -> Net:
    made = build(LINE, (1, 16, 16), 3)
    smooth(made)
    return made.eval()


def verdicts(net: Net, layer: int = 0, **how: Any) -> list[str]:
    return [one.verdict for one in filter_health.examine(net, images(net), **how)[layer].filters]


def test_where_layers_are_seen_by_hand(net: Net):
    layers = probes(net)
    names = [name for name, module in net.named_modules() if isinstance(module, nn.Conv2d)]
    relus = [name for name, module in net.named_modules() if isinstance(module, nn.ReLU)]
    norms = [name for name, module in net.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert [tuple(probe) for probe in layers] == [(names[0], None, relus[0], True), (names[1], norms[0], relus[1], True)]


def test_a_residual_block_is_seen_before_the_sum():
    by_layer = {probe.layer: probe for probe in probes(build("resnet20", (3, 32, 32), 10))}
    assert by_layer["conv2_1.conv1"] == ("conv2_1.conv1", "conv2_1.bn1", "conv2_1.relu1", True)
    assert by_layer["conv2_1.conv2"] == ("conv2_1.conv2", "conv2_1.bn2", "conv2_1.bn2", False)


def test_a_convolution_before_the_head_is_seen_filter_by_filter():
    made = build("conv 3x3x4, fc", (1, 8, 8), 3)
    [probe] = probes(made)
    assert probe.readout == probe.layer
    [layer] = filter_health.examine(made, images(made))
    assert len(layer.filters) == 4


def test_smooth_filters_are_healthy(net: Net):
    assert set(verdicts(net)) == {"healthy"}


@pytest.mark.parametrize("count", [1, 3])
def test_planted_dead_blank_duplicate_and_noisy_filters_are_all_found(net: Net, count: int):
    conv: Any = net.get_submodule(probes(net)[0].layer)
    noise = torch.randn(count, 1, 5, 5, generator=torch.Generator().manual_seed(3))
    planted = {
        "dead": lambda: conv.bias[:count].fill_(-1000.0),
        "blank": lambda: conv.weight[:count].mul_(1e-4),
        "duplicate": lambda: conv.weight[8 - count :].copy_(2 * conv.weight[:count]),
        "noisy": lambda: conv.weight[:count].copy_(noise),
    }
    before = copy.deepcopy(net.state_dict())
    for verdict, plant in planted.items():
        net.load_state_dict(before)
        with torch.no_grad():
            plant()
        layers = verdicts(net)
        assert layers.count(verdict) == count, (verdict, layers)
        assert layers.count("healthy") == 8 - count, (verdict, layers)


def test_a_duplicate_names_its_twin_and_how_alike_they_are(net: Net):
    conv: Any = net.get_submodule(probes(net)[0].layer)
    with torch.no_grad():
        conv.weight[5] = 0.5 * conv.weight[2]
    one = filter_health.examine(net, images(net))[0].filters[5]
    assert (one.verdict, one.nearest) == ("duplicate", 2)
    assert one.similarity == pytest.approx(1)
    with torch.no_grad():
        conv.weight[5] = -conv.weight[2]  # looks for the opposite
    assert filter_health.examine(net, images(net))[0].filters[5].verdict == "healthy"


def test_a_filter_that_answers_once_is_nearly_dead(net: Net):
    conv: Any = net.get_submodule(probes(net)[0].layer)
    with torch.inference_mode():
        answers = torch.cat([conv(batch.images_NCHW)[:, 0] for batch in images(net)])
    with torch.no_grad():
        conv.bias[0] = -float(answers.flatten().topk(2).values.mean())  # one place of all is above
    one = filter_health.examine(net, images(net))[0].filters[0]
    assert one.verdict == "nearly dead"
    assert one.zeros == pytest.approx(1 - 1 / answers.numel())


def test_a_norm_that_turns_a_filter_off_makes_it_blank(net: Net):
    norm: Any = net.get_submodule(probes(net)[1].norm or "")
    with torch.no_grad():
        norm.weight[:4] = 0
        norm.bias[:4] = 1
    assert verdicts(net, 1)[:4] == ["blank"] * 4
    assert [one.range for one in filter_health.examine(net, images(net))[1].filters[:4]] == [0.0] * 4  # which is dead too
    weights = filter_health.examine(net)[1]
    assert [one.verdict for one in weights.filters[:4]] == ["blank"] * 4
    assert weights.images == 0


def test_only_what_is_asked_for_is_given(net: Net):
    conv: Any = net.get_submodule(probes(net)[0].layer)
    with torch.no_grad():
        conv.bias[0] = -1000.0
        conv.weight[1] *= 1e-4
        conv.weight[7] = conv.weight[2]
    layers = verdicts(net, only=("dead", "duplicate"))
    assert layers == ["dead", "healthy", *["healthy"] * 5, "duplicate"]


def test_advice_is_for_what_ails_a_tenth_of_a_layer(net: Net):
    assert filter_health.examine(net, images(net))[0].advice() == ""
    conv: Any = net.get_submodule(probes(net)[0].layer)
    with torch.no_grad():
        conv.bias[:2] = -1000.0
    layer = filter_health.examine(net, images(net))[0]
    assert layer.share("dead") == 0.25
    assert layer.advice().startswith(
        f"{layer.name}: 2 of 8 filters are dead: their output never changes (a lower learning rate"
    )
    (row, _) = filter_health.as_json(filter_health.examine(net, images(net)))
    assert (row["dead"], row["filters"], row["nearly_dead"]) == (2, 8, 0)


def test_a_random_layer_of_3x3_kernels_is_noisy_and_its_ratio_is_said():
    net = build("conv 3x3x32, relu, conv 3x3x32, relu, globalpool, fc", (3, 12, 12), 3)
    second = filter_health.examine(net, images(net))[1]
    assert second.noise_ratio is not None
    assert abs(second.noise_ratio - 1) < 0.02
    assert (second.count("noisy") > 0) == (second.noise_ratio >= 1)


def test_nothing_of_the_network_changes_and_no_hook_stays(net: Net):
    net.train()
    before = copy.deepcopy(net.state_dict())
    filter_health.examine(net, images(net))
    assert net.training
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())

    def broken() -> Any:
        yield images(net)[0]
        raise InterruptedError

    with pytest.raises(InterruptedError):
        filter_health.examine(net, broken())
    assert not any(module._forward_hooks for module in net.modules())
    assert net.training


@pytest.mark.parametrize("name", catalogue.names())
def test_every_network_has_places_to_be_judged_at(name: str):
    entry = catalogue.find(name)
    with torch.device("meta"):
        net = build(name, entry.input_chw, entry.classes, init="torch")
    layers = probes(net)
    modules = dict(net.named_modules())
    weighted = [n for n, m in modules.items() if isinstance(m, nn.Conv2d | nn.Linear) and n != net.head_name]
    assert {*weighted} <= {probe.layer for probe in layers} | {n for n in weighted if "aux" in n}
    assert layers
    assert all(probe.readout in modules for probe in layers)


def test_a_large_layer_is_compared_by_blocks_of_its_columns(monkeypatch: pytest.MonkeyPatch):
    flat_FD = np.random.default_rng(0).normal(size=(6, 40))
    flat_FD[4] = 2 * flat_FD[1] + 0.01
    flat_FD[5] = 0
    nearest_F, cosine_F = filter_health.most_similar(flat_FD)
    assert (nearest_F[4], nearest_F[5], nearest_F[0]) == (1, -1, -1)
    monkeypatch.setattr(filter_health, "_BLOCK", 60)  # 10 columns
    for dtype, error in ((np.float64, 1e-12), (np.float32, 1e-6)):
        by_blocks = filter_health.most_similar(flat_FD.astype(dtype))
        assert by_blocks[0].tolist() == nearest_F.tolist()
        assert by_blocks[1] == pytest.approx(cosine_F, abs=error)
