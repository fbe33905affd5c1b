from pathlib import Path
from typing import Any

import pytest
import torch

from striate.base import config
from striate.base.config import Train
from striate.base.errors import Interrupted, SettingError
from striate.nets.factory import build, outline
from striate.training import checkpoint, layer_lr, loop, optimizer
from support.tasks import digest, stopping_at, task

SMALL = {
    "decay and names": {"layer_decay": 0.5, "lr_multipliers": {"fc1": 0.25, "conv1": 0.0}},
    "one name": {"lr_multipliers": {"fc2": 10.0}},
}


def small(net: str = "mnist_cnn", **settings: Any) -> dict[str, float]:
    """The factors of a network by layer."""
    actual = layer_lr.factors(outline(net, (3, 32, 32), 10), Train(**settings))
    return {name.rpartition(".")[0]: factor for name, factor in actual.items()}


def test_without_settings_no_parameter_has_a_factor_and_the_groups_are_the_plain_two():
    net = build("mnist_cnn", (1, 28, 28), 10)
    for settings in (Train(), Train(layer_decay=1.0), Train(lr_multipliers={}), Train(lr_multipliers={"fc1": 1.0})):
        assert layer_lr.factors(net, settings) == {}
    groups = optimizer.make(net, Train()).param_groups
    assert [[p.dim() for p in group["params"]] for group in groups] == [[4, 4, 2, 2], [1, 1, 1, 1]]


def test_the_rate_falls_with_depth_from_the_head_to_the_image():
    assert small(layer_decay=0.5) == {"conv1": 1 / 8, "conv2": 1 / 4, "fc1": 1 / 2, "fc2": 1.0}


def test_a_norm_goes_with_the_weights_before_it():
    actual = small("conv 3x3x4, bn, relu, conv 3x3x4, bn, relu, fc", layer_decay=0.1)
    assert actual == pytest.approx({"conv1": 0.01, "bn1": 0.01, "conv2": 0.1, "bn2": 0.1, "fc1": 1.0})


def test_depth_is_the_order_of_running():
    actual = small("resnet18", layer_decay=0.9)
    assert [actual[name] for name in ("fc", "conv5_2.conv2", "conv5_2.conv1")] == pytest.approx([1.0, 0.9, 0.81])
    assert actual["conv1"] == min(actual.values()) == pytest.approx(0.9**20)  # 17 convolutions, 3 in shortcuts, 1 head


def test_auxiliary_heads_have_the_full_rate():
    net = outline("googlenet", (3, 32, 32), 10, aux=True)
    actual = layer_lr.factors(net, Train(layer_decay=0.9))
    assert {factor for name, factor in actual.items() if name.startswith("aux4")} == {1.0}
    assert actual["fc.weight"] == 1.0
    assert actual["conv1.weight"] == min(actual.values()) < 0.9**20


def test_a_name_holds_all_that_lies_in_it_and_the_longer_name_counts():
    actual = small("resnet18", lr_multipliers={"conv2_1": 0.5, "conv2_1.conv1": 0.25, "fc": 10.0})
    assert actual["conv2_1.conv1"] == 0.25
    assert actual["conv2_1.bn1"] == actual["conv2_1.conv2"] == 0.5
    assert (actual["fc"], actual["conv2_2.conv1"], actual["conv1"]) == (10.0, 1.0, 1.0)


def test_names_and_depth_multiply():
    assert small(layer_decay=0.5, lr_multipliers={"conv2": 8.0}) == {"conv1": 1 / 8, "conv2": 2.0, "fc1": 1 / 2, "fc2": 1.0}


@pytest.mark.parametrize(
    ("net", "wrong", "layers"),
    [
        ("mnist_cnn", "fc", "conv1, conv2, fc1, fc2"),
        ("mnist_cnn", "pool1", "conv1, conv2, fc1, fc2"),
        ("resnet18", "conv2", "conv1, bn1, conv2_1, conv2_2, conv3_1, conv3_2, conv4_1, conv4_2, conv5_1, conv5_2, fc"),
    ],
)
def test_a_name_of_no_layer_is_answered_with_those_that_there_are(net: str, wrong: str, layers: str):
    with pytest.raises(SettingError) as refused:
        small(net, lr_multipliers={wrong: 2.0})
    assert str(refused.value) == f"train.lr_multipliers: there is no layer {wrong!r} with weights; there are: {layers}."


def test_a_network_of_which_nothing_learns_is_refused():
    with pytest.raises(SettingError) as refused:
        small(lr_multipliers={"conv1": 0.0, "conv2": 0.0, "fc1": 0.0, "fc2": 0.0})
    expected = "train.lr_multipliers: expected a layer that learns; got a factor of 0 for all: conv1, conv2, fc1, fc2."
    assert str(refused.value) == expected


def test_each_group_steps_at_its_own_rate():
    net = build("fc 3, relu, fc", (1, 2, 2), 2)
    actual = layer_lr.factors(net, Train(lr_multipliers={"fc1": 0.1}))
    result = optimizer.make(net, Train(optimizer="sgd", momentum=0.0, weight_decay=0.0), actual)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    optimizer.set_rate(result, 0.5)
    result.step()
    moved = {name: (before[name] - p.detach()).mean().item() for name, p in net.named_parameters()}
    assert moved == pytest.approx({"fc1.weight": 0.05, "fc1.bias": 0.05, "fc2.weight": 0.5, "fc2.bias": 0.5})


def test_the_proximal_step_of_a_layer_follows_its_rate():
    result = task(None, "fc 8, relu, fc", steps=1, optimizer="sgd", momentum=0.0, lr=0.5, schedule="constant",
                weight_decay=0.0, l1=0.1, lr_multipliers={"fc1": 0.2})  # fmt: skip
    with torch.no_grad():
        for p in result.net.parameters():
            p.zero_()
        result.net.get_submodule("fc1").weight.fill_(1.0)
        result.net.get_submodule("fc2").bias.fill_(-1e4)  # so that the loss sends nothing down: all scores are alike and far
    loop.fit(result)
    weight = result.net.get_submodule("fc1").weight
    assert weight.detach().mean().item() == pytest.approx(1 - 0.2 * 0.5 * 0.1)


@pytest.mark.parametrize("settings", [{}, {"l1": 0.01}, {"max_norm": 0.1}, {"optimizer": "sgd", "l2": 0.1}], ids=str)
def test_a_frozen_layer_ends_with_the_bits_that_it_began_with(settings: dict[str, Any]):
    result = task(None, lr_multipliers={"conv1": 0.0}, **settings)
    before = {name: p.detach().clone() for name, p in result.net.named_parameters()}
    loop.fit(result)
    same = [name for name, p in result.net.named_parameters() if torch.equal(p, before[name])]
    assert same == ["conv1.weight", "conv1.bias"]


@pytest.mark.parametrize("settings", SMALL.values(), ids=SMALL)
@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_stopped_and_resumed_a_run_with_rates_ends_with_the_same_bytes(tmp_path: Path, kind: str, settings: dict[str, Any]):
    whole = task(None, optimizer=kind, l1=1e-3, **settings)
    loop.fit(whole)
    plain = task(None, optimizer=kind, l1=1e-3)
    loop.fit(plain)
    assert digest(plain.net) != digest(whole.net)
    for step in (1, 5, 8, 11):
        folder = tmp_path / str(step)
        with pytest.raises(Interrupted):
            loop.fit(stopping_at(task(folder, optimizer=kind, l1=1e-3, **settings), step))
        resumed = task(folder, optimizer=kind, l1=1e-3, **settings)
        loop.fit(resumed, checkpoint.latest(folder / "checkpoints"))
        assert digest(resumed.net) == digest(whole.net), f"after a stop at step {step}"


def test_rates_are_said_layer_by_layer():
    actual = layer_lr.factors(build("mnist_cnn", (1, 28, 28), 10), Train(lr_multipliers={"conv1": 0.0, "fc2": 10.0}))
    assert layer_lr.describe(actual) == "conv1 frozen, conv2 x 1, fc1 x 1, fc2 x 10"


@pytest.mark.parametrize(
    ("tree", "flat"),
    [
        ({"layer1": {"0": {"conv1": 2.0}}, "fc": 3.0}, {"layer1.0.conv1": 2.0, "fc": 3.0}),
        ({"layer1.0": 2.0, "layer1": 0.5}, {"layer1.0": 2.0, "layer1": 0.5}),
    ],
)
def test_names_with_dots_are_names_however_they_are_written(tree: config.Tree, flat: dict[str, float], tmp_path: Path):
    run = config.build({"train": {"lr_multipliers": tree}})
    assert run.train.lr_multipliers == flat
    (tmp_path / "run.toml").write_text(config.to_toml(run), "utf-8")
    assert config.build(config.read_toml(tmp_path / "run.toml")) == run


def test_on_the_command_line_the_name_of_a_layer_follows_the_setting():
    texts = ("train.lr_multipliers.layer1.0=0.1", "train.lr_multipliers.layer1=0.5", "train.layer_decay=0.9")
    tree = config.merge(*(config.setting(text) for text in texts))
    assert tree == {"train": {"lr_multipliers": {"layer1.0": 0.1, "layer1": 0.5}, "layer_decay": 0.9}}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"lr_multipliers": 3}, "train.lr_multipliers: input should be a valid dictionary; got 3."),
        ({"lr_multipliers": {"fc": -1}}, "train.lr_multipliers.fc: input should be greater than or equal to 0; got -1."),
        ({"layer_decay": 1.5}, "train.layer_decay: input should be less than or equal to 1; got 1.5."),
    ],
)
def test_rates_that_cannot_be_are_refused(settings: dict[str, Any], text: str):
    with pytest.raises(SettingError) as refused:
        config.build({"train": settings})
    assert str(refused.value) == text


def test_a_parameter_and_all_biases_may_have_a_rate_of_their_own():
    net = build("mnist_cnn", (1, 28, 28), 10)
    actual = layer_lr.factors(net, Train(lr_multipliers={"conv1.weight": 0.0, "fc2": 2.0}, bias_multiplier=8.0))
    assert {name: actual[name] for name in ("conv1.weight", "conv1.bias", "conv2.weight", "fc2.weight", "fc2.bias")} == {
        "conv1.weight": 0.0, "conv1.bias": 8.0, "conv2.weight": 1.0, "fc2.weight": 2.0, "fc2.bias": 16.0,
    }  # fmt: skip
    said = "conv1.weight frozen, conv1.bias x 8, conv2.weight x 1, conv2.bias x 8, fc1.weight x 1, fc1.bias x 8, "
    assert layer_lr.describe(actual) == said + "fc2.weight x 2, fc2.bias x 16"
