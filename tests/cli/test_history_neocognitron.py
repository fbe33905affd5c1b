import json
from pathlib import Path

import pytest

from striate.cli.history import neocognitron
from striate.history.demonstration import Demonstration
from striate.history.neocognitron import demo as demonstration

RESULT = Demonstration({"n": 1}, ["one thing", "another [thing]"], [Path("out/a.png")])


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    calls: list[dict[str, object]] = []

    def demonstrate(out: Path, **settings: object) -> Demonstration:
        settings.pop("watch")
        calls.append({"out": out, **settings})
        return RESULT

    monkeypatch.setattr(demonstration, "demonstrate", demonstrate)
    return calls


def test_people_get_sentences(calls: list[dict[str, object]], capsys: pytest.CaptureFixture[str]):
    neocognitron()
    assert capsys.readouterr().out.splitlines() == ["one thing", "another [thing]", "drawn: out/a.png"]
    assert calls == [
        {"out": Path("striate-history-neocognitron"), "seed": 0, "image": None, "mnist": 0, "data_dir": None},
    ]


def test_programs_get_one_object(calls: list[dict[str, object]], capsys: pytest.CaptureFixture[str]):
    neocognitron(Path("digit.png"), out=Path("there"), seed=4, mnist=500, data_dir="data", json=True)
    assert json.loads(capsys.readouterr().out) == {"n": 1, "files": ["out/a.png"]}  # lines are for people
    assert calls == [{"out": Path("there"), "seed": 4, "image": Path("digit.png"), "mnist": 500, "data_dir": "data"}]
