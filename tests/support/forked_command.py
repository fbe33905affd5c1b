"""`python -m striate` as a fork of this process, which has imported already what a program of its own takes seconds to."""

import multiprocessing
import os
import runpy
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path


def _command(words: tuple[str, ...], out: Path, err: Path) -> None:
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    sys.argv = ["striate", *words]
    sys.modules.pop("striate.__main__", None)
    runpy.run_module("striate", run_name="__main__", alter_sys=True)


def begin(words: tuple[str, ...], out: Path, err: Path) -> BaseProcess:
    """Start the command; what it prints goes to these files."""
    process = multiprocessing.get_context("fork").Process(target=_command, args=(words, out, err))
    process.start()
    return process
