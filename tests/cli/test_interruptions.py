"""Stopped from outside, as a whole process, by a signal or by kill -9: what this process resumes ends with the same bytes."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stdout
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from striate.cli.main import main
from support import forked_command
from support.shape_images import make_folder

SETTINGS = ("--net", "conv 3x3x16, bn, relu, pool 2, fc", "--epochs", "24", "--set", "preprocess.size_px=24", "--json")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "striate", *arguments, "--no-report"]


def begun(name: str) -> tuple[str, ...]:
    return ("train", "photos", *SETTINGS, "--name", name, "--no-report")


def result_of(process: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert process.returncode == 0, process.stderr
    found: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return found


def finish(*arguments: str) -> dict[str, Any]:
    with redirect_stdout(io.StringIO()) as out:
        assert main([*arguments, "--no-report"]) == 0
    result: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return result


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interrupted")
    make_folder(folder / "photos", each=30)
    return folder


@pytest.fixture(scope="module")
def expected(place: Path) -> str:
    before = Path.cwd()
    os.chdir(place)
    try:
        digest: str = finish("train", "photos", *SETTINGS, "--name", "whole")["weights_sha256"]
    finally:
        os.chdir(before)
    return digest


def begin(name: str, until: str) -> BaseProcess:
    """Start a run, and come back when its journal holds `until`; what it says is in `NAME.err`."""
    process = forked_command.begin(begun(name), Path(f"{name}.out"), Path(f"{name}.err"))
    journal = Path("runs") / name / "journal.jsonl"
    for _ in range(60_000):
        if journal.exists() and until in journal.read_text():
            return process
        assert process.is_alive(), Path(f"{name}.err").read_text()
        time.sleep(0.01)
    raise TimeoutError(until)


def test_sigterm_ends_in_a_checkpoint_and_exit_75(place: Path, expected: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(place)
    process = begin("stopped", '"epoch": 3')
    process.terminate()
    process.join(300)
    assert process.exitcode == 75
    err = Path("stopped.err").read_text()
    assert "striate: Stopped by SIGTERM after step" in err
    assert "the checkpoint is written. Resume with --resume." in err
    assert json.loads(Path("runs/stopped/journal.jsonl").read_text().splitlines()[-1])["event"] == "stopped"
    assert finish("train", "--name", "stopped", "--resume", "--json")["weights_sha256"] == expected


def test_kill_9_costs_no_more_than_the_steps_since_the_last_checkpoint(
    place: Path, expected: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(place)
    process = begin("killed", '"epoch": 5')
    process.kill()
    process.join(300)
    assert process.exitcode == -signal.SIGKILL
    assert finish("train", "photos", "--name", "killed", "--resume", "--json")["weights_sha256"] == expected
    events = [json.loads(line) for line in Path("runs/killed/journal.jsonl").read_text().splitlines()]
    resumed = next(event["step"] for event in events if event["event"] == "resumed")
    assert resumed > 0
    again = finish("train", "--name", "killed", "--resume", "--json")
    assert again["weights_sha256"] == expected, "a finished run gives its result again"


@pytest.mark.soak
@pytest.mark.parametrize("moment", range(12))
def test_kill_9_at_any_moment(place: Path, expected: str, monkeypatch: pytest.MonkeyPatch, moment: int):
    monkeypatch.chdir(place)
    name = f"moment-{moment}"
    process = subprocess.Popen(command("train", "photos", *SETTINGS, "--name", name), stderr=subprocess.DEVNULL)
    time.sleep(1.0 + moment * 0.45)
    process.kill()
    process.communicate()
    begun = (Path("runs") / name / "run.toml").exists()
    arguments = ("--name", name, "--resume", "--json") if begun else (*SETTINGS, "--name", name)
    assert finish("train", "photos", *arguments)["weights_sha256"] == expected


@pytest.mark.soak
def test_two_processes_stop_together_and_go_on(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(place)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "striate"]
    whole = subprocess.run([*launcher, "train", "photos", *SETTINGS, "--name", "two"], capture_output=True, text=True)
    digest = result_of(whole)["weights_sha256"]
    process = subprocess.Popen(
        [*launcher, "train", "photos", *SETTINGS, "--name", "two-stopped"], stderr=subprocess.PIPE, text=True
    )
    journal = Path("runs/two-stopped/journal.jsonl")
    while not (journal.exists() and '"epoch": 3' in journal.read_text()):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=300)
    assert process.returncode != 0
    assert json.loads(journal.read_text().splitlines()[-1])["event"] == "stopped"
    again = subprocess.run([*launcher, "train", "--name", "two-stopped", "--resume", "--json"], capture_output=True, text=True)
    assert result_of(again)["weights_sha256"] == digest
