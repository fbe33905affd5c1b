from pathlib import Path

import pytest

from support.command_line import run
from support.shape_images import make_folder
from support.undrawn import undrawn

QUICK = ("--net", "conv 3x3x4, relu, pool 4, fc", "--set", "preprocess.size_px=16")


@pytest.fixture(autouse=True)
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_folder(tmp_path / "photos", each=40)


def test_a_range_test_proposes_a_rate_draws_it_and_saves_no_run(capsys: pytest.CaptureFixture[str]):
    found = run(capsys, "train", "photos", *QUICK, "--find-lr", "--json")
    assert found.code == 0, found.err
    told = found.json
    assert {"net", "rates", "losses", "proposal", "drawn"} <= set(told)
    assert len(told["rates"]) == len(told["losses"]) <= 55
    assert (told["drawn"], told["lr"]) == ("find-lr.svg", 0.003)
    assert sorted(path.name for path in Path().iterdir()) == ["find-lr.svg", "photos"]
    again = run(capsys, "train", "photos", *QUICK, "--find-lr", "--draw", "other.png")
    assert again.code == 0
    assert "drawn: other.png" in again.out
    assert f"the same command with --set train.lr={told['proposal']:g} in place of --find-lr trains with it" in again.out
    assert Path("other.png").exists()


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (("--find-lr", "--name", "x"), "--name does not apply with --find-lr; leave it out."),
        (("--find-lr", "--folds", "3"), "--folds does not apply with --find-lr; leave it out."),
        (("--find-lr", "--draw", "x.gif"), "expected an image's path to end in .svg, .png, .pdf; got x.gif."),
        (("--draw", "x.png"), "--draw does not apply without --find-lr; leave it out."),
        (("--other-processes",), "--other-processes does not apply without --resume; leave it out."),
        (("--find-lr", "--other-processes"), "--other-processes does not apply with --find-lr; leave it out."),
        (("--find-lr", "--set", "data.folds=3"), "data.folds does not apply to the range test"),
    ],
)
def test_flags_that_do_not_fit_are_refused(flags: tuple[str, ...], text: str, capsys: pytest.CaptureFixture[str]):
    done = run(capsys, "train", "photos", *QUICK, *flags)
    assert done.code == 2
    assert text in done.err


def test_the_weights_of_a_run_are_told_and_drawn(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    undrawn(monkeypatch)
    assert run(capsys, "train", "photos", *QUICK, "--epochs", "1", "--name", "first").code == 0
    told = run(capsys, "runs", "first", "--weights", "w.svg", "--json").json
    assert [row["layer"] for row in told["start"]] == [row["layer"] for row in told["end"]] == ["conv1", "fc1"]
    assert told["start"] != told["end"]
    assert Path("w.svg").exists()
    Path("runs/first/result.json").unlink()
    assert run(capsys, "train", "--name", "first", "--resume").code == 0
    events = Path("runs/first/journal.jsonl").read_text().count('"event": "weights"')
    assert events == 2
    assert "within ±0.2" in run(capsys, "runs", "first").out


def test_weights_without_a_run_are_refused(capsys: pytest.CaptureFixture[str]):
    done = run(capsys, "runs", "--weights", "w.svg")
    assert done.code == 2
    assert "--weights applies to one run; got no RUN. Write `striate runs RUN --weights w.svg`." in done.err
