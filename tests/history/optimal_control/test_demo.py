"""`striate history optimal_control`, run once without a flight: what it finds, says and draws; `make soak` flies too."""

import json
from pathlib import Path
from typing import Any

import pytest

from striate.base.errors import SettingError
from striate.cli.history import optimal_control
from striate.history.demonstration import Demonstration
from striate.history.optimal_control import demo
from striate.history.optimal_control.demo import demonstrate


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    """With two of the four penalties of each state limit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "_WEIGHTS", demo._WEIGHTS[1::2])
        return demonstrate(tmp_path_factory.mktemp("control"), steps=10, fly=())


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    return demonstrate(tmp_path_factory.mktemp("flown"), steps=10, fly=("rocket",))


@pytest.fixture(scope="module")
def numbers(result: Demonstration) -> dict[str, Any]:
    return result.as_json()


def test_known_answers_are_reached(numbers: dict[str, Any]):
    assert numbers["scalar"]["cost"] == pytest.approx(0.382247, abs=5e-7)  # Euler's rule with 100 steps
    assert numbers["scalar"]["exact"] == pytest.approx(0.3807970780, abs=5e-11)
    assert numbers["energy"]["integral"] == pytest.approx(12 / (1 - 1 / 100**2), abs=1e-6)  # 12.0012 with Euler's rule
    limits_are_kept(numbers)


def limits_are_kept(numbers: dict[str, Any]) -> None:
    for row, exact in zip(numbers["state_limit"], (4.0, 2.24, 2.0), strict=True):
        assert row["exact"] == pytest.approx(exact)
        assert row["cost"] == pytest.approx(exact, rel=0.01)


def test_three_ways_to_the_gradient_agree(numbers: dict[str, Any]):
    away = numbers["scalar"]["away"]
    assert away["autograd"] < 1e-12
    assert away["chain_rule"] < 1e-12
    assert away["differences"] < 1e-6
    assert numbers["scalar"]["multiplications"] == {"forward": 400, "backward": 800}
    assert numbers["residual"]["away"] < 1e-12


@pytest.mark.soak  # tests/history/optimal_control/test_problems.py flies it with more steps
def test_the_rocket_arrives_nearly_as_soon_as_it_can_and_is_drawn(flown: Demonstration):
    limits_are_kept(flown.as_json())
    flight = flown.as_json()["flights"]["rocket"]
    assert [file.name for file in flown.files] == ["known.png", "rocket.png", "residual.png"]
    assert any(line.startswith("rocket to the orbit of Mars: 193.") for line in flown.lines)
    assert flight["days"] == pytest.approx(flight["by_shooting"], rel=0.005)
    assert max(flight["missed"]) < 1e-4
    missed = [row["missed"] for row in flight["rounds"]]
    assert missed == sorted(missed, reverse=True)
    assert flight["radius"][0] == 1
    assert flight["radius"][-1] == pytest.approx(1.5237, abs=1e-4)


def test_the_shortcut_keeps_a_gradient_that_is_lost_without_it(numbers: dict[str, Any]):
    chains, products = numbers["residual"]["factors"], numbers["residual"]["products"]
    assert chains["residual"] == [derivative + 1 for derivative in chains["plain"]]
    assert abs(products["plain"]) < 1e-4 < 0.01 < abs(products["residual"])


def test_it_draws_and_says_all_of_that_and_its_numbers_are_json(result: Demonstration):
    assert [file.name for file in result.files] == ["known.png", "residual.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in result.files)
    json.dumps(result.as_json(), allow_nan=False)


def test_the_command_gives_the_same_numbers_as_json(
    result: Demonstration, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    arguments: list[object] = []

    def remembered(*settings: object) -> Demonstration:
        arguments.extend(settings)
        return result

    monkeypatch.setattr("striate.history.optimal_control.demo.demonstrate", remembered)
    optimal_control(out=tmp_path, flight="none", steps=9, json=True)
    assert arguments == [tmp_path, 0, 9, ()]
    assert json.loads(capsys.readouterr().out) == result.as_json()


def test_a_flight_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(SettingError) as caught:
        demonstrate(tmp_path, steps=7, fly=("kite",))
    assert str(caught.value) == "expected at least 8 steps, and flights of rocket, sail; got 7, kite."
