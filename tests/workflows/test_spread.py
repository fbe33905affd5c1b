"""Folds, strategies and trials by the workers of a Ray cluster: the weights of one process, and a killed worker costs none."""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import striate
from striate.base import files
from striate.base.errors import SettingError
from striate.workflows import cluster, spread
from support import ray_cluster
from support.in_ray_workers import failing
from support.ray_processes import beside, title

pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray's own

NET = "pool 4, fc"


@pytest.fixture(scope="module")
def one_cluster() -> Iterator[cluster.Cluster]:
    with ray_cluster.started() as connection:
        yield connection


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def fold_weights(name: str) -> dict[str, str]:
    """The SHA-256 of the weights of each fold of a run."""
    return {
        path.parent.name: json.loads(path.read_text())["weights_sha256"]
        for path in Path("runs", name).glob("folds/*/result.json")
    }


@pytest.mark.soak
def test_folds_have_the_weights_of_one_process(one_cluster: cluster.Cluster, caplog: pytest.LogCaptureFixture):
    for name, address in (("here", None), ("there", "local")):
        caplog.clear()
        result = striate.train(
            "digits", net=NET, epochs=1, folds=2, name=name, ray_address=address, weights="none", report=False
        )
        assert len(fold_weights(name)) == 2
        assert len(result["folds"]) == 2
    assert fold_weights("here") == fold_weights("there")
    assert json.loads(Path("runs/here/result.json").read_text())["weights_sha256"] == result["weights_sha256"]


@pytest.mark.soak
def test_a_fold_whose_worker_is_killed_goes_on_to_the_same_weights(one_cluster: cluster.Cluster):
    arguments: dict[str, Any] = {"net": "conv 3x3x8, relu, pool 2, fc", "epochs": 12, "folds": 2, "weights": "none"}
    arguments |= {"report": False, "settings": {"train": {"checkpoint_minutes": 0.001}}}
    striate.train("digits", **arguments, name="here")
    killed: list[int] = []
    killer = threading.Thread(target=kill_a_worker, args=(Path("runs/there/folds").resolve(), killed))
    killer.start()
    striate.train("digits", **arguments, name="there", ray_address="local")
    killer.join()
    assert killed
    assert fold_weights("here") == fold_weights("there")


def kill_a_worker(folds: Path, killed: list[int]) -> None:
    deadline = time.monotonic() + 300
    while not list(folds.glob("*/checkpoints/*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in beside(os.getpid()):
        if title(process).startswith("ray::_called"):
            os.kill(process, signal.SIGKILL)
            killed.append(process)
            return


@pytest.mark.soak
def test_strategies_have_the_weights_of_one_process(one_cluster: cluster.Cluster):
    striate.train("digits", net=NET, epochs=1, name="first", weights="none", report=False)
    short = {name: {"epochs": 1} for name in ("adapt", "retrain", "scratch")}
    for name, address in (("here", None), ("there", "local")):
        striate.finetune(
            "digits", weights="first", strategies="all", name=name, ray_address=address, report=False,
            settings={"finetune": short},
        )  # fmt: skip
    assert len(model_weights("here")) == 4
    assert model_weights("here") == model_weights("there")


def model_weights(name: str) -> dict[str, str]:
    return {
        str(path.relative_to(f"runs/{name}")): files.sha256(path)
        for path in sorted(Path(f"runs/{name}").glob("strategies/*/model/weights.safetensors"))
    }


def test_one_training_is_not_spread(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "find_spec", lambda _: True)
    expected = r"^ray_address=local applies to folds, and to several strategies of a fine-tuning; this run has one training\."
    with pytest.raises(SettingError, match=expected):
        striate.train("digits", net=NET, epochs=1, name="one", weights="none", ray_address="local")
    with pytest.raises(SettingError, match="expected ray_address as local, auto or HOST:PORT; got 'x'"):
        striate.train("digits", net=NET, folds=2, name="two", weights="none", ray_address="x")


@pytest.mark.soak
def test_a_training_that_fails_is_left_to_whoever_goes_through_them(
    one_cluster: cluster.Cluster, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "striate")
    with spread.over("local"):
        spread.run([spread.Call("Round 1, trial 0", failing, ("no such thing",))], lambda: None)
    assert re.search(r"Round 1, trial 0: on the machine \S+ \([\d.]+\): no such thing", caplog.text)
