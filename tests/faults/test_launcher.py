"""The launcher of several processes dies: none of them lives on, and what they had done is kept."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from support.marked_processes import MARK, WAIT_SECONDS, none_lives, processes
from support.shape_images import make_folder

if not Path("/proc/self/environ").is_file():
    pytest.skip("needs /proc", allow_module_level=True)

# A rank that waits in C, where no handler of Python's runs, or in Python; it says so, and its launcher is killed
RANK = """
import os, sys, time
from striate import __main__ as program
import striate.cli.main
program._GRACE_SECONDS = 0.2

def wait():
    print("waiting", flush=True)
    while {stuck}:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            pass
    time.sleep(600)

striate.cli.main.main = wait
program.run()
"""
LAUNCHER = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


@pytest.mark.parametrize("stuck", [False, True])
def test_a_rank_whose_launcher_is_killed_ends_also_where_it_is_stuck(stuck: bool):
    trial = uuid.uuid4().hex
    environment = {**os.environ, MARK: trial, "WORLD_SIZE": "2", "RANK": "0"}
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, RANK.format(stuck=stuck)], stdout=subprocess.PIPE, env=environment, text=True
    )
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == "waiting\n"
    assert len(processes(trial)) == 2
    launcher.kill()
    launcher.wait()
    assert none_lives(trial)
    launcher.stdout.close()


def test_a_process_without_a_launcher_watches_none():
    script = (
        "import threading, striate.cli.main as c; from striate import __main__ as p\nc.main = threading.active_count\np.run()"
    )
    alone = {name: value for name, value in os.environ.items() if name != "WORLD_SIZE"}
    assert subprocess.run([sys.executable, "-c", script], env=alone).returncode == 1
    assert subprocess.run([sys.executable, "-c", script], env={**alone, "WORLD_SIZE": "2"}).returncode == 2


# ---- make soak: torchrun

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "striate", "train"]
SETTINGS = ("--net", "conv 3x3x8, bn, relu, pool 2, fc", "--epochs", "60", "--set", "preprocess.size_px=16", "--no-report")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("launched")
    make_folder(folder / "photos", each=20)
    return folder


def train(place: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run([*TORCHRUN, *arguments, "--json"], cwd=place, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.fixture(scope="module")
def expected(place: Path) -> str:
    digest: str = train(place, "photos", *SETTINGS, "--name", "whole")["weights_sha256"]
    return digest


# When it dies, by what the journal holds by then, or at once; and who of those that are there
@pytest.mark.soak
@pytest.mark.parametrize(
    ("victim", "moment"),
    [
        ("launcher", ""), ("launcher", '"event": "start"'), ("launcher", '"epoch": 3'), ("launcher", '"epoch": 40'),
        ("rank", '"epoch": 3'), ("group", '"epoch": 3'),
    ],
)  # fmt: skip
def test_whoever_is_killed_no_process_lives_on_and_the_run_is_resumed(moment: str, victim: str, place: Path, expected: str):
    trial = uuid.uuid4().hex
    name = f"{victim}-{len(moment)}-{moment[-2:].strip()}"
    launcher = subprocess.Popen(
        [*TORCHRUN, "photos", *SETTINGS, "--name", name], cwd=place, env={**os.environ, MARK: trial},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    journal = place / "runs" / name / "journal.jsonl"
    while len(processes(trial)) < 3 or (moment and not (journal.exists() and moment in journal.read_text())):
        assert launcher.poll() is None
        time.sleep(0.01)
    ranks = sorted(processes(trial) - {launcher.pid})
    for pid in {"launcher": [launcher.pid], "rank": ranks[:1], "group": [launcher.pid, *ranks]}[victim]:
        os.kill(pid, signal.SIGKILL)
    launcher.wait(WAIT_SECONDS)
    assert none_lives(trial)
    if moment and victim == "launcher":
        assert '"event": "stopped"' in journal.read_text().splitlines()[-1]
    begun = (place / "runs" / name / "run.toml").exists()
    again = ("--name", name, "--resume") if begun else ("photos", *SETTINGS, "--name", name)
    assert train(place, *again)["weights_sha256"] == expected
