"""A fine-tuning, a training and a report killed by `kill -9` at any instant end with the same bytes, resumed or done again.

Each run is a fork of this process that dies at one call that changes its folder, half way through where that is a write.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import striate
from faults import disk_calls
from support.shape_images import make_folder
from support.undrawn import undrawn

if not Path("/proc/self/fd").is_dir():
    pytest.skip("needs fork and /proc", allow_module_level=True)

SETTINGS = {
    "finetune": {"adapt": {"epochs": 2}, "retrain": {"epochs": 1, "batch_size": 8}},
    "engine": {"workers": 1, "threads": 1, "device": "cpu"},
}
RESULTS = ("result.json", "strategy.json", "model.json")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("killed")
    make_folder(folder / "photos", each=6)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def finetune(name: str, **more: Any) -> dict[str, Any]:
    if more.get("resume"):
        return striate.finetune(name=name, report=False, **more)
    return striate.finetune(
        "photos", weights="resnet20@cifar10", strategies=["extract", "retrain"], name=name, settings=SETTINGS, report=False
    )


def train(name: str, **more: Any) -> dict[str, Any]:
    if more.get("resume"):
        return striate.train(name=name, report=False, **more)
    settings = {"train": {"epochs": 3, "batch_size": 8}, "preprocess": {"size_px": 16}, "engine": SETTINGS["engine"]}
    return striate.train("photos", net="conv 3x3x4, bn, relu, fc", name=name, settings=settings, report=False)


def left(run: Path) -> dict[str, str]:
    """SHA-256 of the weights that a run left, by folder; what a killed process would leave must not be there."""
    assert [path.name for path in run.rglob(".*") if path.name != ".lock"] == []
    assert [*run.glob("strategies/*/checkpoints")] == []
    sums = {path.parent.relative_to(run).as_posix(): path.read_text() for path in run.rglob("model/MANIFEST.sha256")}
    return {name: line.split()[0] for name, text in sums.items() for line in text.splitlines() if "weights" in line}


class Killed:
    """A run that was never interrupted, and others that are killed at a call each and resumed."""

    def __init__(self, work: Callable[..., dict[str, Any]]) -> None:
        self.work, self.name = work, work.__name__
        self.calls = len(disk_calls.recorded(self.run("whole"), lambda: work(f"{self.name}-whole")))
        self.expected = left(self.run("whole"))

    def run(self, name: str) -> Path:
        return Path.cwd() / "runs" / f"{self.name}-{name}"

    def at(self, call: int) -> None:
        name = f"{self.name}-{call}"
        assert disk_calls.killed(self.run(str(call)), call, "half", lambda: self.work(name))
        begun = (self.run(str(call)) / "run.toml").exists()
        self.work(name, resume=begun)
        assert left(self.run(str(call))) == self.expected, call
        for path in self.run(str(call)).rglob("*.json"):
            json.loads(path.read_text(), parse_constant=pytest.fail)


@pytest.fixture(scope="module")
def finetuning(place: Path) -> Killed:
    return Killed(finetune)


def test_a_fine_tuning_that_is_killed_ends_with_the_same_bytes(finetuning: Killed):
    assert len(finetuning.expected) == 3  # of two strategies, and of the run
    finetuning.at(finetuning.calls // 2)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(40))
def test_a_fine_tuning_killed_at_forty_instants(part: int, finetuning: Killed):
    finetuning.at(1 + finetuning.calls * part // 40)


@pytest.fixture(scope="module")
def training(place: Path) -> Killed:
    return Killed(train)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(40))
def test_a_training_killed_at_forty_instants(part: int, training: Killed):
    training.at(1 + training.calls * part // 40)


# ---- the report


def kill_in_report(place: Path, run: Path, call: int) -> None:
    """A report that is written again and killed leaves each of its files as it was or new; the next one ends."""
    names = ("report.html", "report.json", "result.json")
    before = {name: (run / name).read_bytes() for name in names if (run / name).exists()}
    died = disk_calls.killed(run, call, "half", lambda: striate.write_report(str(run)))
    for name, content in before.items():
        now = (run / name).read_bytes()
        assert now == content or now.rstrip().endswith((b"</html>", b"}"))
    striate.write_report(str(run))
    left(run)
    json.loads((run / "report.json").read_text(), parse_constant=pytest.fail)
    assert died


@pytest.fixture
def finished(training: Killed, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with a report that leaves out what takes long: what needs the network anew, and the figures."""
    undrawn(monkeypatch)
    monkeypatch.setattr("striate.workflows.report.rerun_network.add_network_results", lambda *_: None)
    return training.run("whole")


def test_a_report_that_is_killed_leaves_the_run_and_the_page_before(place: Path, finished: Path):
    calls = disk_calls.recorded(finished, lambda: striate.write_report(str(finished)))
    writes = [number for number, call in enumerate(calls, 1) if call.kind == "write"]
    kill_in_report(place, finished, writes[-1])


@pytest.mark.soak
def test_a_report_killed_at_every_call(place: Path, finished: Path):
    calls = disk_calls.recorded(finished, lambda: striate.write_report(str(finished)))
    for call in range(1, len(calls) + 1):
        kill_in_report(place, finished, call)


@pytest.mark.soak
@pytest.mark.report
def test_a_training_killed_in_the_report_at_its_end_is_resumed_with_its_report(place: Path, training: Killed):
    def whole(name: str, **more: Any) -> dict[str, Any]:
        settings = {"train": {"epochs": 1}, "preprocess": {"size_px": 16}, "engine": SETTINGS["engine"]}
        if more.get("resume"):
            return striate.train(name=name, resume=True)
        return striate.train("photos", net="conv 3x3x4, relu, fc", name=name, settings=settings)

    runs = place / "runs"
    calls = disk_calls.recorded(runs / "reported", lambda: whole("reported"))
    first = next(number for number, call in enumerate(calls, 1) if "report.html" in call.path)
    for call in range(first, len(calls) + 1, 2):
        name = f"reported-{call}"
        assert disk_calls.killed(runs / name, call, "half", lambda name=name: whole(name))
        result = whole(name, resume=True)
        assert Path(result["report"]).read_text().rstrip().endswith("</html>")
        assert left(runs / name) == left(runs / "reported")
