from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from PIL import Image

from striate.base import files
from striate.base.errors import DiskError, SettingError
from striate.plots import save_figure
from striate.plots.save_figure import ENDINGS, check_file, for_page, inline, new_figure, save


def figure() -> Figure:
    drawing = Figure(figsize=(3, 2))
    axes = drawing.subplots()
    axes.fill_between([0, 1], [1, 2], hatch="/")  # a hatch has an id that is random unless it is salted
    axes.plot([0, 1], [1, 2], label="conv1 & relu1")
    axes.legend()
    return drawing


@pytest.mark.parametrize("path", ["a.svg", "a.png", "a.pdf", "A.SVG", "a.b/c.Png"])
def test_an_ending_of_a_image_passes(path: str):
    check_file(Path(path))


@pytest.mark.parametrize("path", ["x.bmp", "x", "x.svg.txt", ".svg"])
def test_another_ending_is_refused_with_those_there_are(path: str, tmp_path: Path):
    with pytest.raises(SettingError) as caught:
        check_file(Path(path))
    assert str(caught.value) == f"expected an image's path to end in .svg, .png, .pdf; got {path}."
    with pytest.raises(SettingError):
        save(figure(), tmp_path / path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_same_figure_gives_the_same_bytes(ending: str, tmp_path: Path):
    for name in ("one", "two"):
        save(figure(), tmp_path / f"{name}{ending}")
    first, second = ((tmp_path / f"{name}{ending}").read_bytes() for name in ("one", "two"))
    assert first == second
    assert first.startswith({".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}[ending])
    assert b"CreationDate" not in first
    assert b"dc:date" not in first


def laid_out() -> Figure:
    """Axes with a legend, a title and an image whose aspect is kept, in places that the layout finds."""
    drawing = Figure(figsize=(5, 3), layout="constrained")
    left, right = drawing.subplots(1, 2)
    left.plot([1, 10, 100], [3, 1, 2], label="a line")
    left.set(title="A long title that needs room", xlabel="steps", ylabel="loss", xscale="log")
    left.legend()
    drawing.colorbar(right.imshow([[0, 1], [2, 3], [4, 5]]), ax=right)
    drawing.suptitle("both")
    return drawing


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_a_figure_with_a_layout_is_drawn_once_to_the_bytes_of_matplotlib(kind: str, monkeypatch: pytest.MonkeyPatch):
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    options: dict[str, Any] = {"dpi": 150, "facecolor": "white", "metadata": metadata}
    expected, other, draw = BytesIO(), laid_out(), Figure.draw
    save_figure._plain_powers(other)
    with mpl.rc_context(save_figure._PLAIN_TEXT | save_figure._SVG):
        other.savefig(expected, format=kind, **options)
    drawings: list[Figure] = []
    monkeypatch.setattr(Figure, "draw", lambda self, renderer: [drawings.append(self), draw(self, renderer)])
    drawing = laid_out()
    engine, dpi = drawing.get_layout_engine(), drawing.dpi
    assert save_figure.rendered(drawing, kind, **options) == expected.getvalue()
    assert drawings == [drawing]
    assert (drawing.get_layout_engine(), drawing.dpi) == (engine, dpi)


def test_the_text_of_an_svg_is_text(tmp_path: Path):
    save(figure(), tmp_path / "a.svg")
    texts = [element.text for element in ElementTree.parse(tmp_path / "a.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert "conv1 & relu1" in texts


def test_a_png_has_150_pixels_an_inch_on_white(tmp_path: Path):
    save(figure(), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (450, 300)
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_the_settings_of_matplotlib_are_left_as_they_were(tmp_path: Path):
    before = dict(mpl.rcParams)
    save(figure(), tmp_path / "a.svg")
    assert dict(mpl.rcParams) == before


def test_a_disk_that_refuses_leaves_the_image_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.svg"
    path.write_bytes(b"old")

    def full(at: Path, _content: bytes) -> None:
        with files.explained(at, "write"):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_bytes", full)
    with pytest.raises(DiskError):
        save(figure(), path)
    assert path.read_bytes() == b"old"


NAMES = ["$x_1$", "<script>alert(1)</script>", 'a id="b"', "#0072b2 url(#c) #1a1a1b", "\x1b[31mred", "50 % & more"]


def bars(figure: Figure) -> None:
    axes = figure.subplots()
    axes.barh(range(len(NAMES)), range(len(NAMES)))
    axes.set_yticks(range(len(NAMES)), NAMES)
    axes.set_title(NAMES[0])


def test_names_of_classes_are_text_in_a_file_and_in_a_page(tmp_path: Path):
    with new_figure(tmp_path / "bars.svg", 4, 3, "names") as drawing:
        bars(drawing)
    with for_page():
        on_page = Figure(figsize=(4, 3))
        bars(on_page)
        page = inline(on_page, "bars", NAMES[1])
    for svg in ((tmp_path / "bars.svg").read_text(), page):
        texts = {
            "".join(element.itertext()).strip()
            for element in ElementTree.fromstring(svg).iter()
            if element.tag.endswith("text")
        }
        assert {name.replace("\x1b", "\\x1b") for name in NAMES} <= texts


def test_the_ticks_of_a_logarithmic_axis_are_powers_in_plain_letters(tmp_path: Path):
    for limits, powers in (((0.01, 1000), {"10⁻¹", "10²"}), ((2, 7), {"2×10⁰", "3×10⁰"})):
        with new_figure(tmp_path / "log.svg", 4, 3) as figure:
            axes = figure.subplots()
            axes.plot([1, 2], limits)
            axes.set_yscale("log")
        text = (tmp_path / "log.svg").read_text()
        assert all(f">{power}<" in text for power in powers)
        assert "mathdefault" not in text
