import json
from pathlib import Path

import pytest

from striate.metrics import trust_findings
from support.brief_reports import brief
from support.command_line import run
from support.shape_images import make_folder
from support.undrawn import undrawn


@pytest.mark.report
def test_train_names_the_report_and_report_writes_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    brief(monkeypatch)
    undrawn(monkeypatch)  # tests/workflows/report draws the figures
    make_folder(Path("photos"), 10)
    net = "conv 3x3x4, relu, pool 2, fc 3"
    ran = run(capsys, "train", "photos", "--net", net, "--epochs", "1", "--name", "a")
    assert ran.code == 0
    assert ran.out.splitlines()[-2] == "report: runs/a/report.html"
    assert ran.out.splitlines()[-1].startswith(tuple(trust_findings.SENTENCES.values()))  # the verdict of the report
    Path("runs/a/report.html").unlink()
    ran = run(capsys, "report", "a")
    assert ran.code == 0
    assert ran.out.splitlines()[-1].startswith("runs/a/report.html (0.")
    assert "  warning: Accuracy is uncertain: " in ran.out
    told = json.loads(run(capsys, "report", "a", "--json").out)
    assert told["report"] == "runs/a/report.html"
    assert told["state"] == "done"
    ran = run(capsys, "train", "photos", "--net", net, "--epochs", "1", "--name", "b", "--no-report")
    *_, named, verdict = ran.out.splitlines()
    assert named == "no report; `striate report runs/b` writes it, with the findings that need the network"
    assert verdict.startswith(tuple(trust_findings.SENTENCES.values()))
    assert not Path("runs/b/report.html").exists()


def test_a_run_that_is_not_there_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    ran = run(capsys, "report", "nothing")
    assert ran.code == 2
    assert "there is none at nothing or runs/nothing" in ran.err
