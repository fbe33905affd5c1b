"""What a training notes about its own network after each epoch."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from striate.interpret.readout_points import probes
from striate.training import journal, loop
from striate.workflows.train import epoch_health_log
from support.tasks import digest, task


def observed(folder: Path, **settings: Any) -> loop.Task:
    made = task(folder, **settings)
    return replace(made, observers=[epoch_health_log.observer(made.net, made.val, 30, made.journal)])


def noted(folder: Path) -> list[dict[str, Any]]:
    return [event for event in journal.read(folder / "journal.jsonl") if event["event"] == "health"]


def test_each_epoch_has_the_layers_with_their_faults_and_gradients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(epoch_health_log, "SHARE", 1e9)  # these epochs are over in milliseconds
    made = observed(tmp_path)
    loop.fit(made)
    events = noted(tmp_path)
    assert [event["epoch"] for event in events] == [1, 2, 3]
    assert [row["name"] for row in events[0]["layers"]] == [probe.layer for probe in probes(made.net)]
    assert all(row["gradient"] > 0 for event in events for row in event["layers"])
    assert events[0]["images"] == 8


def test_it_changes_no_byte_of_the_training(tmp_path: Path):
    plain, watched = task(None), observed(tmp_path)
    loop.fit(plain)
    loop.fit(watched)
    assert digest(plain.net) == digest(watched.net)
    assert noted(tmp_path)


def test_dead_filters_are_said_once_for_each_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(epoch_health_log, "SHARE", 1e9)
    made = observed(tmp_path)
    first = probes(made.net)[0]
    norm: Any = made.net.get_submodule(first.norm or "")
    with torch.no_grad():
        norm.bias[:2] = -1e6
    with caplog.at_level("WARNING", logger="striate"):
        loop.fit(made)
    assert [row["dead"] for row in (event["layers"][0] for event in noted(tmp_path))] == [2, 2, 2]
    said = [record.getMessage() for record in caplog.records if "dead" in record.getMessage()]
    assert len(said) == 1
    assert said[0].startswith(f"after epoch 1, on 8 images, {first.layer}: 2 of 4 filters are dead: ")


def test_a_few_silent_filters_are_noted_and_not_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(epoch_health_log, "SHARE", 1e9)
    made = observed(tmp_path)
    norm: Any = made.net.get_submodule(probes(made.net)[0].norm or "")
    with torch.no_grad():
        norm.bias[0] = -1e6
    loop.fit(made)
    assert [event["layers"][0]["dead"] for event in noted(tmp_path)] == [1, 1, 1]
    assert "dead" not in caplog.text


def test_an_epoch_is_left_out_where_there_is_no_time_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    monkeypatch.setattr(epoch_health_log.time, "monotonic", lambda: now[0])
    examine = epoch_health_log.filter_health.examine

    def slow(*arguments: Any, **more: Any) -> Any:
        now[0] += 1.0  # each look takes a second
        return examine(*arguments, **more)

    monkeypatch.setattr(epoch_health_log.filter_health, "examine", slow)
    made = task(tmp_path)
    watch = epoch_health_log.observer(made.net, made.val, 30, made.journal)
    for epoch in range(1, 13):
        now[0] += 10  # and each epoch ten
        watch({"event": "epoch", "epoch": epoch})
        watch({"event": "step", "epoch": epoch})
    # After the first, 1 s of 11 is far above 2 %; it is below that from 50 s on, when 2 s are spent until 100 s
    assert [event["epoch"] for event in noted(tmp_path)] == [1, 5, 10]


def test_gradients_are_by_layer():
    net = torch.nn.Sequential(torch.nn.Linear(2, 1, bias=False), torch.nn.Linear(1, 1))
    assert epoch_health_log.gradient_norms(net) == {}
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[3.0, 4.0]]))
        net[1].weight.fill_(2.0)
    net(torch.tensor([[1.0, 1.0]])).sum().backward()
    # d/dw0 = 2 * (1, 1), of norm 2.828...; d/dw1 = 3 + 4
    assert epoch_health_log.gradient_norms(net) == pytest.approx({"0": 8**0.5, "1": 7.0})
