"""The story is told in two languages: the same commands, the same corrections, and figures that say the numbers it quotes."""

import re
from pathlib import Path

import pytest

from striate.figures.catalogue import FIGURES
from striate.figures.draw_by_name import draw
from support.documents import ROOT, blocks

ENGLISH, CHINESE = (ROOT / "docs" / "tutorials" / name for name in ("story.md", "story.zh.md"))
BOTH = pytest.mark.parametrize("path", [ENGLISH, CHINESE], ids=lambda path: path.name)
SAME = "the same commands as in story.md, which are run"
QUOTED = {
    "pooling": ["8 5 / 6 9", "4 2 / 2.25 5.75"],
    "activations": ["0.25", "9.5e-07"],
    "losses": ["1.6667", "2.3026"],
    "penalties": ["(0.354, 0.946)", "(0, 1.020)", "0.00013"],
    "dropout": ["37.9%", "6.5%"],
    "initialization": ["9.84e-08", "0.979", "0.227", "0.63", "0.0201", "0.644"],
    "batchnorm": ["-1.341635", "0.447212"],
    "receptive": ["110,592", "200,704"],
    "inception": ["128,049,152", "303,464,448"],
    "residual": ["1.15", "4.05", "5.77e-09"],
    "volumes": ["60,965,224", "37,752,832"],
}


def test_both_pages_have_the_same_commands_and_those_that_are_run_are_run_once():
    one, other = (blocks(path.read_text("utf-8")) for path in (ENGLISH, CHINESE))
    assert [block.commands for block in one] == [block.commands for block in other]
    assert [block.not_run or SAME for block in one] == [block.not_run for block in other]


def test_what_other_pages_run_is_run_there():
    run = {
        tuple(command.split()[:3])
        for path in (ROOT / "docs" / "history").glob("*.md")
        for block in blocks(path.read_text("utf-8"))
        if block.not_run is None
        for command in block.commands
    }
    left = [block for block in blocks(ENGLISH.read_text("utf-8")) if block.not_run == "the pages of the history run them"]
    assert left
    assert {tuple(command.split()[:3]) for block in left for command in block.commands} <= run


@BOTH
def test_every_mistake_of_the_chapter_is_put_right_once(path: Path):
    numbers = [int(number) for number in re.findall(r"^- E(\d+)\. ", path.read_text("utf-8"), re.M)]
    assert sorted(numbers) == [*range(1, 23)]


def test_both_pages_have_the_same_sections_each_with_a_command_an_exercise_a_file_and_mistakes():
    one, other = (re.split(r"^## ", path.read_text("utf-8"), flags=re.M)[1:] for path in (ENGLISH, CHINESE))
    assert len(one) == len(other) == 14
    for number, (english, chinese) in enumerate(zip(one[:13], other[:13], strict=True), 1):
        for section, words in (
            (english, ("An exercise:", "**Where the chapter errs**")),
            (chinese, ("习题", "**教科书之误**")),
        ):
            assert section.startswith(f"{number}. ")
            assert all(word in section for word in (*words, "$ striate ", "`src/striate/"))
        assert re.findall(r"- E\d+", english) == re.findall(r"- E\d+", chinese)
        assert re.findall(r"`src/[^`]+`", english) == re.findall(r"`src/[^`]+`", chinese)


@BOTH
def test_the_files_to_read_are_there(path: Path):
    for name in re.findall(r"`(src/[^`]+)`", path.read_text("utf-8")):
        assert (ROOT / name).is_file(), name


@BOTH
def test_every_figure_is_shown(path: Path):
    commands = [command for block in blocks(path.read_text("utf-8")) for command in block.commands]
    shown = {command.split()[2] for command in commands if command.startswith("striate figure ")}
    assert {one.name for one in FIGURES} == shown


@pytest.mark.parametrize("name", QUOTED)
def test_the_numbers_that_are_quoted_are_those_that_a_figure_says(name: str, tmp_path: Path):
    said = "\n".join(draw(name, tmp_path / "figure.svg")[1].lines)
    for number in QUOTED[name]:
        assert number in said
        for path in (ENGLISH, CHINESE):
            text = path.read_text("utf-8").replace("、", ", ").replace("(", "(")
            for part in number.replace("%", " %").split(" / "):
                assert ", ".join(part.split()) in text or part in text, f"{path.name}: {part}"
