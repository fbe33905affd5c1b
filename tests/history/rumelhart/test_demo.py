"""`striate history rumelhart`, run once: what it finds, says and draws."""

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from striate.base.errors import SettingError
from striate.cli.history import rumelhart


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with redirect_stdout(StringIO()) as out:
        rumelhart(out=tmp_path_factory.mktemp("rumelhart"), json=True)
    numbers: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return numbers


def test_most_networks_learn_and_the_papers_figures_stand_beside_theirs(printed: dict[str, Any]):
    assert printed["xor_direct"]["learned"] == 20
    assert printed["xor_direct"]["paper"] == 558
    assert min(printed["xor_direct"]["sweeps"]) < 558 < max(printed["xor_direct"]["sweeps"])
    assert printed["symmetry"]["paper"] == 1425
    assert printed["symmetry"]["learned"] == sum(sweeps is not None for sweeps in printed["symmetry"]["sweeps"]) >= 10
    assert printed["symmetry"]["shown"]["ratio"] == pytest.approx([1, 2, 4], rel=0.05)
    assert min(printed["encoder"]["nearest"]) > 0.2


def test_the_families_are_learned_and_units_come_to_stand_for_nation_and_generation(printed: dict[str, Any]):
    families = printed["families"]
    assert families["facts"] == 104
    assert max(families["learned"]) >= 98
    assert len(families["held_out"]) == 4
    assert all(0 <= correct <= 4 for correct in families["held_out_correct"])
    assert max(families["held_out_correct"]) >= 2
    assert max(families["shown"]["nation"]) > 0.7
    assert max(families["shown"]["generation"]) > 0.5


def test_it_draws_three_images(printed: dict[str, Any]):
    assert [Path(file).name for file in printed["files"]] == ["learning.png", "hidden.png", "families.png"]
    assert all(Path(file).read_bytes().startswith(b"\x89PNG") for file in printed["files"])
    assert "lines" not in printed


def test_a_seed_below_zero_is_refused(tmp_path: Path):
    with pytest.raises(SettingError, match=r"expected a seed of 0 or more; got -1\."):
        rumelhart(out=tmp_path, seed=-1)
    assert list(tmp_path.iterdir()) == []
