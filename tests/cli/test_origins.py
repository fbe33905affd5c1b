"""`striate origins NAME`: what each says, draws and refuses."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import Ran, run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def photo(here: Path) -> Path:
    """A bright square on black, 12 pixels wide."""
    levels = np.zeros((12, 12), np.uint8)
    levels[3:9, 3:9] = 200
    Image.fromarray(levels).save(here / "square.png")
    return here / "square.png"


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    ran = run(capsys, "origins", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err
    assert not [*Path().glob("striate-origins-*")]
    return ran.err.strip()


def drawn(ran: Ran, folder: str) -> set[str]:
    """The pictures that a command says it drew, each of them there and whole."""
    assert ran.code == 0, ran.err
    files = [Path(file) for file in ran.json["files"]]
    for file in files:
        with Image.open(file) as image:
            image.load()
    assert {file.parent for file in files} == {Path(folder)}
    return {file.name for file in files}


def test_a_name_that_is_none_of_them_is_refused_and_they_are_listed(capsys: pytest.CaptureFixture[str]):
    text = refused(capsys, "perceptron")
    assert text.startswith('striate: Unknown command "perceptron".')
    assert "mcculloch_pitts" in text


def test_mcculloch_pitts(photo: Path, capsys: pytest.CaptureFixture[str]):
    ran = run(capsys, "origins", "mcculloch_pitts", photo, "--table", "10010110", "--word", "1001", "--json")
    assert drawn(ran, "striate-origins-mcculloch_pitts") == {
        "one_unit.png", "table.png", "automata.png", "latch.png", "latch_network.png", "edges.png", "edge_network.png",
        "automaton_odd_number_of_1.png", "automaton_ends_in_01.png", "automaton_divisible_by_3.png",
    }  # fmt: skip
    found = ran.json
    assert found["one_unit"]["not_computed"] == ["NAND", "XOR", "XNOR", "x1 OR NOT x2", "x2 OR NOT x1"]
    assert (found["one_unit"]["units"], found["one_unit"]["xor"], found["one_unit"]["of_three_inputs"]) == (36, False, 42)
    assert [(row["functions"], row["right"], row["most_units"]) for row in found["truth_tables"]] == [
        (16, 16, 5),
        (256, 256, 9),
    ]
    assert found["table"] == {"values": "10010110", "answers": "10010110", "units": 5, "latency_ticks": 2}
    assert all(row["words_right"] == row["words_read"] == 2047 and row["equal"] for row in found["automata"])
    assert [(row["states"], row["states_reached"], row["units"]) for row in found["automata"]] == [
        (2, 2, 7),
        (3, 3, 10),
        (3, 3, 10),
    ]
    assert {name: found["edges"][name] for name in ("active", "outline", "left_edge", "units")} == {
        "active": 36, "outline": 20, "left_edge": 6, "units": 3 * 144,
    }  # fmt: skip


def test_mcculloch_pitts_speaks_to_people(capsys: pytest.CaptureFixture[str]):
    ran = run(capsys, "origins", "mcculloch_pitts", "--out", "here")
    assert "all 36 units compute 11 of 16 functions; none of them computes NAND, XOR, XNOR" in ran.out
    assert "truth table 0110: 3 units answer 0110 after 2 ticks" in ran.out
    assert "divisible by 3: 10 units hold 3 states, reach 3 of 1,024; 2,047 of 2,047 words up to 10 letters right" in ran.out
    assert "drawn: here/edges.png" in ran.out


@pytest.mark.parametrize("table", ["011", "0", "01120", "ab", "0" * 64])
def test_mcculloch_pitts_refuses_what_is_no_truth_table(table: str, capsys: pytest.CaptureFixture[str]):
    assert refused(capsys, "mcculloch_pitts", "--table", table) == (
        "striate: expected a truth table of 2, 4, 8, 16 or 32 values, each 0 or 1, such as 0110; got " + repr(table) + "."
    )


def test_mcculloch_pitts_refuses_what_is_no_word(capsys: pytest.CaptureFixture[str]):
    assert "expected a word of 1 to 24 letters, each 0 or 1, such as 0110; got '012'." in refused(
        capsys, "mcculloch_pitts", "--word", "012"
    )


@pytest.mark.parametrize("name", ["mcculloch_pitts"])
def test_what_is_no_picture_is_refused(name: str, here: Path, capsys: pytest.CaptureFixture[str]):
    (here / "text.png").write_text("no picture")
    assert "expected a picture at 'none.png'; it is refused: cannot be read: No such file" in refused(capsys, name, "none.png")
    assert "expected a picture at 'text.png'; it is refused: not one of the formats" in refused(capsys, name, "text.png")


@pytest.mark.parametrize("name", ["mcculloch_pitts"])
def test_a_folder_that_cannot_be_made_is_the_disks_refusal(name: str, here: Path, capsys: pytest.CaptureFixture[str]):
    (here / "file").touch()
    ran = run(capsys, "origins", name, "--out", "file")
    assert ran.code == 74
    assert ran.err.startswith("striate: cannot write file/")
