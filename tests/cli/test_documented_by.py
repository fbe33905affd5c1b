"""A command's help says of each parameter what the function says that does the work."""

import inspect
import subprocess
import sys
from importlib import import_module

import pytest

from striate.cli import history
from striate.cli.console import documented_by
from support.command_line import run

NAMES = ("convolution", "cells", "mcculloch_pitts", "optimal_control", "gmdh", "rumelhart", "neocognitron", "timeline")

COMMANDS = ("data", "doctor", "evaluate", "finetune", "inspect", "labels", "nets", "predict", "report", "runs", "train")


def test_descriptions_come_from_the_function_and_the_command_may_add_and_replace_some():
    @documented_by("striate.history.gmdh.demo", "demonstrate", keep="replaced.")
    def command(*, seed: int = 0, keep: int = 1, components: int = 2, own: int = 3, json: bool = False) -> None:
        """First line.

        Args:
            own: what only the command has,
                on two lines.

        """

    assert inspect.getdoc(command) == (
        "First line.\n\nArgs:\n"
        "    seed: of the noise on the rows that show overfitting.\n"
        "    keep: replaced.\n"
        "    components: PCA coordinates of the digits that the networks get; else 20.\n"
        "    own: what only the command has, on two lines.\n"
        "    json: print one JSON object on stdout."
    )


def test_a_parameter_that_no_one_describes_is_a_mistake():
    with pytest.raises(KeyError, match="unknown"):

        @documented_by("striate.history.gmdh.demo", "demonstrate")
        def command(*, unknown: int = 0) -> None:
            """First line."""


@pytest.mark.parametrize("words", [*(("history", name) for name in NAMES), *((name,) for name in COMMANDS)])
def test_the_help_of_each_command_describes_every_flag(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]):
    module = history if words[0] == "history" else import_module(f"striate.cli.{words[0]}")
    command = getattr(module, words[-1])
    printed = " ".join(run(capsys, *words, "--help").out.replace("│", " ").split())
    for line in (command.__doc__ or "").partition("Args:\n")[2].splitlines():
        parameter, _, description = line.strip().partition(": ")
        assert len(description) > 3, parameter
        assert description.replace("`", "") in printed


def test_the_help_is_written_without_torch():
    script = (
        "import sys\nfrom striate.cli.main import main\n"
        "code = main(['history', 'gmdh', '--help'])\nsys.exit(code or 'torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
