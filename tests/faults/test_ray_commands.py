"""A search and the folds of a fine-tuning on a Ray cluster that `ray start` began: a killed worker and Ctrl-C cost nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import marked_processes, ray_cluster
from support.ray_processes import title

pytestmark = pytest.mark.soak

FOLDS = (
    "finetune", "digits", "--from", "first", "--strategy", "retrain", "--folds", "2", "--set", "finetune.adapt.epochs=1",
    "--set", "finetune.retrain.epochs=20", "--set", "finetune.retrain.checkpoint_minutes=0.001",
    "--set", "finetune.retrain.early_stop=false",
)  # fmt: skip
SEARCH = (
    "tune", "digits", "--weights", "first", "--trials", "5", "--vary", "finetune.normalize=standardize|l2",
    "--vary", "data.near_duplicates=true|false",
)  # fmt: skip
TIMES = ("seconds", "wall_seconds", "images_per_second", "run", "drawn")


class Place:
    """A folder with a first run, a cluster, and what both commands give without it."""

    def __init__(self, folder: Path, address: str, environment: dict[str, str]) -> None:
        self.folder, self.address, self.environment = folder, address, environment
        self.command("train", "digits", "--net", "pool 4, fc", "--epochs", "1", "--weights", "none", "--name", "first")
        self.alone = {words: self.command(*words, "--name", f"{words[0]}-alone") for words in (FOLDS, SEARCH)}

    def start(self, *words: str, mark: str = "") -> "subprocess.Popen[str]":
        """One of them, begun."""
        command = [sys.executable, "-m", "striate", *words, "--no-report", "--json"]
        environment = {**self.environment, marked_processes.MARK: mark}
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def command(self, *words: str) -> Any:
        """What it prints, without times and names."""
        return self.result(self.start(*words))

    @staticmethod
    def result(process: "subprocess.Popen[str]") -> Any:
        """The same of one that was begun."""
        out, said = process.communicate(timeout=600)
        assert process.returncode == 0, said
        return without_times(json.loads(out.splitlines()[-1]))


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_times(inner) for name, inner in value.items() if name not in TIMES}
    return [without_times(inner) for inner in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("ray")
    with ray_cluster.begun(folder) as (address, environment):
        yield Place(folder, address, environment)


def trainings() -> list[int]:
    """The workers that train, of whichever cluster."""
    folders = [folder for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    return [int(folder.name) for folder in folders if title(int(folder.name)).startswith("ray::_called")]


def wait_until(done: Callable[[], object], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 300
    while not done():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def begun(folder: Path, words: tuple[str, ...], name: str) -> Callable[[], object]:
    """Whether a fold has a checkpoint, or a trial is trained."""
    if words is FOLDS:
        return lambda: list((folder / "runs" / name).glob("folds/*/retrain/checkpoints/*")) and trainings()
    return lambda: list((folder / "runs").glob(f"{name}-tuning/*/result.json")) and trainings()


@pytest.mark.parametrize("words", [FOLDS, SEARCH], ids=["folds", "search"])
def test_a_worker_that_is_killed_costs_no_training(place: Place, words: tuple[str, ...]):
    name = f"{words[0]}-killed"
    process = place.start(*words, "--name", name, "--ray-address", place.address)
    wait_until(begun(place.folder, words, name), process)
    os.kill(trainings()[0], signal.SIGKILL)
    assert place.result(process) == place.alone[words]


@pytest.mark.parametrize("words", [FOLDS, SEARCH], ids=["folds", "search"])
def test_a_command_that_is_interrupted_ends_its_trainings_and_is_resumed(place: Place, words: tuple[str, ...]):
    name = f"{words[0]}-stopped"
    process = place.start(*words, "--name", name, "--ray-address", "auto", mark=name)
    wait_until(begun(place.folder, words, name), process)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 75, said
    assert "--resume" in said
    assert marked_processes.none_lives(name, seconds=30)
    deadline = time.monotonic() + 30
    while trainings() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not trainings()
    resumed = place.command(words[0], "--name", name, "--resume", "--ray-address", place.address)
    assert resumed == place.alone[words]
