"""What commands print of their progress, by a clock that the test turns."""

import io

from rich.console import Console

from striate.cli.progress import progress_shown


def printed(*moments: tuple[float, int], terminal: bool = False) -> str:
    """What is printed where so many of 100 images are decoded at these seconds."""
    out, now = io.StringIO(), [0.0]
    with progress_shown(Console(file=out, force_terminal=terminal, width=100), lambda: now[0]) as watch:
        for now[0], done in moments:
            watch({"event": "decode", "done": done, "total": 100})
            watch({"event": "epoch", "epoch": 1})
    return out.getvalue()


def test_a_log_has_a_line_after_each_30_seconds():
    text = printed((0.0, 0), (10.0, 10), (30.0, 30), (31.0, 31), (59.0, 59), (60.0, 60), (100.0, 100))
    assert text.splitlines() == [
        "decoding 30 of 100 images, 70 s left",
        "decoding 60 of 100 images, 40 s left",
    ]


def test_a_log_has_nothing_of_stages_that_end_sooner():
    assert printed((0.0, 0), (29.0, 90), (29.5, 100), (40.0, 0), (69.0, 99), (70.0, 100)) == ""


def test_a_log_has_a_line_for_a_stage_that_begins_late_30_seconds_after_its_start():
    assert printed((1000.0, 0), (1029.0, 29), (1030.0, 30)) == "decoding 30 of 100 images, 70 s left\n"


def test_a_terminal_has_a_bar_with_what_is_left():
    text = printed((0.0, 0), (10.0, 10), (20.0, 40), terminal=True)
    assert "decoding 40 of 100 images, 30 s left" in text
    assert "━" in text
