"""`striate figure`: the list, one figure, and what is refused before anything is drawn."""

from pathlib import Path

import pytest

from striate.figures.catalogue import FIGURES
from support.command_line import run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_name_the_figures_are_listed(capsys: pytest.CaptureFixture[str]):
    text = run(capsys, "figure").out
    assert all(any(line.startswith(one.name) and one.shows in line for line in text.splitlines()) for one in FIGURES)
    assert "`striate data DATA --preview whitening`" in text
    found = run(capsys, "figure", "--json").json
    assert [one["name"] for one in found["figures"]] == [one.name for one in FIGURES]
    assert {"name", "shows", "command"} == found["elsewhere"][0].keys()


def test_one_figure_is_drawn_where_it_is_said(capsys: pytest.CaptureFixture[str], here: Path):
    ran = run(capsys, "figure", "pooling")
    assert ran.out.startswith("2 x 2 at stride 2: max 8 5 / 6 9, mean 4 2 / 2.25 5.75\n")
    assert ran.out.endswith("drawn: figure-pooling.svg\n")
    assert (here / "figure-pooling.svg").read_text("utf-8").startswith("<?xml")
    found = run(capsys, "figure", "volumes", "--net", "mnist_cnn", "--out", "net.png", "--json").json
    assert (found["name"], found["net"], found["parameters"], found["files"]) == (
        "volumes",
        "mnist_cnn",
        3_274_634,
        ["net.png"],
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("poling",), "There is no figure 'poling'; did you mean pooling?"),
        (("whitening",), "'whitening' is drawn by another command: `striate data DATA --preview whitening`."),
        (("pooling", "--net", "vgg16"), "--net belongs to the figure volumes; got pooling. Leave it out."),
        (("pooling", "--out", "a.gif"), "expected an image's path to end in .svg, .png, .pdf; got a.gif."),
        (("volumes", "--net", "mnist_cn"), "did you mean mnist_cnn"),
        (("--out", "a.png"), "--out applies to one figure; got no NAME. Write `striate figure NAME --out a.png`."),
        (("--net", "vgg16"), "--net applies to one figure; got no NAME."),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(arguments: tuple[str, ...], text: str, capsys: pytest.CaptureFixture[str], here: Path):
    ran = run(capsys, "figure", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert text in ran.err
    assert not list(here.iterdir())
