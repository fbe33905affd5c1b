import json
from math import cos, radians, sin
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from striate.base.errors import DataError, DecodeError, SettingError
from striate.history.neocognitron import demo, digits, growing
from striate.history.neocognitron.demo import as_strokes, demonstrate, mnist_score, plane_names
from striate.history.neocognitron.net import Neocognitron, predict
from striate.history.neocognitron.strokes import Stroke, render
from striate.history.neocognitron.teacher import teach
from support.undrawn import undrawn


@pytest.fixture(scope="module")
def net() -> Neocognitron:
    return teach(Neocognitron())


def drawn_large(number: int, path: Path, factor: int = 8) -> Path:
    """A digit in another style, black on white, in a corner of a large image, with thick strokes."""
    digit_HW = render(digits.OTHERS[number], 19).numpy().astype(bool).repeat(factor, 0).repeat(factor, 1)
    page = np.full((300, 260), 255, np.uint8)
    page[20 : 20 + len(digit_HW), 60 : 60 + len(digit_HW)][digit_HW] = 10
    Image.fromarray(page).save(path)
    return path


def test_an_image_becomes_thin_strokes_in_the_middle(tmp_path: Path):
    image_HW = as_strokes(drawn_large(1, tmp_path / "one.png"))
    rows, columns = image_HW.nonzero(as_tuple=True)
    assert (int(rows.min()), int(rows.max())) == (2, 16)
    assert 8 <= columns.float().mean() <= 10
    assert image_HW.sum() <= 17


def test_images_of_digits_are_recognized_white_on_black_too(net: Neocognitron, tmp_path: Path):
    for number in (0, 7):
        path = drawn_large(number, tmp_path / "digit.png")
        Image.fromarray(255 - np.asarray(Image.open(path))).save(tmp_path / "inverse.png")
        for which in (path, tmp_path / "inverse.png"):
            assert predict(net(as_strokes(which)[None, None])).tolist() == [number]


@pytest.mark.parametrize("degrees", [10, -10])
def test_of_templates_turned_by_10_degrees_as_many_are_recognized_as_the_page_says(net: Neocognitron, degrees: float):
    cosine, sine = cos(radians(degrees)), sin(radians(degrees))

    def turned(strokes: digits.Strokes) -> torch.Tensor:
        about = [[(x - 9, y - 9) for x, y in stroke.points] for stroke in strokes]
        points = [tuple((9 + cosine * x - sine * y, 9 + sine * x + cosine * y) for x, y in each) for each in about]
        return render([Stroke(each, stroke.smooth) for each, stroke in zip(points, strokes, strict=True)], 19)

    templates = [(plane.digit, turned(strokes)) for plane in digits.TRAINING for strokes in plane.exemplars]
    predictions = predict(net(torch.stack([image_HW for _, image_HW in templates])[:, None]))
    assert sum(digit == prediction for (digit, _), prediction in zip(templates, predictions, strict=True)) == 22
    assert len(templates) == 25


def test_an_image_of_one_color_and_one_that_is_none_are_refused(tmp_path: Path):
    Image.new("L", (30, 30), 90).save(tmp_path / "gray.png")
    with pytest.raises(SettingError, match=r"expected an image of a digit; .*gray.png is of one color"):
        as_strokes(tmp_path / "gray.png")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DecodeError, match="not one of the formats"):
        demonstrate(tmp_path / "out", image=tmp_path / "text.png")
    assert not (tmp_path / "out").exists()


def test_the_score_of_mnist_counts_what_is_rejected_as_wrong():
    score = mnist_score(np.array([1, 2, -1, 4]), np.array([1, 2, 3, 5]))
    assert (score["accuracy"], score["n"], score["rejected"]) == (0.5, 4, 1)
    assert (round(score["low"], 3), round(score["high"], 3)) == (0.150, 0.850)
    assert np.array(score["confusion"])[5, 4] == 1
    assert np.array(score["confusion"]).sum() == 3


def test_the_demonstration_says_and_draws_what_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(demo, "SEEDS", 2)
    undrawn(monkeypatch)  # test_plots.py draws each kind of figure
    events: list[dict[str, object]] = []
    image = drawn_large(7, tmp_path / "seven.png")
    result = demonstrate(tmp_path / "out", seed=3, image=image, watch=events.append)
    numbers = result.as_json()
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers
    names = [
        "templates-us1",
        "templates-us2",
        "templates-us3",
        "templates-us4",
        "table-1988",
        "activations",
        "winners-1980",
        "image",
    ]
    assert numbers["files"] == [str(tmp_path / "out" / f"{name}.png") for name in names]
    assert all(Path(path).is_file() for path in numbers["files"])
    assert [run["seed"] for run in numbers["unsupervised"]["runs"]] == [3, 4]
    assert numbers["image"]["prediction"] == 7
    assert numbers["mnist"] is None
    assert result.lines[0].startswith("1988, with a teacher: 25 of 25 templates recognized, 200 of 200 of them shifted")
    assert result.lines[2] == f"{image}: 7"
    assert events[-1] == {"event": "1980, without a teacher", "done": 2, "total": 2}


def test_every_plane_has_the_name_of_what_it_was_shown():
    names = plane_names(Neocognitron())
    assert (names["us1"][:4], names["uc1"][-1]) == (["0°", "22.5°", "22.5°", "45°"], "157.5°")
    assert names["us4"] == [f"digit {plane.digit}" for plane in digits.TRAINING]
    assert names["uc4"] == [f"digit {digit}" for digit in range(10)]
    assert (names["us2"][4:9], names["uc2"][4:6]) == (["opens below"] * 4 + ["opens above"], ["opens below", "opens above"])
    assert (len(names["us3"]), len(names["uc3"]), names["uc3"][-1]) == (35, 23, "loop above")
    grown = growing.empty()
    grown.resize(2, (1, 1))
    grown.resize(3, (1,))
    grown.resize(4, (2, 0, 1))
    names = plane_names(grown)
    assert names["us2"] == names["uc2"] == ["0", "1"]
    assert (names["us4"], names["uc4"]) == (["digit 0", "digit 0", "digit 2"], ["digit 0", "digit 1", "digit 2"])


def test_too_few_images_and_no_images_of_mnist_are_refused(tmp_path: Path):
    with pytest.raises(SettingError, match=r"at least 100 training images of MNIST, or 0 for none; got 20"):
        demonstrate(tmp_path, mnist=20)
    with pytest.raises(DataError, match="expected the files of mnist in"):
        demonstrate(tmp_path, mnist=200, data_dir=str(tmp_path))
