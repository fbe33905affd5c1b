"""`striate history NAME`: what each says, draws and refuses."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.history.cells import demo as cells
from striate.history.convolution import demo as convolution
from striate.history.demonstration import Demonstration
from striate.history.mcculloch_pitts import demo as mcculloch_pitts
from support.command_line import Ran, run
from support.undrawn import undrawn

NAMES = ("cells", "convolution", "mcculloch_pitts")


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
    ran = run(capsys, "history", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err
    assert not [*Path().glob("striate-history-*")]
    return ran.err.strip()


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.soak)], ids=["made", "drawn"])
def are_drawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether figures are drawn, which takes seconds, and not only made; tests/history draws each kind of them."""
    if not request.param:
        undrawn(monkeypatch)
    return bool(request.param)


def drawn(ran: Ran, folder: str, are_drawn: bool) -> set[str]:
    """The images that a command says it drew, each of them there and whole."""
    assert ran.code == 0, ran.err
    files = [Path(file) for file in ran.json["files"]]
    for file in files:
        assert file.is_file()
        if are_drawn:
            with Image.open(file) as image:
                image.load()
    assert {file.parent for file in files} == {Path(folder)}
    return {file.name for file in files}


def test_a_name_that_is_none_of_them_is_refused_and_they_are_listed(capsys: pytest.CaptureFixture[str]):
    text = refused(capsys, "perceptron")
    assert text.startswith('striate: Unknown command "perceptron".')
    assert "mcculloch_pitts" in text


def test_cells(photo: Path, are_drawn: bool, capsys: pytest.CaptureFixture[str]):
    arguments = ("--orientations", "4", "--wavelength", "4", "--json")
    ran = run(capsys, "history", "cells", photo, *arguments)
    assert drawn(ran, "striate-history-cells", are_drawn) == {
        "bank.png", "tuning.png", "fields.png", "maps.png", "shifts.png", "modulation.png",
    }  # fmt: skip
    numbers = ran.json
    assert numbers["orientations"] == [0, 45, 90, 135]
    assert numbers["pool_px"] == 2  # half a wavelength
    assert [row["preferred"] for row in numbers["tuning"]] == [0, 45, 90, 135]
    assert all(row["half_width_simple"] == pytest.approx(15.2, abs=0.5) for row in numbers["tuning"])
    ratios = numbers["modulation"]["f1_over_f0"]
    assert ratios["simple"] == pytest.approx(np.pi / 2, abs=0.005)
    assert max(ratios["pooled"], ratios["energy"]) < 0.1
    similarities, bars = numbers["shifts"]["cosine_similarity_by_px"], numbers["shifts"]["bar_half_width_px"]
    assert similarities["simple"][0] == pytest.approx(1)
    assert min(similarities["pooled"][2], similarities["energy"][2]) > similarities["simple"][2] + 0.2
    assert bars["pooled"] >= bars["simple"] + 1.9
    lines = "\n".join(cells._lines(numbers))
    assert "4 orientations, fields of 17 x 17 px, stripes of 4 px, pooled over 2 px to each side; image: square.png" in lines
    assert "preferred orientations are within 0.0 degrees of the cells' own" in lines
    assert "simple 1.57, pooled 0.0" in lines


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--orientations", "1"), "expected --orientations from 2 to 12; got 1."),
        (("--orientations", "13"), "got 13."),
        (("--wavelength", "3.9"), "expected --wavelength from 4 to 12 px; got 3.9."),
        (("--wavelength", "nan"), "got nan."),
        (("--pool", "0"), "expected --pool from 1 to 8 px; got 0."),
        (("--pool", "9"), "got 9."),
        (("--pool", "wide"), "wide"),
    ],
    ids=str,
)
def test_cells_refuse(options: tuple[str, ...], text: str, photo: Path, capsys: pytest.CaptureFixture[str]):
    assert text in refused(capsys, "cells", photo, *options)


def test_mcculloch_pitts(photo: Path, are_drawn: bool, capsys: pytest.CaptureFixture[str]):
    ran = run(capsys, "history", "mcculloch_pitts", photo, "--table", "10010110", "--word", "1001", "--json")
    assert drawn(ran, "striate-history-mcculloch_pitts", are_drawn) == {
        "one_unit.png", "table.png", "automata.png", "latch.png", "latch_network.png", "edges.png", "edge_network.png",
        "automaton_odd_number_of_1.png", "automaton_ends_in_01.png", "automaton_divisible_by_3.png",
    }  # fmt: skip
    numbers = ran.json
    assert numbers["one_unit"]["not_computed"] == ["NAND", "XOR", "XNOR", "x1 OR NOT x2", "x2 OR NOT x1"]
    assert (numbers["one_unit"]["units"], numbers["one_unit"]["xor"], numbers["one_unit"]["of_three_inputs"]) == (36, False, 42)
    assert [(row["functions"], row["correct"], row["most_units"]) for row in numbers["truth_tables"]] == [
        (16, 16, 5),
        (256, 256, 9),
    ]
    assert numbers["table"] == {"values": "10010110", "outputs": "10010110", "units": 5, "latency_ticks": 2}
    assert all(row["words_correct"] == row["words_read"] == 2047 and row["equal"] for row in numbers["automata"])
    assert [(row["states"], row["states_reached"], row["units"]) for row in numbers["automata"]] == [
        (2, 2, 7),
        (3, 3, 10),
        (3, 3, 10),
    ]
    assert {name: numbers["edges"][name] for name in ("active", "outline", "left_edge", "units")} == {
        "active": 36, "outline": 20, "left_edge": 6, "units": 3 * 144,
    }  # fmt: skip
    lines = "\n".join(mcculloch_pitts._lines(numbers))
    assert "all 36 units compute 11 of 16 functions; none of them computes NAND, XOR, XNOR" in lines
    assert "truth table 10010110 -> units: 5, outputs: 10010110, after ticks: 2" in lines
    assert "divisible by 3: 10 units hold 3 states, reach 3 of 1,024; 2,047 of 2,047 words up to 10 letters correct" in lines
    assert lines.endswith("432 units find in 2 ticks that 20 of 36 active pixels are on an outline")


@pytest.mark.parametrize("name", NAMES)
def test_people_get_lines_and_programs_get_numbers(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    result = Demonstration({"number": 1}, ["one [two]", "three"], [Path("a [b].png")])
    demonstration = import_module(f"striate.history.{name}.demo")
    monkeypatch.setattr(demonstration, "demonstrate", lambda *_, **__: result)
    assert run(capsys, "history", name).out == "one [two]\nthree\ndrawn: a [b].png\n"
    assert run(capsys, "history", name, "--json").json == {"number": 1, "files": ["a [b].png"]}


@pytest.mark.parametrize("table", ["011", "0", "01120", "ab", "0" * 64])
def test_mcculloch_pitts_refuses_what_is_no_truth_table(table: str, capsys: pytest.CaptureFixture[str]):
    assert refused(capsys, "mcculloch_pitts", "--table", table) == (
        "striate: expected a truth table of 2, 4, 8, 16 or 32 values, each 0 or 1, such as 0110; got " + repr(table) + "."
    )


def test_mcculloch_pitts_refuses_what_is_no_word(capsys: pytest.CaptureFixture[str]):
    assert "expected a word of 1 to 24 letters, each 0 or 1, such as 0110; got '012'." in refused(
        capsys, "mcculloch_pitts", "--word", "012"
    )


def test_convolution(photo: Path, are_drawn: bool, capsys: pytest.CaptureFixture[str]):
    ran = run(capsys, "history", "convolution", photo, "--stride", "2", "--padding", "1", "--json")
    assert drawn(ran, "striate-history-convolution", are_drawn) == {"map.png", "steps.png", "flip.png", "weights.png"}
    numbers = ran.json
    assert numbers["kernels"]["sobel x"] == [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    assert numbers["maps"].keys() == {"sobel x", "sobel y", "magnitude"}
    assert numbers["maps"]["sobel x"]["hw"] == [6, 6]  # floor((12 - 3 + 2) / 2) + 1
    assert numbers["flip"]["commutes"]["convolution"] == 0 < numbers["flip"]["commutes"]["cross_correlation"]
    assert numbers["flip"]["associates"]["convolution"] == 0 < numbers["flip"]["associates"]["cross_correlation"]
    assert numbers["weights"]["fully_connected"] == {"32x32x3": 3072, "200x200x3": 120000}
    assert numbers["weights"]["alexnet_conv1"]["shared"] == 34_944
    assert numbers["weights"]["alexnet_conv1"]["unshared"] == 105_705_600
    lines = "\n".join(convolution._lines(numbers))
    assert "map of sobel x: 6 x 6" in lines
    assert "(a * b) * c against a * (b * c): convolution differs by 0, cross-correlation by 93" in lines
    assert "290,400 neurons; 34,944 weights shared, 105,705,600 unshared" in lines
    patch = np.array(numbers["steps"]["patch"])
    by_hand = [[(patch[r : r + 3, c : c + 3] * numbers["kernels"]["sobel x"]).sum() for c in range(3)] for r in range(3)]
    assert numbers["steps"]["maps"][0] == {"stride": 1, "padding": 0, "map": by_hand}


def test_a_kernel_of_a_file(photo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    undrawn(monkeypatch)
    Path("corner.csv").write_text("1, 2\n3, 4\n")
    numbers = run(capsys, "history", "convolution", photo, "--kernel", "corner.csv", "--json").json
    assert numbers["kernels"] == {"corner.csv": [[1, 2], [3, 4]]}
    assert numbers["maps"]["corner.csv"]["hw"] == [11, 11]  # an even side has no middle, and its map is a pixel smaller
    # On the upper side of the square 3 + 4 against 2 + 1
    assert not numbers["flip"]["kernel_is_its_mirror_image"]
    assert numbers["flip"]["largest_difference"] == pytest.approx(4 * 200 / 255)


def test_what_is_no_kernel_is_refused(photo: Path, capsys: pytest.CaptureFixture[str]):
    assert refused(capsys, "convolution", photo, "--kernel", "sobol") == (
        "striate: expected --kernel mean, sobel, gabor or a file; there is no file 'sobol'; did you mean sobel?"
    )
    Path("ragged.csv").write_text("1 2\n3\n")
    assert "expected a matrix of numbers, at most 31 x 31, in ragged.csv; got rows of 2 and 1 numbers." in refused(
        capsys, "convolution", photo, "--kernel", "ragged.csv"
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--side", "4", "--kernel", "mean"), "expected --side odd and from 1 to 31, so that there is a middle; got 4."),
        (("--side", "33", "--kernel", "mean"), "got 33."),
        (("--side", "3"), "--side belongs to --kernel gabor and mean; got --kernel sobel. Leave it out."),
        (("--angle", "30"), "--angle belongs to --kernel gabor; got --kernel sobel. Leave it out."),
        (("--wavelength", "1", "--kernel", "gabor"), "expected --wavelength of at least 2 px"),
        (("--angle", "nan", "--kernel", "gabor"), "a finite --angle; got 6, 11 and nan."),
        (("--stride", "0"), "expected a stride of at least 1 and a padding of at least 0; got 0 and 0."),
        (("--padding", "-1"), "got 1 and -1."),
        (
            ("--kernel", "mean", "--side", "13"),
            "expected a kernel within the image; got 13 over 12 pixels with a padding of 0.",
        ),
        (("--stride", "two"), "two"),
    ],
    ids=str,
)
def test_convolution_refuses(options: tuple[str, ...], text: str, photo: Path, capsys: pytest.CaptureFixture[str]):
    assert text in refused(capsys, "convolution", photo, *options)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_image_is_refused(name: str, here: Path, capsys: pytest.CaptureFixture[str]):
    (here / "text.png").write_text("no image")
    assert "expected an image at 'none.png'; it is refused: cannot be read: No such file" in refused(capsys, name, "none.png")
    assert "expected an image at 'text.png'; it is refused: not one of the formats" in refused(capsys, name, "text.png")


@pytest.mark.parametrize("name", ["cells", "mcculloch_pitts"])  # which draw something first
def test_a_file_in_place_of_a_folder_is_refused_before_anything_is_drawn(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
):
    (here / "file").touch()
    ran = run(capsys, "history", name, "--out", "file")
    assert ran.code == 2
    assert ran.err == "striate: expected a folder to write into at file; it is a file. Give another one.\n"
