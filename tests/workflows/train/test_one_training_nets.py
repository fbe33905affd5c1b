# Trainings whose network needs more than its name: a start from the images, and heads that only training has

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import striate
from striate.base.errors import SettingError, ShapeError
from striate.nets.architectures.googlenet import GoogLeNetOut
from striate.nets.factory import outline
from striate.training import loop
from striate.training.checkpoint import Checkpoint
from striate.workflows.train import one_training
from support.shape_images import CLASSES, make_folder


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, torch.Tensor]]:
    # The weights that each training begins with, in the order of the trainings
    kept: list[dict[str, torch.Tensor]] = []
    fit = loop.fit

    def watched(task: loop.Task, begin_at: Checkpoint | None = None) -> loop.Fitted:
        kept.append({name: tensor.detach().clone() for name, tensor in task.net.state_dict().items()})
        return fit(task, begin_at)

    monkeypatch.setattr(one_training.loop, "fit", watched)
    return kept


def train(data: str | Path, out: Path, name: str, **settings: Any) -> dict[str, Any]:
    return striate.train(str(data), net=name, out=out, name=name, settings=settings)


def saved_settings(run: Path) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((run / "model" / "model.json").read_text())["net"]["settings"]
    return settings


def test_whitening_begins_with_pairs_of_components_of_the_training_images(
    starts: list[dict[str, torch.Tensor]], tmp_path: Path
):
    for init in ("whitening", "paper"):
        train("digits", tmp_path / init, "mnist_cnn", net={"init": init}, train={"steps": 3})
    whitened, paper = starts
    filters_FP = whitened["conv1.weight"].flatten(1).double()
    assert filters_FP.shape == (32, 25)
    assert torch.equal(filters_FP[:16], -filters_FP[16:])
    lengths_F = filters_FP[:16].norm(dim=1)
    cosines_FF = (filters_FP[:16] @ filters_FP[:16].T) / torch.outer(lengths_F, lengths_F)
    assert torch.allclose(cosines_FF, torch.eye(16, dtype=torch.float64), atol=1e-5)
    assert (lengths_F.diff() > 0).all()  # by falling variance
    assert not whitened["conv1.bias"].any()
    assert [name for name in paper if not torch.equal(paper[name], whitened[name])] == ["conv1.weight"]
    saved = load_file(tmp_path / "whitening" / "mnist_cnn" / "model" / "weights.safetensors")
    assert not torch.equal(saved["net.conv1.weight"], whitened["conv1.weight"])  # it was a start only


def test_whitening_is_refused_before_training_where_it_cannot_be(tmp_path: Path):
    small = {"preprocess": {"size_px": 4}, "net": {"init": "whitening"}, "train": {"steps": 1}}
    with pytest.raises(ShapeError, match=r"patches of 5 px do not fit into images of 4 x 4\. Set preprocess.size_px higher"):
        train("digits", tmp_path, "mnist_cnn", **small)
    with pytest.raises(
        SettingError, match=r"init='whitening' needs a convolution with square kernels .* as the first layer; got Linear"
    ):
        train("digits", tmp_path, "mlp", net={"init": "whitening"}, train={"steps": 1})


def test_googlenet_trains_with_its_auxiliary_heads_and_is_saved_without(starts: list[dict[str, torch.Tensor]], tmp_path: Path):
    photos = make_folder(tmp_path / "photos", each=8)
    result = train(photos, tmp_path / "runs", "googlenet", preprocess={"size_px": 32}, train={"steps": 1, "batch_size": 4})
    run = Path(result["run"])
    assert result["steps"] == 1
    assert sum("aux4" in name for name in starts[0]) == 2 * 6  # conv1, fc1, fc2 of each
    checkpoint = load_file(next((run / "checkpoints").glob("step-*")) / "state.safetensors")
    for name in ("aux4a.fc2.weight", "aux4d.fc2.weight"):
        assert not torch.equal(checkpoint[f"net.{name}"], starts[0][name])
    deployed = outline("googlenet", (3, 32, 32), 3)
    assert set(load_file(run / "model" / "weights.safetensors")) == {f"net.{name}" for name in deployed.state_dict()}
    assert result["parameters"] == sum(weight.numel() for weight in deployed.parameters())
    assert saved_settings(run) == {"aux": False}
    model = striate.load(run)
    answer = model.predict([photos / "circle" / "000.png"])[0]
    assert answer.label in CLASSES
    logits_NK = model.net.train()(torch.zeros(2, 3, 32, 32))
    assert not isinstance(logits_NK, GoogLeNetOut)
    assert striate.evaluate(str(run))["n"] == result["test"]["n"]


def test_googlenet_trains_without_auxiliary_heads_where_that_is_asked_for(
    starts: list[dict[str, torch.Tensor]], tmp_path: Path
):
    photos = make_folder(tmp_path / "photos", each=8)
    settings = {"preprocess": {"size_px": 32}, "train": {"steps": 1, "batch_size": 4}, "net": {"aux": False}}
    result = train(photos, tmp_path / "runs", "googlenet", **settings)
    assert [name for name in starts[0] if "aux" in name] == []
    assert saved_settings(Path(result["run"])) == {"aux": False}  # the artifact is the same network either way
    assert striate.load(result["run"]).predict([photos / "circle" / "000.png"])[0].label in CLASSES
