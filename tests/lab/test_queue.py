"""The queue, with commands that take no time in place of trainings, and once with a training."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from striate.base.errors import RunError
from striate.lab.workbench import child, commands
from striate.lab.workbench.queue import Job, Queue
from support.command_line import run
from support.lab import client
from support.shape_images import make_folder

FINETUNE = {"data": "digits", "command": "finetune"}
SMALL = {"finetune.weights": "resnet20@cifar10"}
TINY = {"net.name": "conv 3x3x4, relu, globalpool, fc", "train.epochs": "2"}


def wait_for(queue: Queue, id_: str, *states: str) -> Job:
    for _ in range(6000):
        job = next(job for job in queue.jobs() if job.id == id_)
        if job.state in states:
            return job
        time.sleep(0.02)
    raise AssertionError(queue.jobs())


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of the queue are run by a shell."""

    def start(arguments: Any, out: Any, log: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["sh", "-c", arguments[1]], stdout=out, stderr=log)

    monkeypatch.setattr(child, "start", start)


@contextmanager
def opened(out: Path) -> Iterator[Queue]:
    queue = Queue(out)
    queue.open()
    try:
        yield queue
    finally:
        queue.close()


@pytest.mark.usefixtures("shell")
def test_commands_run_one_after_the_other_and_end_as_they_end(tmp_path: Path):
    with opened(tmp_path) as queue:
        order = tmp_path / "order"
        first = queue.add("a", ("train", f"sleep 0.2; echo a >> {order}"))
        second = queue.add("b", ("train", f"echo b >> {order}; echo 'striate: expected more; got less.' >&2; exit 2"))
        third = queue.add("c", ("train", "exit 75"))
        assert wait_for(queue, first.id, "done").ended is not None
        assert wait_for(queue, second.id, "failed").sentence == "expected more; got less."
        assert wait_for(queue, third.id, "interrupted").sentence == ""
        assert order.read_text() == "a\nb\n"
        assert "striate: expected more" in queue.log(second.id)


@pytest.mark.usefixtures("shell")
def test_stop_resume_and_remove(tmp_path: Path):
    with opened(tmp_path) as queue:
        job = queue.add("a", ("train", "sleep 100"))
        waiting = queue.add("b", ("train", "true"))
        with pytest.raises(RunError, match="train of b is in the queue already"):
            queue.add("b", ("train", "true"))
        queue.stop(waiting.id)
        wait_for(queue, job.id, "running")
        with pytest.raises(RunError, match="the command of a runs; stop it first"):
            queue.remove(job.id)
        queue.stop(job.id)
        wait_for(queue, job.id, "interrupted")
        with pytest.raises(RunError, match="expected a command that runs or waits; the one of a is interrupted"):
            queue.stop(job.id)
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "run.toml").touch()
        with pytest.raises(RunError, match="expected a command of the queue"):
            queue.remove("none")
        queue.remove(job.id)
        assert [(left.id, left.state) for left in queue.jobs()] == [(waiting.id, "interrupted")]


def test_a_run_that_has_begun_is_resumed_by_the_command_for_that(tmp_path: Path):
    (tmp_path / "a b").mkdir()
    (tmp_path / ".lab").mkdir()
    (tmp_path / "a b" / "run.toml").touch()
    stored = [Job("1", "a b", ("train", "digits", "--name", "a b"), "running"), Job("2", "c", ("train", "digits"), "running")]
    (tmp_path / ".lab" / "queue.json").write_text(json.dumps([job._asdict() for job in stored]))
    with opened(tmp_path) as queue:
        assert [job.state for job in queue.jobs()] == ["interrupted", "interrupted"]  # its server was killed
        queue._closing = True  # nothing is started
        assert queue.resume("1").command == f"striate train --name 'a b' --out {tmp_path} --resume --json"
        assert queue.resume("2").command == "striate train digits"


def test_another_server_sees_the_queue_and_changes_nothing(tmp_path: Path, shell: None):
    with opened(tmp_path) as queue, opened(tmp_path) as other:
        job = queue.add("a", ("train", "true"))
        wait_for(queue, job.id, "done")
        assert [row.state for row in other.jobs()] == ["done"]
        with pytest.raises(RunError, match=f"another lab has the queue of {tmp_path}"):
            other.add("b", ("train", "true"))


def test_a_file_that_is_no_queue_is_named(tmp_path: Path):
    (tmp_path / ".lab").mkdir()
    (tmp_path / ".lab" / "queue.json").write_text("{")
    with pytest.raises(RunError, match="is no queue of the lab"):
        Queue(tmp_path).jobs()


def test_a_child_ends_with_the_process_that_started_it(tmp_path: Path):
    code = (
        "import sys, time, pathlib\nfrom striate.lab.workbench import child\n"
        f"p = child.start(['doctor'], open('{tmp_path}/out', 'wb'), open('{tmp_path}/log', 'wb'))\n"
        "print(p.pid, flush=True)\ntime.sleep(100)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(1500):
        if not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes():
            return
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("the child is still there")


@pytest.mark.soak
@pytest.mark.parametrize(
    ("command", "settings", "shown"),
    [
        ("train", TINY, "--net 'conv 3x3x4, relu, globalpool, fc' --epochs 2"),
        ("train", {**TINY, "data.folds": "2"}, "--net 'conv 3x3x4, relu, globalpool, fc' --epochs 2 --folds 2"),
        (
            "finetune",
            {**SMALL, "finetune.strategies": "extract,adapt", "finetune.adapt.epochs": "2"},
            "--from resnet20@cifar10 --strategy extract,adapt --set finetune.adapt.epochs=2",
        ),
        ("finetune", {**SMALL, "data.folds": "2"}, "--from resnet20@cifar10 --folds 2"),
    ],
)
def test_a_training_of_the_page_ends_with_the_bytes_of_the_command_that_it_shows(
    command: str, settings: dict[str, str], shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], cache: Path,
):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "photos <b>", 12)
    with client(tmp_path, out=Path("runs")) as lab:
        wish = {"data": "photos <b>", "settings": settings, "name": "a", "report": False, "command": command}
        added = lab.post("/api/workbench/queue", json=wish).json()
        assert added["command"] == f"striate {command} '{tmp_path}/photos <b>' --name a --out runs {shown} --no-report --json"
        for _ in range(3000):
            (job,) = lab.get("/api/workbench/queue").json()["jobs"]
            if job["state"] not in ("queued", "running"):
                break
            time.sleep(0.1)
        assert job["state"] == "done", lab.get(f"/api/workbench/queue/{job['id']}/log").json()
        now = lab.get("/api/workbench/runs/a").json()
        assert all(training["ended"] for training in now["trainings"])
        assert [row["score"] for row in now["trainings"] if row["kind"] == "fold"] == now["result"].get("folds", [])
        assert [row["score"] for row in now["trainings"] if row["kind"] == "strategy"] == [
            row["val"] for row in now["result"].get("strategies", []) if "folds" not in now["result"]
        ]
    by_hand = run(capsys, *(word if word != "a" else "b" for word in added["arguments"]))
    assert json.loads(Path("runs/a/result.json").read_bytes())["weights_sha256"] == by_hand.json["weights_sha256"]


@pytest.mark.soak
def test_a_training_whose_server_is_killed_comes_back_and_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cache: Path
):
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "photos", 12)
    wish = {"data": "photos", "settings": {**TINY, "train.epochs": "60"}, "name": "a", "report": False}
    with killed_lab(tmp_path) as url:
        ask(url, "queue", wish)
        for _ in range(3000):
            if any(tmp_path.glob("runs/a/checkpoints/step-*")):
                break
            time.sleep(0.02)
    with killed_lab(tmp_path) as url:
        (job,) = ask(url, "queue")["jobs"]
        assert job["state"] == "interrupted"
        ask(url, f"queue/{job['id']}/resume", {})
        while ask(url, "queue")["jobs"][0]["state"] in ("queued", "running"):
            time.sleep(0.1)
        (job,) = ask(url, "queue")["jobs"]
        assert (job["state"], job["command"]) == ("done", "striate train --name a --out runs --resume --json")
    events = [json.loads(line)["event"] for line in Path("runs/a/journal.jsonl").read_text().splitlines()]
    assert {"stopped", "resumed"} <= {*events}
    by_hand = run(capsys, *commands.training(Path("runs"), commands.Wish("photos", wish["settings"]), "b", report=False))
    assert json.loads(Path("runs/a/result.json").read_bytes())["weights_sha256"] == by_hand.json["weights_sha256"]


@contextmanager
def killed_lab(folder: Path) -> Iterator[str]:
    """A lab as a process of its own, its address; killed at the end."""
    command = [sys.executable, "-m", "striate", "lab", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=folder) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
        process.kill()


def ask(url: str, path: str, content: Any = None) -> Any:
    data = None if content is None else json.dumps(content).encode()
    with urlopen(Request(f"{url}/api/workbench/{path}", data)) as answer:
        return json.load(answer)


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({}, "expected a folder, a table, or one of digits"),
        ({"data": "../elsewhere"}, "expected a folder or file below"),
        ({"data": "/etc"}, "expected a folder or file below"),
        ({"data": "link"}, "expected a folder or file below"),
        ({"data": "\x00"}, "expected the path of a folder or file"),
        ({"data": "none"}, "expected a folder or file; there is none at 'none'."),
        ({"data": "digits", "settings": {"train.lr": "-1"}}, "train.lr: input should be greater than 0; got -1."),
        ({"data": "digits", "settings": {"train.rate": "1"}}, "There is no setting train.rate"),
        ({"data": "digits", "settings": {"data.relabel": "/etc/passwd"}}, "expected a folder or file below"),
        ({"data": "digits", "settings": {"net.name": "/etc/net.py:Net"}}, "expected a folder or file"),
        ({"data": "digits", "settings": {"finetune.weights": "resnet20@/etc/x"}}, "expected a folder or file"),
        ({"data": "digits", "settings": {"recipe": "/etc/x.toml"}}, "expected a folder or file"),
        ({"data": "digits", "settings": {"data.follow_links": "true"}}, "data.follow_links does not apply in the lab"),
        ({"data": "digits", "settings": [1]}, "expected settings as texts by name"),
        ({"data": "digits", "name": "../x"}, "expected a plain name for --name"),
        ({"data": "digits", "name": "--x"}, "expected a run's name that does not begin with a dash"),
        ({"data": "digits", "name": 3}, "expected the run's name as text"),
        ({"data": "digits", "command": "tune"}, "expected command train or finetune; got 'tune'."),
        ({**FINETUNE, "settings": {"train.lr": "1"}}, "train.lr does not say which strategy it is for"),
        ({**FINETUNE, "settings": {"finetune.strategies": "adapt,none"}}, "finetune.strategies.1: input should be 'extract'"),
        (
            {**FINETUNE, "settings": {"finetune.strategies": "all", "data.folds": "3"}},
            "data.folds does not apply to several strategies, which are compared on one split; leave one of them out.",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_with_a_sentence(tmp_path: Path, wish: dict[str, Any], sentence: str):
    (tmp_path / "root").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    with client(tmp_path / "root", out=tmp_path / "runs") as lab:
        answer = lab.post("/api/workbench/queue", json=wish)
        assert (answer.status_code, lab.get("/api/workbench/queue").json()) == (422, {"jobs": []})
        assert sentence in answer.json()["error"]
        assert not (tmp_path / "runs" / ".lab").exists()
