"""A function in a child process: whatever it does costs one call, never the parent."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from striate.base import child_process
from striate.base.child_process import Child
from striate.base.errors import StriateError
from support.patient_child import PATIENCE_SECONDS, PatientChild

FUNCTIONS = """
import os, signal, time

def work(argument):
    kind = argument["do"]
    if kind == "echo":
        return argument["value"], b"payload"
    if kind == "raise":
        raise IndexError("out of range")
    if kind == "exit":
        os._exit(3)
    if kind == "abort":
        os.abort()
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "hang":
        time.sleep(600)
    if kind == "burn":
        sum(range(10**15))  # in C, where no handler of Python's would run
    if kind == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if kind == "abort once" and not os.path.exists(argument["mark"]):
        open(argument["mark"], "w").close()
        os.abort()
    if kind == "hog":
        return len(bytearray(4 * 2**30)), b""
    if kind == "large":
        return None, b"x" * argument["bytes"]
    if kind == "print":
        print("noise " * 1000, flush=True)
        os.write(1, b"more noise")
        return "printed", b""
    if kind == "environment":
        return os.environ[argument["name"]], b""
    return os.getpid(), b""
"""


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Child]:
    (tmp_path / "functions_for_a_child.py").write_text(FUNCTIONS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with PatientChild("functions_for_a_child:work", memory_mb=512, seconds=0.2) as limited:
        yield limited


def echo(value: object) -> dict[str, object]:
    return {"do": "echo", "value": value}


def test_answers_come_in_order(child: Child):
    found = list(child.map(echo(i) for i in range(300)))
    assert [answer.value for answer in found] == list(range(300))
    assert {answer.payload for answer in found} == {b"payload"}


def test_its_threads_sleep_when_they_have_nothing_to_do_unless_the_user_says_otherwise(
    child: Child, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    asked = {"do": "environment", "name": "OMP_WAIT_POLICY"}
    assert child.call(asked).value == "PASSIVE"
    child.close()
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert child.call(asked).value == "ACTIVE"


def test_one_process_serves_many_calls(child: Child):
    assert len({child.call({"do": "pid"}).value for _ in range(5)}) == 1


@pytest.mark.parametrize(
    ("do", "reason"),
    [
        ("raise", "IndexError: out of range"),
        ("exit", "the decoder process died (exit 3)"),
        ("abort", "the decoder process died (signal 6)"),
        ("hang", "no answer within 0.2 s"),
        ("burn", "took more than 0.2 s of processor time"),
        ("kill", "the decoder process died (signal 9)"),
        ("hog", "needs more memory than the decoder may take"),
    ],
)
def test_what_goes_wrong_is_blamed_on_its_call_alone(child: Child, do: str, reason: str):
    calls = [echo(1), echo(2), {"do": do}, echo(3), {"do": do}, echo(4)]
    found = list(child.map(calls))
    assert [answer.value for answer in found] == [1, 2, None, 3, None, 4]
    assert [answer.error for answer in found] == [None, None, reason, None, reason, None]
    assert [answer.outage for answer in found] == [do in ("hang", "kill") and answer.error is not None for answer in found]


def test_a_call_whose_process_died_is_tried_again_alone(child: Child, tmp_path: Path):
    calls = [echo(1), {"do": "abort once", "mark": str(tmp_path / "mark")}, echo(2), {"do": "pid"}]
    answers = list(child.map(calls))
    assert [answer.error for answer in answers] == [None] * 4
    assert [answers[0].value, answers[2].value] == [1, 2]
    child.tries = 1
    (once,) = child.map([{"do": "abort once", "mark": str(tmp_path / "another")}])
    assert once.error == "the decoder process died (signal 6)"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux: /proc tells that a process is stopped")
def test_a_process_that_the_machine_does_not_run_for_a_while_loses_nothing(child: Child):
    pid = child.call({"do": "pid"}).value

    def resume() -> None:
        while Path(f"/proc/{pid}/stat").read_text().split()[2] != "T":
            time.sleep(0.01)
        time.sleep(0.3)  # longer than the processor time of a call
        os.kill(int(str(pid)), signal.SIGCONT)

    resumer = threading.Thread(target=resume)
    resumer.start()
    answer = child.call({"do": "stop"})
    resumer.join()
    assert (answer.value, answer.error) == (pid, None)


def test_an_answer_that_lies_ready_is_read_though_its_time_is_over(child: Child, monkeypatch: pytest.MonkeyPatch):
    answers = child.map([echo(1), echo(2)])
    assert next(answers).value == 1
    assert child._process is not None
    select.select([child._process.stdout], [], [])
    clock = iter([0.0])  # when the wait begins; later this process was stopped for hours
    monkeypatch.setattr(child_process, "time", SimpleNamespace(monotonic=lambda: next(clock, 1e6)))
    assert next(answers).value == 2


def test_large_answers_and_large_calls_do_not_block(child: Child):
    found = list(child.map([{"do": "large", "bytes": 20_000_000}, echo("y" * 200_000), echo("z" * 200_000)]))
    assert len(found[0].payload) == 20_000_000
    assert [len(str(answer.value)) for answer in found[1:]] == [200_000, 200_000]


def test_many_calls_that_fill_the_pipe_both_ways_do_not_block(child: Child):
    values = [f"{number} " + "x" * 20_000 for number in range(40)]
    assert [answer.value for answer in child.map(echo(value) for value in values)] == values


def test_what_was_given_up_is_not_taken_for_the_answer_to_the_next_call(child: Child):
    answers = child.map(echo(number) for number in range(20))
    assert next(answers).value == 0
    del answers
    assert child.call(echo("next")).value == "next"


def test_a_source_of_calls_that_fails_leaves_nothing_behind(child: Child):
    def calls() -> Iterator[dict[str, object]]:
        yield echo(1)
        raise KeyError("no more")

    with pytest.raises(KeyError, match="no more"):
        list(child.map(calls()))
    assert child.call(echo("next")).value == "next"


def test_a_child_that_cannot_start_is_said_each_time():
    with Child("striate.no_such_module:work") as broken:
        for _ in range(2):
            with pytest.raises(StriateError) as reason:
                broken.call(1)
            assert str(reason.value) == (
                "the process that runs striate.no_such_module:work does not start (exit 1): "
                "`python -c 'import striate.no_such_module'` may say why."
            )


PARENT = """
from striate.base.child_process import Child
with Child("functions_for_a_child:work", seconds=60) as child:
    print(child.call({"do": "pid"}).value, flush=True)
    child.call({"do": "hang"})
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux: the kernel ends the child")
def test_a_parent_that_is_killed_takes_its_child_along(child: Child):
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    line = Path(f"/proc/{int(parent.stdout.readline())}/cmdline")
    assert b"functions_for_a_child:work" in line.read_bytes()
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 120
    while running(line) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not running(line)


def running(line: Path) -> bool:
    """Whether the process is there: of one that ended and that no one has waited for, the command line is empty."""
    try:
        return line.read_bytes() != b""
    except OSError:
        return False


def test_a_child_that_prints_does_not_break_the_frames(child: Child):
    assert child.call({"do": "print"}).value == "printed"
    assert child.call(echo("after")).value == "after"


def test_closing_ends_the_process(child: Child):
    pid = child.call({"do": "pid"}).value
    assert isinstance(pid, int)
    child.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert child.call(echo("again")).value == "again", "the next call starts another"


def test_a_slow_reader_is_not_held_against_the_child(child: Child, monkeypatch: pytest.MonkeyPatch):
    passed = [0.0]
    monkeypatch.setattr(child_process, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed[0]))
    answers = child.map(echo(i) for i in range(20))
    first = next(answers)
    passed[0] = 10 * PATIENCE_SECONDS
    assert [first.value, *(answer.value for answer in answers)] == list(range(20))
