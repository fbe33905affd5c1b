from pathlib import Path
from typing import Any

import pytest

from striate.history.timeline import demo
from striate.nets import catalogue


def test_the_line_goes_from_1943_to_2015_and_every_name_is_known():
    years = [station.year for station in demo.LINE]
    assert years == sorted(years)
    assert (years[0], years[-1]) == (1943, 2015)
    historical = {network.name: network for network in catalogue.HISTORICAL}
    assert {*historical} <= {station.name for station in demo.LINE}
    for station in demo.LINE:
        known = historical.get(station.name) or catalogue.find(station.name)
        assert known.year == station.year
        assert (station.settings is None) == (station.name in historical)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    stations = [station for station in demo.LINE if station.name in ("mcculloch_pitts", "gmdh", "lecun1989", "resnet20")]
    short = {"train": {"epochs": 1}}
    quick = [row._replace(settings=short) if row.name == "lecun1989" else row for row in stations]
    monkeypatch.setattr(demo, "LINE", tuple(quick))


def test_what_learns_is_trained_once_and_what_does_not_says_why(short: None, tmp_path: Path):
    result = demo.demonstrate(tmp_path)
    rows: dict[str, Any] = {row["name"]: row for row in result.numbers["stations"]}
    assert rows["mcculloch_pitts"]["test"] is rows["resnet20"]["test"] is None
    assert rows["gmdh"]["test"]["n"] == rows["lecun1989"]["test"]["n"] == 359
    assert rows["gmdh"]["test"]["accuracy"] > 0.8
    assert rows["lecun1989"]["epochs"] == 1
    assert result.lines[0].startswith("1943  mcculloch_pitts  a network of all-or-none units")
    assert result.lines[3].endswith("; not trained here, --all does")
    assert (tmp_path / "timeline.png").stat().st_size > 10_000
    saved = (tmp_path / "runs" / "gmdh" / "model" / "weights.safetensors").stat().st_mtime_ns
    again = demo.demonstrate(tmp_path)
    assert again.numbers["stations"] == result.numbers["stations"]
    assert (tmp_path / "runs" / "gmdh" / "model" / "weights.safetensors").stat().st_mtime_ns == saved
