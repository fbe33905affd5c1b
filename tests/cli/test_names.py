"""Names of classes and files are data on every way out: terminal, JSON, CSV, page and notebook."""

import csv
from pathlib import Path

import pytest

from striate.metrics.confidence import Prediction
from support.command_line import run
from support.shape_images import draw

CLASSES = ["[red]x", "=1+1", "$x$ <b> :dog:", "a\x1b[31mb"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(CLASSES):
        (tmp_path / "named" / name / "q[").mkdir(parents=True)
        for k in range(10):
            draw("circle" if number % 2 else "square", number * 100 + k).save(tmp_path / "named" / name / "q[" / f"b]{k}.png")
    return tmp_path


@pytest.mark.report
def test_every_command_prints_names_as_they_are(folder: Path, capsys: pytest.CaptureFixture[str]):
    shown = ["[red]x", "=1+1", "$x$ <b> :dog:", r"a\x1b[31mb"]
    surveyed = run(capsys, "data", "named")
    assert surveyed.code == 0, surveyed.err
    assert all(name in surveyed.out for name in shown)
    trained = run(capsys, "train", "named", "--net", "mlp", "--epochs", "1", "--name", "r")
    assert trained.code == 0, trained.err
    evaluated = run(capsys, "evaluate", "r", "named")
    assert all(name in evaluated.out for name in shown)
    predicted = run(capsys, "predict", "r", "named")
    assert predicted.code == 0, predicted.err
    assert "q[/b]3.png" in predicted.out
    assert "\x1b" not in surveyed.out + trained.out + trained.err + evaluated.out + predicted.out
    page = Path("runs/r/report.html").read_text()
    assert "$x$ &lt;b&gt; :dog:" in page
    assert "<b> :dog:" not in page
    assert "\x1b" not in page


def test_a_spreadsheet_finds_no_formula(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run(capsys, "train", "named", "--net", "mlp", "--epochs", "1", "--name", "r", "--no-report").code == 0
    assert run(capsys, "predict", "r", "named", "--out", "rows.csv").code == 0
    with Path("rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    labels = {row["label"] for row in rows}
    assert labels <= {"[red]x", "'=1+1", "$x$ <b> :dog:", "a\x1b[31mb"}
    assert "=1+1" not in labels


def test_a_notebook_shows_names_as_text():
    assert Prediction("<b>", 1.0, None, False, None, (("<b>", 1.0),))._repr_html_() == (
        "<table><tr><th>&lt;b&gt;</th><td>100.00 %</td></tr></table>"
    )
