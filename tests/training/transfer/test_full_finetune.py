import copy
from dataclasses import replace
from math import isclose
from pathlib import Path
from typing import Any

import pytest
import torch

from striate.base.config import Train
from striate.base.errors import Interrupted
from striate.nets.factory import build
from striate.training import checkpoint, layer_lr, loop
from striate.training.transfer import full_finetune
from support.tasks import digest, stopping_at, task


def test_the_first_layer_learns_at_a_tenth_of_the_last_ones_rate():
    net = build("resnet20", (3, 32, 32), 10)
    found = layer_lr.factors(net, Train(layer_decay=full_finetune.layer_decay(net)))
    assert isclose(found["conv1.weight"], 0.1, rel_tol=1e-9)
    assert found["fc.weight"] == 1.0


def test_layers_open_from_the_last_to_the_first_within_half_of_the_epochs():
    net = build("lenet5_modern", (1, 32, 32), 10)  # five layers, so of ten epochs one for each after the head
    found = full_finetune.unfreeze_epochs(net, 10)
    by_layer = {name.rpartition(".")[0]: epoch for name, epoch in found.items()}
    assert list(by_layer.values()) == [5, 3, 2, 1, 0]
    assert {*found} == {name for name, _ in net.named_parameters()}


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_few_epochs_open_all_in_time(epochs: int):
    found = full_finetune.unfreeze_epochs(build("resnet20", (3, 32, 32), 10), epochs)
    assert max(found.values()) == epochs // 2


def opening(folder: Path | None) -> loop.Task:
    """Twelve steps, four an epoch; the first layer with weights learns from the second epoch on."""
    made = task(folder)
    first = next(iter(layer_lr.layers(made.net).values()))
    return replace(made, unfreeze_epochs=dict.fromkeys(first, 1))


def test_nothing_moves_before_it_is_opened():
    made, moved = opening(None), {}
    before = copy.deepcopy(made.net.state_dict())

    def watch(event: dict[str, Any]) -> None:
        if event["event"] == "step":
            now = made.net.state_dict()
            moved[event["step"]] = {name for name in before if not torch.equal(before[name], now[name])}

    loop.fit(replace(made, observers=[watch]))
    names = {name for name, _ in made.net.named_parameters()}
    assert not moved[4] & {*made.unfreeze_epochs}
    assert moved[4] >= names - {*made.unfreeze_epochs}
    assert moved[6] >= names


def test_a_run_that_opens_layers_is_resumed_exactly(tmp_path: Path):
    whole = opening(None)
    loop.fit(whole)
    for step in (2, 4, 5):
        folder = tmp_path / str(step)
        with pytest.raises(Interrupted):
            loop.fit(stopping_at(opening(folder), step))
        resumed = opening(folder)
        loop.fit(resumed, checkpoint.latest(folder / "checkpoints"))
        assert digest(resumed.net) == digest(whole.net), f"after a stop at step {step}"
