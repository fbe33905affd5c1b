from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from striate.base.errors import SettingError
from striate.plots import image_panels


def test_each_image_has_its_name_and_its_own_scale(monkeypatch: pytest.MonkeyPatch):
    figures: list[Figure] = []
    monkeypatch.setattr("striate.plots.save_figure.save", lambda figure, _path: figures.append(figure))
    shown = {"levels": np.array([[0.0, 0.5]]), "signed": np.array([[-1.0, 3.0]]), "nothing": np.zeros((2, 2))}
    image_panels.draw("three", shown, Path("three.svg"), across=2)
    axes = figures[0].axes
    assert [panel.get_title() for panel in axes] == ["levels", "signed", "nothing", ""]
    assert [panel.images[0].get_clim() for panel in axes[:3]] == [(0, 0.5), (-3, 3), (0, 1)]
    assert figures[0].get_size_inches().tolist() == pytest.approx([2 * 2.3 + 0.2, (2.3 / 2 + 0.4) + (2.3 + 0.4) + 0.5])
    assert figures[0]._suptitle.get_text() == "three"


def test_what_is_rounding_alone_is_black_and_long_images_stay_in_bounds(monkeypatch: pytest.MonkeyPatch):
    figures: list[Figure] = []
    monkeypatch.setattr("striate.plots.save_figure.save", lambda figure, _path: figures.append(figure))
    image_panels.draw("flat", {"flat": np.full((1, 1), -1e-16)}, Path("flat.svg"))
    assert figures[0].axes[0].images[0].get_clim() == (0, 1)
    assert [image_panels.height(np.zeros(shape)) for shape in ((1, 100), (3, 4), (100, 1))] == [0.125, 0.75, 2]


def test_another_ending_is_refused(tmp_path: Path):
    with pytest.raises(SettingError, match=r"expected an image's path to end in \.svg, \.png, \.pdf"):
        image_panels.draw("title", {"one": np.ones((2, 2))}, tmp_path / "one.gif")
