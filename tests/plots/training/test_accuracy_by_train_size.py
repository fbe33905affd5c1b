from pathlib import Path

import pytest

from striate.base.errors import SettingError
from striate.plots.training import accuracy_by_train_size


def point(images: int, **shares: float) -> dict[str, object]:
    def score(share: float) -> dict[str, float]:
        return {"accuracy": share, "low": share - 0.1, "high": share + 0.05, "n": 40}

    return {"images": images, "strategies": [{"name": n, "val": score(s), "test": score(s)} for n, s in shares.items()]}


def test_it_names_axes_strategies_and_numbers(tmp_path: Path):
    path = tmp_path / "curve.svg"
    points = [point(15, extract=0.6, scratch=0.3), point(1500, extract=0.8, scratch=0.7)]
    accuracy_by_train_size.draw("resnet20 on shapes", points, path)
    text = path.read_text()
    for words in (
        "resnet20 on shapes", "training images", "test accuracy, with 95 % interval", "extract", "scratch", "15", "1,500"
    ):  # fmt: skip
        assert f">{words}<" in text, words


def test_without_test_images_it_says_that_validation_is_shown(tmp_path: Path):
    points = [point(15, extract=0.6)]
    points[0]["strategies"][0]["test"] = None
    accuracy_by_train_size.draw("title", points, tmp_path / "curve.svg")
    assert ">validation accuracy, with 95 % interval<" in (tmp_path / "curve.svg").read_text()


def test_another_ending_is_refused(tmp_path: Path):
    with pytest.raises(SettingError, match=r"expected an image's path to end in \.svg, \.png, \.pdf; got"):
        accuracy_by_train_size.draw("title", [], tmp_path / "curve.gif")
