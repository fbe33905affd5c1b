"""A run whose pixels are not kept ends with the same weights as one from the store, also when it was stopped on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from striate.base.errors import DataError, Interrupted
from striate.workflows.train.run import run_in
from support import forked_children, forked_command
from support.command_line import run
from support.shape_images import make_folder

NET = "conv 3x3x8, bn, relu, pool 2, fc"
SETTINGS: dict[str, Any] = {
    "data": {"path": "photos"}, "net": {"name": NET, "init": "whitening"},
    "preprocess": {"size_px": 16}, "augment": {"rotate": 10, "mixup": 0.2, "random_erasing": 0.3},
    "train": {"epochs": 2, "batch_size": 16},
}  # fmt: skip


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    return make_folder(tmp_path / "photos", each=16)


def train(name: str, resume: bool = False, watch: Any = lambda _event: None, **more: Any) -> dict[str, Any]:
    settings = {} if resume else {**SETTINGS, **more}
    return run_in(Path("runs"), name, settings, resume, watch)


def streaming(workers: int) -> dict[str, Any]:
    return {"preprocess": {"size_px": 16, "pixel_cache_gb": 0}, "engine": {"workers": workers}}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run of the same images from the store ends with."""
    folder = tmp_path_factory.mktemp("kept")
    make_folder(folder / "photos", each=16)
    (folder / "photos" / "circle" / "bad.png").write_bytes(b"no image")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("STRIATE_CACHE", str(folder / "cache"))
        result = train("kept")
    assert list(folder.glob("cache/pixels/*/pixels.npy"))
    return {**result, "data_sha256": data_sha256(folder / "runs" / "kept")}


def data_sha256(run: Path) -> str:
    found: str = json.loads((run / "environment.json").read_text())["data_sha256"]
    return found


def decoders(parent: int) -> list[str]:
    found = subprocess.run(["ps", "--no-headers", "-o", "pid,args", "--ppid", str(parent)], capture_output=True, text=True)
    return [line.split()[0] for line in found.stdout.splitlines() if "striate.base.child_process" in line]


def test_the_weights_are_the_same(photos: Path, kept: dict[str, Any]):
    (photos / "circle" / "bad.png").write_bytes(b"no image")
    found = train("found", **streaming(2))
    assert not list(Path("cache").glob("**/pixels.npy"))
    assert found["weights_sha256"] == kept["weights_sha256"]
    assert found["test"] == kept["test"]
    assert found["quarantined"] == kept["quarantined"] == 1
    assert data_sha256(Path("runs/found")) == kept["data_sha256"]


@pytest.mark.children
@pytest.mark.parametrize("are_forks", [True, pytest.param(False, marks=pytest.mark.soak)], ids=["forks", "programs"])
def test_stopped_and_resumed_it_is_the_same(
    are_forks: bool, photos: Path, kept: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    forked = Mock(wraps=forked_children.Fork)
    if are_forks:
        forked_children.forked_children(monkeypatch)
        monkeypatch.setattr(forked_children, "Fork", forked)
    before = forked_children.ALIVE | {*decoders(os.getpid())}

    def stop_at_4(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["step"] == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted) as stopped:
        train("stopped", watch=stop_at_4, **streaming(1))
    assert forked.called == are_forks
    assert before >= forked_children.ALIVE | {*decoders(os.getpid())}, "while the error and its frames are held"
    assert "after step 4" in str(stopped.value)
    resumed = train("stopped", resume=True)
    assert resumed["weights_sha256"] == kept["weights_sha256"]
    assert before >= forked_children.ALIVE | {*decoders(os.getpid())}


def test_folds_are_read_as_they_are_needed_too(photos: Path):
    data, short = {"path": "photos", "folds": 2}, {"steps": 2, "batch_size": 16}
    kept = train("kept", data=data, train=short)
    found = train("found", data=data, train=short, **streaming(1))
    assert found["weights_sha256"] == kept["weights_sha256"]
    assert found["test"] == kept["test"]


def test_a_image_that_goes_while_it_trains_ends_the_run_by_name(photos: Path):
    def remove(event: dict[str, Any]) -> None:
        if event["event"] == "epoch":
            for path in (photos / "square").iterdir():
                path.write_bytes(b"")

    with pytest.raises(DataError, match=r"photos/square/\d+.png has changed since this run first decoded it: it cannot be "):
        train("gone", watch=remove, **streaming(1))


def test_the_flag_of_the_command_line(photos: Path, capsys: pytest.CaptureFixture[str]):
    arguments = (
        "train",
        "photos",
        "--net",
        NET,
        "--epochs",
        1,
        "--set",
        "preprocess.size_px=16",
        "--pixel-cache-gb",
        "0",
        "--json",
    )
    found = run(capsys, *arguments)
    assert found.code == 0, found.err
    assert "and 0 GB may be kept (preprocess.pixel_cache_gb), so they are not: each epoch decodes them anew" in found.err
    assert "pixel_cache_gb = 0" in Path(found.json["run"], "run.toml").read_text()
    refused = run(capsys, *arguments[:-2], "-1")
    assert (refused.code, "preprocess.pixel_cache_gb: input should be greater than or equal to 0; got -1" in refused.err) == (
        2,
        True,
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux: the kernel ends the children")
@pytest.mark.children
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.soak)])
def test_no_process_outlives_a_run_that_is_stopped(photos: Path, number: int):
    words = ("train", "photos", "--net", NET, "--epochs", "60", "--set", "preprocess.size_px=16", "--pixel-cache-gb", "0")
    more = ("--set", "engine.workers=2", "--name", "stopped")
    process = forked_command.begin((*words, *more), Path("out.txt"), Path("err.txt"))
    journal, seen = Path("runs/stopped/journal.jsonl"), []
    while not (seen and journal.exists() and '"start"' in journal.read_text()):
        assert process.is_alive()
        assert process.pid is not None
        seen = decoders(process.pid)
        time.sleep(0.3)
    os.kill(process.pid, number)
    process.join(300)
    deadline = time.monotonic() + 120
    while any(alive(pid) for pid in seen) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in seen)
    assert not subprocess.run(
        ["pgrep", "-f", f"striate.base.child_process.* {process.pid}$"], capture_output=True, text=True
    ).stdout


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False
