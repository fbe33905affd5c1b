from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from striate.base.errors import SettingError
from striate.plots import save_figure
from striate.plots.interpret import first_layer_filters


def test_each_kernel_has_its_number_and_what_ails_it(tmp_path: Path):
    kernels = np.random.default_rng(0).standard_normal((5, 3, 7, 7))
    path = tmp_path / "filters.svg"
    first_layer_filters.draw("conv1 of photos", kernels, ["healthy", "dead", "healthy", "nearly dead", "noisy"], path)
    text = path.read_text()
    for words in ("0", "1 dead", "3 nearly dead", "4 noisy", "healthy 2", "dead 1", "conv1 of photos: 5 kernels"):
        assert f">{words}" in text, words


def test_of_very_many_the_first_are_drawn_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(first_layer_filters, "_MOST", 20)
    first_layer_filters.draw("conv1", np.ones((22, 1, 3, 3)), ["healthy"] * 22, tmp_path / "filters.svg")
    text = (tmp_path / "filters.svg").read_text()
    assert ">19<" in text
    assert ">20<" not in text
    assert "the first 20 of 22" in text


def test_another_ending_is_refused(tmp_path: Path):
    with pytest.raises(SettingError, match=r"expected an image's path to end in \.svg, \.png, \.pdf; got"):
        first_layer_filters.draw("title", np.ones((1, 1, 3, 3)), ["healthy"], tmp_path / "filters.gif")


def images(path: Path, monkeypatch: pytest.MonkeyPatch, **how: object) -> list[np.ndarray]:
    figures: list[Figure] = []
    monkeypatch.setattr(save_figure, "save", lambda figure, _path: figures.append(figure))
    kernels = np.ones((2, 1, 3, 3)) * np.array([1.0, -4.0]).reshape(2, 1, 1, 1)
    first_layer_filters.draw("conv1", kernels, ["healthy"] * 2, path, **how)
    return [axes.images[0].get_array()[0, 0].tolist() for axes in figures[0].axes if axes.images]


def test_one_scale_or_each_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "filters.svg"
    assert images(path, monkeypatch) == [[0.625] * 3, [0.0] * 3]  # 1 and -4 of 4 around a half
    assert images(path, monkeypatch, each=True) == [[1.0] * 3, [0.0] * 3]


def test_captions_and_the_scale_are_said(tmp_path: Path):
    path = tmp_path / "filters.svg"
    first_layer_filters.draw(
        "conv1", np.ones((2, 1, 3, 3)), ["healthy", "dead"], path, each=True, captions=["45° 0.25", "blob"]
    )
    text = path.read_text("utf-8")
    for words in ("45° 0.25", "blob", "its own scale", "1 dead"):
        assert f">{words}" in text or words in text, words
