from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from striate.base.errors import SettingError
from striate.report.origins import pictures


def test_each_picture_has_its_name_and_its_own_scale(monkeypatch: pytest.MonkeyPatch):
    figures: list[Figure] = []
    monkeypatch.setattr(pictures, "save", lambda figure, _path: figures.append(figure))
    shown = {"levels": np.array([[0.0, 0.5]]), "signed": np.array([[-1.0, 3.0]]), "nothing": np.zeros((2, 2))}
    pictures.draw("three", shown, Path("three.svg"), across=2)
    axes = figures[0].axes
    assert [one.get_title() for one in axes] == ["levels", "signed", "nothing", ""]
    assert [one.images[0].get_clim() for one in axes[:3]] == [(0, 0.5), (-3, 3), (0, 1)]
    assert figures[0]._suptitle.get_text() == "three"


def test_another_ending_is_refused(tmp_path: Path):
    with pytest.raises(SettingError, match=r"expected a picture's path to end in \.svg, \.png, \.pdf"):
        pictures.draw("title", {"one": np.ones((2, 2))}, tmp_path / "one.gif")
