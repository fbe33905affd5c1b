"""`striate inspect`: the verdict on a run's filters, from its settings to the table."""

import json
from pathlib import Path

import pytest
import torch

import striate
from striate.base.errors import UnsupportedError
from striate.model import Model
from support.command_line import run
from support.shape_images import make_folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("inspect")
    data = make_folder(root / "shapes", 12)
    settings = {"preprocess": {"size_px": 16}}
    striate.train(str(data), net="conv 5x5x6, relu, pool 2, fc", epochs=1, out=root, name="run", settings=settings)
    return root


def test_it_looks_at_the_validation_images_of_the_run(trained: Path):
    found = striate.verdicts(str(trained / "run"))
    assert found["images_from"] == f"validation images of {trained / 'shapes'}"
    (layer,) = found["layers"]
    assert (layer["filters"], layer["images"]) == (6, 3)
    assert sum(layer[name] for name in ("dead", "blank", "duplicate", "nearly_dead", "noisy", "healthy")) == 6
    assert [set(one) >= {"verdict", "zeros", "roughness"} for one in layer["each"]] == [True] * 6


def test_a_planted_dead_filter_is_found_in_a_model_on_disk(trained: Path, tmp_path: Path):
    model = Model.load(trained / "run" / "model")
    with torch.no_grad():
        next(module for module in model.net.modules() if isinstance(module, torch.nn.Conv2d)).bias[2] = -1e3
    model.save(tmp_path / "model")
    by_weights = striate.verdicts(str(tmp_path / "model"))
    assert (by_weights["images_from"], by_weights["layers"][0]["dead"]) == (None, 0)
    by_images = striate.verdicts(str(tmp_path / "model"), data=str(trained / "shapes"))
    assert by_images["images_from"] == f"all images of {trained / 'shapes'}"
    assert by_images["layers"][0]["images"] == 36
    assert by_images["layers"][0]["each"][2]["verdict"] == "dead"


def test_the_command_says_and_draws(capsys: pytest.CaptureFixture[str], trained: Path, tmp_path: Path):
    path = tmp_path / "filters.svg"
    done = run(capsys, "inspect", trained / "run", "--draw", path)
    assert done.code == 0
    assert "nearly dead" in done.out
    assert f"looked at 3 validation images of {trained / 'shapes'}" in done.out
    assert f"drawn: {path}" in done.out
    assert ": 6 kernels" in path.read_text()
    done = run(capsys, "inspect", trained / "run", "--json")
    found = json.loads(done.out)
    assert found["files"] == []
    assert found["layers"][0]["filters"] == 6


def test_weights_by_name_are_judged_by_themselves(capsys: pytest.CaptureFixture[str]):
    done = run(capsys, "inspect", "resnet20@cifar10")
    assert done.code == 0
    assert "judged by the weights alone" in done.out
    assert "There are no images to look at, so only the weights are judged; give --data for dead filters." in done.err


def test_no_first_kernels_to_draw_is_refused(trained: Path, tmp_path: Path):
    striate.train(
        str(trained / "shapes"), net="mlp", epochs=1, out=tmp_path, name="flat", settings={"preprocess": {"size_px": 8}}
    )
    with pytest.raises(UnsupportedError, match="--draw shows the kernels of the first convolution, and mlp does not begin"):
        striate.verdicts(str(tmp_path / "flat"), draw=tmp_path / "filters.png")
