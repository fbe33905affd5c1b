"""Running a command as a user does, in this process: exit code, what it printed, its JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from striate.cli.main import main


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> Ran:
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return Ran(code, captured.out, captured.err)


def train_in(folder: Path, *trainings: Sequence[object]) -> None:
    """Train in this folder, once for all tests of a file, which copy the folder: no fixture wider than one test has capsys."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for arguments in trainings:
            assert main(["train", *map(str, arguments)]) == 0, arguments
