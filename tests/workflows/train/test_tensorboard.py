"""A training that is interrupted and resumed, logged for TensorBoard."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

import striate
from striate.base.errors import Interrupted
from support.shape_images import make_folder

pytestmark = pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="needs tensorboard, of the extra [log]")


def steps(folder: Path) -> dict[str, list[int]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    return {tag: [row.step for row in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_an_interrupted_training_logs_each_epoch_once(tmp_path: Path):
    photos, epochs = make_folder(tmp_path / "photos", each=8), list[Any]()

    def stop(event: dict[str, Any]) -> None:
        epochs.append(event["event"])
        if epochs.count("epoch") == 2 and event["event"] == "step":
            raise Interrupted("as a kill in the third epoch")

    own = {"net": "conv 3x3x4, relu, pool 4, fc", "epochs": 4, "out": tmp_path, "name": "run", "tensorboard": True}
    with pytest.raises(Interrupted):
        striate.train(photos, settings={"preprocess": {"size_px": 16}}, watch=stop, **own)
    striate.train(out=tmp_path, name="run", resume=True)
    logged = steps(tmp_path / "run")
    assert len(logged["loss/training"]) == len(set(logged["loss/training"])) == 4
    assert logged["images a second"] == logged["loss/training"]
    assert logged["result/test accuracy"] == [0]


@pytest.mark.soak
def test_a_fine_tuning_logs_its_strategies_and_its_result(tmp_path: Path):
    photos = make_folder(tmp_path / "photos", each=6)
    striate.finetune(
        photos, weights="resnet20@cifar10", strategies=["adapt"], out=tmp_path, name="run", tensorboard=True,
        settings={"finetune": {"adapt": {"epochs": 2}}},
    )  # fmt: skip
    assert len(steps(tmp_path / "run" / "strategies" / "adapt")["loss/training"]) == 2
    assert set(steps(tmp_path / "run")) == {"result/validation accuracy", "result/test accuracy"}
