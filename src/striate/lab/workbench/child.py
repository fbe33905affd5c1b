"""A command of striate in a child process that ends with its parent, which is this file run with the parent's id before it.

Where the parent dies, however it dies, Linux sends this process SIGTERM, after which a training ends in a checkpoint.
"""

import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from striate.base.errors import Interrupted


def start(arguments: Sequence[str], out: IO[bytes], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Run `striate ARGUMENTS`; the child ends when the thread that calls this does."""
    root = str(Path(__file__).parents[3])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH")) if p)}
    command = [sys.executable, "-m", "striate.lab.workbench.child", str(os.getpid()), *arguments]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=out, stderr=log, env=environment, start_new_session=True
    )  # fmt: skip


def end_with(parent: int) -> None:
    """Have the kernel send this process SIGTERM once its parent is gone."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(Interrupted.exit_code)


if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    sys.argv = ["striate", *sys.argv[2:]]
    runpy.run_module("striate", run_name="__main__", alter_sys=True)
