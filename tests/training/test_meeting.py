"""A process that never comes, or dies before the first step, ends those that wait for it; test_processes.py has later ones."""

import os
import signal
import socket
import time
from functools import partial
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch

from striate.base.errors import DataError, RunError, SettingError
from striate.base.launcher import Place
from striate.training import meeting, processes
from support import ranks
from support.tasks import PLAIN_LINE

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

LOST = "has ended, stands still or cannot be reached; the others end with it."


def end_by(number: int) -> None:
    """End or stop this process as a signal does."""
    os.kill(os.getpid(), number)


def absent(folder: Path, rank: int, number: int) -> dict[str, Any]:
    """One of the processes dies or stands still before it has told anybody that it is there."""
    os.environ["STRIATE_JOIN_SECONDS"] = "3"
    if int(os.environ["RANK"]) == rank:
        end_by(number)
    return ranks.train(folder, PLAIN_LINE)


def lost(folder: Path, rank: int, number: int, moment: str) -> dict[str, Any]:
    """One dies or stands still after it has come: before the group of sums is made, or before gradients are exchanged."""
    processes._SILENT_SECONDS, processes._BEAT_SECONDS = 3.0, 0.2
    os.environ["LOCAL_RANK"] = "0"  # as if each were on a machine of its own, where it says why it ends
    owner: Any = torch.distributed if moment == "group" else torch.nn.parallel
    name = "init_process_group" if moment == "group" else "DistributedDataParallel"
    original = getattr(owner, name)

    def end(*words: Any, **names: Any) -> Any:
        if int(os.environ["RANK"]) == rank:
            end_by(number)
        return original(*words, **names)

    setattr(owner, name, end)
    return ranks.train(folder, PLAIN_LINE)


def ended(started: list[BaseProcess], rank: int, seconds: float) -> bool:
    """Whether all but one have ended with an error by then; that one is killed."""
    deadline = time.monotonic() + seconds
    others = [process for other, process in enumerate(started) if other != rank]
    for process in others:
        process.join(max(deadline - time.monotonic(), 0))
    codes = [process.exitcode for process in others]
    for process in started:
        process.kill()
        process.join()
    return all(code not in (None, 0) for code in codes)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("rank", [0, 2])
def test_a_process_that_never_comes_is_named_and_the_others_end(number: int, rank: int, tmp_path: Path):
    started = ranks.start(3, partial(absent, rank=rank, number=number), tmp_path)
    assert ended(started, rank, 60)
    for other in {0, 1, 2} - {rank}:
        heard = ranks.said(tmp_path, other)
        assert f"process {rank} of 3 has not come for 3 s, and the others wait for it. Look at what it printed" in heard
        assert "set STRIATE_JOIN_SECONDS" in heard


@pytest.mark.parametrize(
    ("number", "rank", "moment"),
    [
        (signal.SIGKILL, 0, "group"), (signal.SIGKILL, 1, "group"), (signal.SIGSTOP, 2, "group"),
        (signal.SIGKILL, 0, "gradients"), (signal.SIGSTOP, 1, "gradients"),
    ],
)  # fmt: skip
def test_one_that_is_lost_before_the_first_step_is_named_and_the_others_end(
    number: int, rank: int, moment: str, tmp_path: Path
):  # fmt: skip
    started = ranks.start(3, partial(lost, rank=rank, number=number, moment=moment), tmp_path)
    assert ended(started, rank, 60)
    for other in {0, 1, 2} - {rank}:
        heard = ranks.said(tmp_path, other)
        assert f"process {rank} of 3" in heard
        assert LOST in heard


def slow(folder: Path) -> dict[str, Any]:
    """Each comes 2 s after the one before, where 3 s are the most."""
    os.environ["STRIATE_JOIN_SECONDS"] = "3"
    time.sleep(2 * int(os.environ["RANK"]))
    return ranks.train(folder, PLAIN_LINE)


def test_processes_that_come_one_after_the_other_are_waited_for(tmp_path: Path):
    found = ranks.run(3, slow, tmp_path)
    assert len({rank["digest"] for rank in found}) == 1


def twice(folder: Path) -> dict[str, Any]:
    """Two trainings of one process, as of a script."""
    digests = []
    for number in range(2):
        (folder / str(number)).mkdir(exist_ok=True)
        digests.append(ranks.train(folder / str(number), PLAIN_LINE, steps=2)["digest"])
    return {"digests": digests}


def test_processes_meet_as_often_as_they_train(tmp_path: Path):
    one, other = ranks.run(2, twice, tmp_path)
    assert one["digests"] == other["digests"]


def test_processes_that_are_started_anew_find_none_of_those_before(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MASTER_PORT", str(free.getsockname()[1]))
    meetings = []
    for restarts in range(2):
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", str(restarts))
        monkeypatch.setattr(meeting, "_numbers", count())
        meetings.append(meeting.Meeting.find(Place(0, 0, 1)))
    first, second = (each.for_sums() for each in meetings)
    first.set("address", "of a process that died")
    assert first.check(["address"])
    assert not second.check(["address"])


def refusing(_folder: Path) -> dict[str, Any]:
    """A process finds a mistake after all have met, while the others go on to be joined."""
    os.environ["LOCAL_RANK"] = "0"
    with processes.met():
        if os.environ["RANK"] == "1":
            raise DataError("the folder holds no image")
        with processes.joined(torch.device("cpu")):
            raise AssertionError


def test_a_mistake_that_one_finds_before_they_are_joined_is_heard_by_the_other(tmp_path: Path):
    started = ranks.start(2, refusing, tmp_path)
    assert ended(started, 1, 60)
    assert ranks.said(tmp_path, 1).strip() == "striate: the folder holds no image"
    assert "process 1 of 2" in ranks.said(tmp_path, 0)
    assert "failed first: the folder holds no image" in ranks.said(tmp_path, 0)


def test_what_is_said_of_several():
    text = meeting.not_there(list(range(2, 10)), 10, 60)
    assert text.startswith(
        "processes 2, 3, 4, 5, 6 and 3 more of 10 have not come for 60 s, and the others wait for them. Look at what they "
        "printed and whether they were started;"
    )


@pytest.mark.parametrize("text", ["soon", "0", "-3", "nan", "1e9"])
def test_seconds_that_are_none_are_refused(text: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STRIATE_JOIN_SECONDS", text)
    with pytest.raises(SettingError, match="STRIATE_JOIN_SECONDS: expected seconds from 1 to 86400"):
        meeting.join_seconds()


def test_a_port_that_another_program_has_is_named(monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}.items():
            monkeypatch.setenv(name, value)
        message = f"process 0 of 2 cannot meet the others at 127.0.0.1:{port}: .*MASTER_PORT"
        with pytest.raises(RunError, match=message), processes.met():
            raise AssertionError
