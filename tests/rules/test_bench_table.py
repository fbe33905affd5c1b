"""The table at the top of `bench/README.md` is what `bench/table.py` makes of the rows that the benches printed."""

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """`bench/table.py` with a document of its own and the rows that are kept."""
    monkeypatch.syspath_prepend(BENCH)
    for name in ("rows", "table"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import table

    kept = tmp_path / "results"
    kept.mkdir()
    for path in table.KEPT.glob("*.json"):
        (kept / path.name).write_bytes(path.read_bytes())
    readme = tmp_path / "README.md"
    readme.write_text(f"# Before\n\n{table.BEGIN}stale table\n{table.END}\n## After\n")
    monkeypatch.setattr(table, "KEPT", kept)
    monkeypatch.setattr(table, "README", readme)
    return table


def test_the_table_of_the_document_is_that_of_the_kept_rows(made: ModuleType):
    text = (BENCH / "README.md").read_text("utf-8")
    assert made.renewed(text) == text, "run python bench/table.py"


def test_every_kept_row_has_its_place_and_names_a_bench_that_is_there(made: ModuleType):
    assert sorted(made.JOBS) == sorted(path.stem for path in (BENCH / "results").iterdir())
    for row in made.kept():
        assert all(row), row
        script = next((word for word in row.command.split() if word.startswith("bench/")), "bench/table.py")
        assert (BENCH.parent / script).is_file(), row.command


def test_a_printed_row_takes_the_place_of_the_one_before(made: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    import rows

    row = made.kept()[2]._replace(figure=f"{rows.spread([3.0, 1.0, 2.5], 1)} times")
    rows.show(row)
    output = tmp_path / "output.txt"
    output.write_text(f"warming up\n{capsys.readouterr().out}done\n")
    made.main([str(output)])
    text = made.README.read_text()
    assert f"| {row.job} | {row.mark} | 2.5 (1.0 to 3.0) times |" in text
    assert "stale table" not in text
    assert text.startswith("# Before\n")
    assert text.endswith("\n\n## After\n")
    assert json.loads((made.KEPT / f"{row.key}.json").read_text("utf-8"))["figure"] == row.figure


def test_output_without_a_row_and_an_unknown_job_are_refused(made: ModuleType, tmp_path: Path):
    output = tmp_path / "output.txt"
    output.write_text("nothing\n")
    with pytest.raises(SystemExit, match="has no row of a job"):
        made.main([str(output)])
    with pytest.raises(SystemExit, match=r"expected a job of mnist, .*; got other"):
        made.keep(made.kept()[0]._replace(key="other"))
