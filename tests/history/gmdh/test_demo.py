"""`striate history gmdh`, run once: what it finds, says and draws."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.base.errors import SettingError
from striate.cli.history import gmdh
from striate.data.split import Split
from striate.history.demonstration import Demonstration
from striate.history.gmdh import demo as demonstration
from striate.history.gmdh.demo import demonstrate


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    return demonstrate(tmp_path_factory.mktemp("gmdh"), keep=8, components=10)


@pytest.fixture(scope="module")
def ran(result: Demonstration) -> dict[str, Any]:
    return result.as_json()


def test_it_agrees_with_the_reference_implementation_and_finds_the_polynomial_again(ran: dict[str, Any]):
    assert [row["agrees"] for row in ran["cross_check"]] == [True, True, True]
    assert ran["recovery"]["formula"] == "y = 3 - 2 x2 + 1 x4 + 0.5 x2 x4 - 1.5 x4^2"
    assert ran["recovery"]["largest_error"] < 1e-12


def test_growth_without_an_external_criterion_overfits_and_with_one_it_ends(ran: dict[str, Any]):
    without, ended = ran["overfit"]["without"], ran["overfit"]["with"]
    assert without["fitted"] == sorted(without["fitted"], reverse=True)
    assert without["external"][5] > 10 * without["external"][0]
    assert ended["accepted"] == [True, True, True, False]


def test_the_digits_are_scored_on_the_test_images_alone(ran: dict[str, Any]):
    digits = ran["digits"]
    right = sum(digits["confusion"][k][k] for k in range(10))
    assert sum(map(sum, digits["confusion"])) == digits["n"] == 359
    assert digits["accuracy"] == right / 359
    assert digits["low"] < digits["accuracy"] < digits["high"]
    assert digits["accuracy"] > 0.75  # 0.8245 here; a tenth is chance
    for network in digits["networks"]:
        errors = network["mean_squared_errors"]
        assert errors == sorted(errors, reverse=True)
        assert len(errors) == network["layers"] <= 8
        assert network["degree"] == 2 ** network["layers"]


def test_it_draws_and_says_all_of_that_and_its_numbers_are_json(result: Demonstration):
    assert [file.name for file in result.files] == ["network.png", "overfit.png", "digits.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in result.files)
    assert any(line.startswith("digits, 10 PCA coordinates: accuracy 8") for line in result.lines)
    assert not any("NOT" in line for line in result.lines)
    json.dumps(result.as_json(), allow_nan=False)


def test_features_of_a_tap_take_the_place_of_pca(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    digits, parts = demonstration._read_digits()
    digits = digits.keep(np.concatenate([parts.train_M[:200], parts.val_M[:100], parts.test_M[:100]]))
    parts = Split(*np.split(np.arange(400), [200, 300]))
    monkeypatch.setattr(demonstration, "_read_digits", lambda: (digits, parts))
    gmdh(out=tmp_path, keep=3, features="resnet20@cifar10", layer="conv2_1", json=True)
    numbers = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert "lines" not in numbers
    assert numbers["digits"]["features"] == "conv2_1 of resnet20@cifar10"
    assert numbers["digits"]["columns"] == 16  # maps, averaged over their places
    assert numbers["digits"]["n"] == 100
    assert 0.2 < numbers["digits"]["accuracy"] < 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"features": "resnet20"}, "expected a network with its weights, as resnet20@cifar10; got 'resnet20'."),
        ({"layer": "pool4"}, "--layer names a layer of a network; got 'pool4' and no network. Add --features NET@WEIGHTS."),
        (
            {"features": "resnet20@cifar10", "components": 9},
            "PCA components and the features of a network do not go together; leave one of them out.",
        ),
        ({"components": 65}, "expected 2 to 64 components of 8 x 8 pixels; got 65."),
        ({"seed": -1}, "expected a seed of 0 or more; got -1."),
        ({"components": 1}, "expected 2 to 64 components of 8 x 8 pixels; got 1."),
    ],
)
def test_settings_that_do_not_go_together_are_refused_before_anything_is_drawn(
    settings: dict[str, Any], message: str, tmp_path: Path
):
    with pytest.raises(SettingError) as caught:
        demonstrate(tmp_path, **settings)
    assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


def test_a_layer_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(SettingError, match="There is no layer 'pool9'; did you mean pool4"):
        demonstrate(tmp_path, features="resnet20@cifar10", layer="pool9")
