"""Runs ranked, filtered and deleted."""

import os
import re
from pathlib import Path

import pytest

import striate
from striate.base import files
from striate.base.errors import RunError, SettingError
from support.command_line import run
from support.tested_runs import write

FOUR = {"ids": [1, 2, 3, 4], "labels": [0, 0, 0, 1], "hashes": [11, 12, 13, 14]}
OTHER = {**FOUR, "hashes": [21, 22, 23, 24]}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs a (0.75), b (1.0), and c (0.5) of another network on other images."""
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "runs"
    write(out / "a", FOUR, [0, 0, 0, 0])
    write(out / "b", FOUR, [0, 0, 0, 1])
    write(out / "c", OTHER, [0, 0, 1, 0], data={"path": "there/photos"}, net={"name": "lenet5"})
    return out


def names(**how: str) -> list[str]:
    return [row.name for row in striate.list_runs(**how)]


def test_runs_are_ranked_by_test_scores_within_each_test_set(runs: Path):
    assert names() == ["a", "b", "c"]
    assert names(sort="test") == names(sort="macro-f1") == ["b", "a", "c"]
    a, b, c = striate.list_runs()
    assert a.macro_f1 == pytest.approx((6 / 7 + 0) / 2)  # all are said to be the first class: F1 2 * 3 / (4 + 3), and 0
    assert a.test_set == b.test_set != c.test_set
    assert (a.seconds, a.state, a.val) == (2.0, "done", None)
    write(runs / "d", OTHER, [0, 0, 0, 1])
    write(runs / "e", OTHER, [0, 0, 0, 0])
    assert names(sort="test") == ["d", "e", "c", "b", "a"]  # the test set of three runs first


def test_runs_are_filtered_by_name_data_network_and_time(runs: Path):
    assert names(name="[ab]") == ["a", "b"]
    assert names(data="photos") == names(data="there/*") == names(net="lenet*") == ["c"]
    os.utime(runs / "b" / "run.toml", (0, 0))
    assert names(since="2000-01-01") == ["a", "c"]
    assert names(sort="began")[0] == "b"
    with pytest.raises(SettingError, match="expected a day or a time for since, as 2026-11-28"):
        names(since="yesterday")
    with pytest.raises(SettingError, match="expected name, test, val, macro-f1, seconds, size, began as sort; got 'best'"):
        names(sort="best")


def test_the_list_says_that_test_sets_differ_and_damage_is_shown(runs: Path, capsys: pytest.CaptureFixture[str]):
    assert run(capsys, "runs").out.splitlines()[-1] == (
        "They were tested on 2 test sets; scores on different images do not rank. --sort test lists each set apart."
    )
    out = run(capsys, "runs", "--sort", "test").out
    assert len(re.findall(r"test set [0-9a-f]{6}: 4 images", out)) == 2
    assert "test sets" not in run(capsys, "runs", "--name", "[ab]").out
    assert run(capsys, "runs", "--net", "vgg*").out == "No runs in runs are like that; `striate runs` lists them all.\n"
    (runs / "a" / "predictions-test.npz").write_bytes(b"changed")
    ran = run(capsys, "runs", "--json")
    assert [row["state"] for row in ran.json["runs"]] == ["damaged", "done", "done"]
    assert "a: " in ran.err


def test_runs_are_deleted_for_good_and_nothing_else(runs: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    (runs / "a" / "link").symlink_to(outside)
    ran = run(capsys, "runs", "--delete", "a")
    assert ran.code == 2
    assert "there is no terminal to ask at whether to delete runs/a; add --yes" in ran.err
    assert (runs / "a").exists()
    ran = run(capsys, "runs", "--delete", "a", "--yes", "--json")
    assert [row["run"] for row in ran.json["deleted"]] == ["runs/a"]
    assert not (runs / "a").exists()
    assert (outside / "precious").exists()
    assert (runs / "b" / "run.toml").exists()


def test_half_a_deleted_run_is_no_run_and_can_be_deleted(runs: Path):
    (runs / "a" / "run.toml").unlink()
    assert names() == ["b", "c"]
    striate.delete_runs("a")
    assert not (runs / "a").exists()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("plain", "expected a run at runs/plain; there is none, so nothing is deleted"),
        ("gone", "expected a run at runs/gone; there is none"),
        ("../outside", "expected the name of a run in runs, without a path"),
        ("..", "expected the name of a run in runs, without a path"),
        ("link", "runs/link is a link to "),
    ],
)
def test_what_is_no_run_is_not_deleted_and_then_nothing_is(runs: Path, name: str, why: str):
    (runs / "plain").mkdir()
    (runs / "link").symlink_to(runs / "b")
    with pytest.raises(RunError, match=why):
        striate.delete_runs("a", name)
    assert (runs / "a").exists()
    assert (runs / "plain").exists()
    assert not (runs / "gone").exists()


def test_a_run_in_use_is_not_deleted(runs: Path):
    with files.lock(runs / "a"), pytest.raises(RunError, match="is in use by another process"):
        striate.delete_runs("b", "a")
    assert (runs / "b").exists()


@pytest.mark.parametrize(("answer", "left"), [("y\n", False), ("\n", True), ("no\n", True)])
def test_on_a_terminal_it_asks_first(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, answer: str, left: bool
):
    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return answer

    monkeypatch.setattr("sys.stdin", Terminal())
    ran = run(capsys, "runs", "--delete", "a")
    assert ran.code == 0
    assert "Delete runs/a for good? [y/N]" in ran.err
    assert (runs / "a").exists() == left
