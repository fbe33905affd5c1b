"""`striate` as a process: whatever the instant of a signal, the process ends with 75 and a sentence."""

import subprocess
import sys

import pytest

SENTENCE = "striate: Interrupted; nothing is lost: run the same command again.\n"
SIGNALLED_WHILE_IMPORTING = """
import os, signal, sys
from striate.__main__ import run

class Signalling:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            {send}

sys.meta_path.insert(0, Signalling())
sys.argv = ["striate", "nets", "lenet5"]
run()
"""
ONCE = "os.kill(os.getpid(), signal.{name})"
TWICE = """try:
                os.kill(os.getpid(), signal.{name})
            except KeyboardInterrupt:
                os.kill(os.getpid(), signal.{name})"""


def ended(script: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stderr


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1"])
@pytest.mark.parametrize("module", ["striate.cli.main", "torch"])
def test_a_signal_before_the_work_begins(name: str, module: str):
    assert ended(SIGNALLED_WHILE_IMPORTING.format(module=module, send=ONCE.format(name=name))) == (75, SENTENCE)


def test_a_second_one_does_not_wait_for_the_first():
    assert ended(SIGNALLED_WHILE_IMPORTING.format(module="torch", send=TWICE.format(name="SIGINT"))) == (75, "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_on_the_way_out_changes_nothing(name: str):
    script = (
        "import atexit, os, signal, sys\nfrom striate.__main__ import run\n"
        f"atexit.register(lambda: os.kill(os.getpid(), signal.{name}))\n"
        "sys.argv = ['striate', 'nets']\nrun()"
    )
    assert ended(script) == (0, "")
