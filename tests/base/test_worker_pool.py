"""Several children on one row of calls: the same answers as from one, in order, and none left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from striate.base import worker_pool
from striate.base.errors import StriateError
from support.patient_child import PatientChild

pytestmark = pytest.mark.children

FUNCTIONS = """
import os, time

def work(argument):
    kind = argument["do"]
    if kind == "echo":
        time.sleep(argument.get("seconds", 0))
        return argument["value"], b"payload"
    if kind == "abort":
        os.abort()
    if kind == "hang":
        time.sleep(60)
    if kind == "hog":
        return len(bytearray(4 * 2**30)), b""
    if kind == "large":
        return None, b"x" * argument["bytes"]
    return os.getpid(), b""
"""
WHERE = "functions_for_a_pool:work"


@pytest.fixture(autouse=True)
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "functions_for_a_pool.py").write_text(FUNCTIONS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))


def echo(value: object, seconds: float = 0) -> dict[str, object]:
    return {"do": "echo", "value": value, "seconds": seconds}


def children() -> list[int]:
    """Processes that this one has started and that are there, the dead that no one waited for among them."""
    found = subprocess.run(["ps", "--no-headers", "-o", "pid,args", "--ppid", str(os.getpid())], capture_output=True, text=True)
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "functions_for_a_pool" in line]


def readers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("reader of child")]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_answers_come_in_the_order_of_the_calls_whoever_is_faster(count: int):
    calls = [echo(number, seconds=0.02 * (number % 3 == 0)) for number in range(60)]
    found = list(worker_pool.in_order(WHERE, calls, count))
    assert [answer.value for answer in found] == list(range(60))
    assert (children(), readers()) == ([], [])


def test_calls_are_shared_by_as_many_processes_as_asked_for():
    pids = [answer.value for answer in worker_pool.in_order(WHERE, [{"do": "pid"}] * 9, 3)]
    assert len(set(pids)) == 3
    assert pids[:3] * 3 == pids, "in turn"


def test_no_more_processes_are_started_than_there_are_calls():
    assert [answer.value for answer in worker_pool.in_order(WHERE, [echo(1)], 40)] == [1]
    assert list(worker_pool.in_order(WHERE, [], 3)) == []


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_goes_wrong_is_blamed_on_its_call_alone(count: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker_pool, "Child", PatientChild)
    wrong = {3: "abort", 4: "hang", 8: "hog", 9: "abort"}
    reasons = {
        "abort": "the decoder process died (signal 6)",
        "hang": "no answer within 0.2 s",
        "hog": "needs more memory than the decoder may take",
    }
    calls = [{"do": wrong[number]} if number in wrong else echo(number) for number in range(16)]
    found = list(worker_pool.in_order(WHERE, calls, count, memory_mb=512, seconds=0.2))
    assert [answer.value for answer in found] == [None if number in wrong else number for number in range(16)]
    assert [answer.error for answer in found] == [reasons[wrong[n]] if n in wrong else None for n in range(16)]


def test_what_lies_ready_is_bounded():
    drawn: list[int] = []

    def calls() -> Iterator[object]:
        for number in range(1000):
            drawn.append(number)
            yield echo(number)

    answers = worker_pool.in_order(WHERE, calls(), 2, ahead=4)
    assert next(answers).value == 0
    time.sleep(0.5)
    # Of each child: 2 answers that lie ready, 1 that waits for room, 8 calls on their way and one dealt; and the one taken
    assert 2 < len(drawn) <= 2 * (2 + 1 + 8 + 1) + 1
    assert [answer.value for answer in answers] == list(range(1, 1000))


def test_large_answers_do_not_block():
    found = list(worker_pool.in_order(WHERE, [{"do": "large", "bytes": 3_000_000}] * 8, 2, ahead=2))
    assert [len(answer.payload) for answer in found] == [3_000_000] * 8


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_a_reader_who_turns_away_leaves_no_process(taken: int):
    answers = worker_pool.in_order(WHERE, ({"do": "large", "bytes": 200_000} for _ in range(1000)), 3, ahead=3)
    for _ in range(taken):
        next(answers)
    answers.close()
    assert (children(), readers()) == ([], [])


def test_a_reader_who_turns_away_does_not_wait_for_what_hangs():
    answers = worker_pool.in_order(WHERE, [echo(1), {"do": "hang"}, *[echo(2)] * 20], 2, seconds=60)
    next(answers)
    begun = time.monotonic()
    answers.close()
    assert time.monotonic() - begun < 50, "the call that hangs takes 60 s"
    assert (children(), readers()) == ([], [])


def test_a_source_of_calls_that_fails_is_heard_in_its_turn():
    def calls() -> Iterator[object]:
        yield from (echo(number) for number in range(7))
        raise KeyError("no more")

    answers = worker_pool.in_order(WHERE, calls(), 3)
    assert [next(answers).value for _ in range(7)] == list(range(7))
    with pytest.raises(KeyError, match="no more"):
        next(answers)
    assert (children(), readers()) == ([], [])


def test_a_child_that_cannot_start_is_said():
    with pytest.raises(StriateError, match=r"the process that runs striate.no_such_module:work does not start \(exit 1\)"):
        list(worker_pool.in_order("striate.no_such_module:work", [1, 2, 3], 2))


PARENT = f"""
from striate.base import worker_pool
answers = worker_pool.in_order("{WHERE}", [{{"do": "pid"}}] * 2 + [{{"do": "hang"}}] * 2, 2, seconds=60)
print(next(answers).value, next(answers).value, flush=True)
next(answers)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux: the kernel ends the children")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_parent_that_is_ended_takes_all_its_children_along(number: int):
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert parent.stdout is not None
    lines = [Path(f"/proc/{pid}/cmdline") for pid in parent.stdout.readline().split()]
    assert len(lines) == 2
    assert all(b"functions_for_a_pool" in line.read_bytes() for line in lines)
    parent.send_signal(number)
    parent.communicate(timeout=120)
    deadline = time.monotonic() + 120
    while any(map(running, lines)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(running, lines))


def running(line: Path) -> bool:
    """Whether the process is there: of one that ended and that no one has waited for, the command line is empty."""
    try:
        return line.read_bytes() != b""
    except OSError:
        return False


def test_how_many_children_there_are(monkeypatch: pytest.MonkeyPatch):
    for cores, sharers, expected in [(1, 1, 1), (6, 1, 6), (64, 1, 8), (64, 16, 4), (4, 8, 1)]:
        monkeypatch.setattr(worker_pool, "cores", lambda cores=cores: cores)
        assert worker_pool.workers(None, sharers) == expected
        assert worker_pool.workers(3, sharers) == 3
