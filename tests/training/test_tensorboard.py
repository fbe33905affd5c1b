"""What a training logs for TensorBoard, read back by TensorBoard's own reader."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch

from striate.base import config
from striate.base.errors import MissingExtraError
from striate.training import tensorboard
from striate.training.journal import Journal, read
from striate.workflows import checks

needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="needs tensorboard, of the extra [log]"
)


def logged(folder: Path) -> dict[str, list[tuple[int, Any]]]:
    """(step, value) of each tag, as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    read_by = {
        "scalars": lambda tag: [(row.step, row.value) for row in events.Scalars(tag)],
        "histograms": lambda tag: [(row.step, row.histogram_value) for row in events.Histograms(tag)],
        "images": lambda tag: [(row.step, (row.height, row.width)) for row in events.Images(tag)],
    }
    return {tag: rows(tag) for kind, rows in read_by.items() for tag in events.Tags()[kind]}


def epoch(number: int) -> dict[str, float]:
    return {
        "epoch": number, "step": 10 * number, "rate": 0.1, "train_loss": 1 / number, "train_accuracy": 0.5, "accuracy": 0.75,
        "loss": 2.0, "seconds": 4.0 * number,
    }  # fmt: skip


WEIGHTS = [
    {"layer": "conv1", "weights": 4, "zero": 0.0, "near": 1.0, "mean": 0.5, "deviation": 0.25, "first": 99, "counts": [1, 3]}
]


@needs_tensorboard
def test_each_event_is_logged_once_however_often_the_training_is_resumed(tmp_path: Path):
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 4))
    first = Journal(tmp_path / "journal.jsonl")
    with tensorboard.following(first, net, images_an_epoch=200):
        first.write("weights", when="start", layers=WEIGHTS)
        first.write("epoch", **epoch(1))
    assert first.follow is None
    first.write("epoch", **epoch(2))  # the process was killed before it was logged
    second = Journal(tmp_path / "journal.jsonl")
    with tensorboard.following(second, net, images_an_epoch=200):
        second.write("epoch", **epoch(2))  # from the checkpoint before
        second.write("epoch", **epoch(3))
    values = logged(tmp_path / "tensorboard")
    assert values["loss/training"] == [(10, 1.0), (20, 0.5), (30, pytest.approx(1 / 3))]
    assert [values[tag][0][1] for tag in ("accuracy/validation", "loss/validation", "learning rate")] == pytest.approx(
        [0.75, 2.0, 0.1]
    )
    assert values["images a second"] == [(step, 50.0) for step in (10, 20, 30)]
    assert values["first filters"] == [(step, (15, 15)) for step in (10, 20, 30)]  # 3 x 3 filters of 4 pixels and a gap
    ((step, histogram),) = values["weights start/conv1"]
    assert (step, histogram.num, histogram.sum, histogram.sum_squares) == (0, 4, 2.0, 4 * (0.25**2 + 0.5**2))
    assert list(histogram.bucket) == [1, 3]
    assert list(histogram.bucket_limit) == pytest.approx([0.4975, 0.5025])
    assert len(read(tmp_path / "journal.jsonl")) == 5


@needs_tensorboard
def test_the_result_is_logged_with_the_settings_that_led_to_it(tmp_path: Path):
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

    for _ in range(2):
        tensorboard.write_result(tmp_path, {"train.lr": 0.1, "net.name": "mlp", "data.background": [1]}, {"result/test": 0.9})
    assert logged(tmp_path / "tensorboard") == {"result/test": [(0, pytest.approx(0.9))]}
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(events.PluginTagToContent("hparams")) == {
        "_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info"
    }  # fmt: skip


def test_filters_lie_side_by_side_with_zero_gray():
    filters = torch.zeros(2, 1, 1, 1)
    filters[1] = -2.0
    assert tensorboard.grid(filters).tolist() == [[[0.5, 1, 0, 1], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]]
    assert tensorboard.first_filters(torch.nn.Sequential(torch.nn.Conv2d(4, 2, 3))) is None
    assert tensorboard.first_filters(torch.nn.Linear(2, 2)) is None


def test_without_tensorboard_the_training_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checks, "find_spec", lambda _name: None)
    checks.check_tensorboard(config.Run())
    with pytest.raises(MissingExtraError) as refused:
        checks.check_tensorboard(config.Run(tensorboard=True))
    assert str(refused.value) == "tensorboard=true needs tensorboard, which is not installed: pip install 'striate[log]'."
