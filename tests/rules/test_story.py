"""The story is told in two languages: the same commands, corrections and numbers, which are those that its figures say."""

import re
from pathlib import Path

import pytest

from striate.figures.catalogue import FIGURES
from striate.figures.draw_by_name import draw
from support.documents import ROOT, blocks, figures, not_printed
from support.published_figures import PUBLISHED, TRAINED
from support.undrawn import undrawn

ENGLISH, CHINESE = (ROOT / "docs" / "tutorials" / name for name in ("story.md", "story.zh.md"))
BOTH = pytest.mark.parametrize("path", [ENGLISH, CHINESE], ids=lambda path: path.name)
SAME = "the same commands as in story.md, which are run"
KINDS = {ENGLISH: ("*Wrong", "*Imprecise", "*Our addition"), CHINESE: ("*错误", "*不准确", "*我们的补充")}
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
    "residual": ["1.15"],
    "multichannel": ["38", "55", "0.041", "0.201"],
    "noisy_filters": ["2.06", "2.08", "0.60"],
    "degradation": ["1.514", "2.124", "1.324", "1.371", "0.61", "0.05", "0.77", "8.9e-07", "1.6e-06", "0.00012"],
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
def test_every_statement_of_the_chapter_is_read_once_as_wrong_imprecise_or_an_addition(path: Path):
    items = re.findall(r"^- E(\d+)\. (.+(?:\n  .+)*)", path.read_text("utf-8"), re.M)
    assert sorted(int(number) for number, _ in items) == [*range(1, 12), *range(13, 28)]  # E12 is none
    for number, text in items:
        assert text.startswith(KINDS[path]), number


def test_both_pages_take_each_statement_for_the_same_and_quote_the_same_words_of_it():
    english, chinese = (
        [
            ([KINDS[path].index(kind) for kind in KINDS[path] if kind in text], re.findall(r"“([A-Za-z~\d][^”]*)”", text))
            for text in re.findall(r"^- E\d+\. (.+(?:\n  .+)*)", path.read_text("utf-8"), re.M)
        ]
        for path in (ENGLISH, CHINESE)
    )
    assert [(kinds, [" ".join(words.split()) for words in quoted]) for kinds, quoted in english] == chinese


def test_both_pages_have_the_same_sections_each_with_a_command_an_exercise_its_solution_a_file_and_a_figure():
    one, other = (re.split(r"^## ", path.read_text("utf-8"), flags=re.M)[1:] for path in (ENGLISH, CHINESE))
    assert len(one) == len(other) == 14
    for number, (english, chinese) in enumerate(zip(one[:13], other[:13], strict=True), 1):
        for section, words in (
            (english, ("An exercise:", "<summary>Solution</summary>", "**Read against the chapter**")),
            (chinese, ("习题", "<summary>解答</summary>", "**与教科书对照**")),
        ):
            assert section.startswith(f"{number}. ")
            assert all(word in section for word in (*words, "$ striate ", "`src/striate/", "](../_generated/"))
            exercise = section[section.index(words[0]) : section.index("</details>")]
            assert "src/" not in exercise, "an exercise that edits the package"
        for pattern in (r"- E\d+", r"`src/[^`]+`", r"_generated/[^)]+", r"```(?:python|text)\n[^`]+"):
            assert re.findall(pattern, english) == re.findall(pattern, chinese)


def test_both_pages_have_the_same_numbers():
    english, chinese = (set(figures(path.read_text("utf-8").replace("、", ", "))) for path in (ENGLISH, CHINESE))
    assert english - chinese == {"0.72", "15.5", "19.6", "1.58", "11.5", "133", "7.0"}  # millions and billions
    assert chinese - english == {"7.2", "155", "196", "15.8", "115", "1.33", "700"} | {
        "1.4",
        "150",
        "500",
    }  # the same, and translations


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_a_document_quotes_from_elsewhere_is_quoted_and_the_file_that_is_named_has_it(name: str):
    assert {*PUBLISHED[name], *TRAINED.get(name, {})} <= set(figures((ROOT / name).read_text("utf-8")))
    for figure, source in PUBLISHED[name].items():
        if str(source).endswith(".md"):
            numbers = figures((ROOT / str(source)).read_text("utf-8"))
            assert figure in numbers or f"{float(figure) / 100:.4f}" in numbers, f"{source}: {figure}"


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
def test_the_numbers_that_are_quoted_are_those_that_a_figure_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    undrawn(monkeypatch)  # tests/figures draws them
    said = "\n".join(draw(name, tmp_path / "figure.svg")[1].lines)
    for number in QUOTED[name]:
        assert number in said
        for path in (ENGLISH, CHINESE):
            text = path.read_text("utf-8").replace("、", ", ").replace("(", "(")
            for part in number.replace("%", " %").split(" / "):
                assert ", ".join(part.split()) in text or part in text, f"{path.name}: {part}"


QUOTING = """Since 1998 the 32 x 32 pixels, [its products](a99.md) and `76` (E12) make 0.0123, 1,024 and 9.6e-05; 2 of 3.

## 10. With a run

```console
$ striate nets lenet5
61,706
$ striate train digits
```

It is 97.2 % after 40 steps, 61.7 by hand.
"""


def test_a_figure_of_a_document_is_printed_by_a_command_of_its_section_or_before_it_or_comes_from_elsewhere():
    assert figures(QUOTING) == ["32", "32", "0.0123", "1,024", "9.6e-05", "97.2", "40", "61.7"]
    printed = {"striate nets lenet5": "40 layers, 0.0123, 61.71", "striate train digits": "accuracy 98.00 %"}
    published = {"32": "LeCun 1998", "1,024": 1024.2, "9.6e-05": 9.64e-5}
    assert not_printed(QUOTING, printed, published, {"97.2": r"accuracy ([\d.]+)"}) == ["0.0123"]  # which is printed later
    assert not_printed(QUOTING, printed, published | {"1,024": 1025.0}, {"97.2": r"error ([\d.]+)"}) == [
        "0.0123",
        "1,024",
        "97.2",
    ]
    assert not_printed(QUOTING, printed, published, {}) == ["0.0123", "97.2"]  # what is trained is no source without its place
    assert not_printed(QUOTING, {}, published, {}) == ["0.0123", "97.2", "40", "61.7"]
