"""Names are data: whatever a file, a class or a folder is called, that is what is printed."""

import logging

import pytest
from rich.table import Table

from striate.cli.console import say, speaking, stdout

NAMES = ["q[/b].png", "[red]x", ":dog:", "[link=http://example.org]y[/link]", "a\x1b[31mb"]
PRINTED = [*NAMES[:4], "a\\x1b[31mb"]


def test_lines_and_cells_and_titles_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]):
    say(NAMES)
    assert capsys.readouterr().out.splitlines() == PRINTED
    table = Table(NAMES[1], title=NAMES[0], caption=NAMES[2], box=None)
    for name in NAMES:
        table.add_row(name)
    stdout().print(table)
    out = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert out == [PRINTED[0], PRINTED[1], *PRINTED, PRINTED[2]]


def test_the_log_prints_names_as_they_are(capsys: pytest.CaptureFixture[str]):
    with speaking():
        for name in NAMES:
            logging.getLogger("striate").warning("%s", name)
    assert capsys.readouterr().err.splitlines() == PRINTED
