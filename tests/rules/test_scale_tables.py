"""The tables of `docs/scale.md` are what `bench/scale_model.py` makes of the catalogue and of `bench/scale.toml`."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from striate.nets.catalogue import CATALOGUE

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCH)
    monkeypatch.delitem(sys.modules, "scale_model", raising=False)
    import scale_model

    return scale_model


def test_the_document_has_the_tables_as_they_are_now(model: ModuleType):
    text = model.DOCUMENT.read_text("utf-8")
    assert model.renewed(text, model.read(BENCH / "scale.toml")) == text, "run python bench/scale_model.py --write"


def test_every_network_that_learns_by_gradients_has_its_row(model: ModuleType):
    rows = model.networks(model.read(BENCH / "scale.toml")).splitlines()[2:]
    expected = [entry.name for entry in CATALOGUE if entry.learns == "back-propagation" and entry.macs]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == expected


def test_sums_and_computation_are_as_worked_out_by_hand(model: ModuleType):
    assumed = model.Assumed(
        {}, {"tera_operations": 2.0, "network_gigabits": 8.0, "latency_us": 10.0}, {"batch": 5}, {}
    )  # fmt: skip
    assert assumed.compute_s(1_000_000) == pytest.approx(3 * 2 * 5e6 / 2e12)
    assert assumed.sum_s(1e9, 1) == 0
    assert assumed.sum_s(1e9, 4) == pytest.approx(1.5 + 20e-6)  # 2 x 3/4 of a GB at 1 GB/s, and twice 10 us


def test_a_document_without_a_place_for_them_is_refused(model: ModuleType):
    with pytest.raises(SystemExit, match="has no place for the tables"):
        model.renewed("# Nothing", model.read(BENCH / "scale.toml"))
