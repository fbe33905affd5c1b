"""A function in a child process: whatever it does costs one call, never the parent."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from striate.base.child import Child

FUNCTIONS = """
import os, time

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
    if kind == "hang":
        time.sleep(60)
    if kind == "hog":
        return len(bytearray(4 * 2**30)), b""
    if kind == "large":
        return None, b"x" * argument["bytes"]
    if kind == "print":
        print("noise " * 1000, flush=True)
        os.write(1, b"more noise")
        return "printed", b""
    return os.getpid(), b""
"""


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Child]:
    (tmp_path / "functions_for_a_child.py").write_text(FUNCTIONS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Child("functions_for_a_child:work", memory_mb=512, seconds=1.0) as made:
        yield made


def echo(value: object) -> dict[str, object]:
    return {"do": "echo", "value": value}


def test_answers_come_in_order(child: Child):
    found = list(child.map(echo(i) for i in range(300)))
    assert [answer.value for answer in found] == list(range(300))
    assert {answer.payload for answer in found} == {b"payload"}


def test_one_process_serves_many_calls(child: Child):
    assert len({child.call({"do": "pid"}).value for _ in range(5)}) == 1


@pytest.mark.parametrize(
    ("do", "reason"),
    [
        ("raise", "IndexError: out of range"),
        ("exit", "the decoder process died (exit 3)"),
        ("abort", "the decoder process died (signal 6)"),
        ("hang", "took longer than 1 s"),
        ("hog", "needs more memory than the decoder may take"),
    ],
)
def test_what_goes_wrong_is_blamed_on_its_call_alone(child: Child, do: str, reason: str):
    calls = [echo(1), echo(2), {"do": do}, echo(3), {"do": do}, echo(4)]
    found = list(child.map(calls))
    assert [answer.value for answer in found] == [1, 2, None, 3, None, 4]
    assert [answer.error for answer in found] == [None, None, reason, None, reason, None]


def test_large_answers_and_large_calls_do_not_block(child: Child):
    found = list(child.map([{"do": "large", "bytes": 20_000_000}, echo("y" * 200_000), echo("z" * 200_000)]))
    assert len(found[0].payload) == 20_000_000
    assert [len(str(answer.value)) for answer in found[1:]] == [200_000, 200_000]


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


def test_a_slow_reader_is_not_held_against_the_child(child: Child):
    answers = child.map(echo(i) for i in range(20))
    first = next(answers)
    time.sleep(1.5)
    assert [first.value, *(answer.value for answer in answers)] == list(range(20))
