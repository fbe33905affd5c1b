from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from striate.base.errors import SettingError
from striate.plots import save_figure
from striate.plots.data.preprocessing import Row, draw_sheet, draw_steps

TEXT = "{http://www.w3.org/2000/svg}text"


class Cloud(NamedTuple):
    name: str
    points_N2: NDArray[np.float64]
    covariance_22: NDArray[np.float64]


POINTS = np.array([[0.0, 0.0], [1.0, 2.0]])
CLOUDS = [Cloud("raw", POINTS, np.array([[0.25, 0.5], [0.5, 1.0]])), Cloud("centered", POINTS - [0.5, 1.0], np.eye(2))]
GRAY = np.linspace(0, 1, 3 * 4 * 4, dtype=np.float32).reshape(3, 4, 4, 1)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    figures: list[Figure] = []
    monkeypatch.setattr(save_figure, "save", lambda figure, _path: figures.append(figure))
    return figures


def test_steps_have_title_names_numbers_and_what_the_pixels_are(tmp_path: Path):
    draw_steps("Centering", "pixels 1 and 2", CLOUDS, [Row("images", GRAY)], tmp_path / "x.svg")
    texts = "\n".join(element.text or "" for element in ElementTree.parse(tmp_path / "x.svg").iter(TEXT))
    for words in ("Centering", "raw", "centered", "variances 0.25, 1", "covariance 0.5", "pixels 1 and 2", "images"):
        assert words in texts


def test_a_cloud_shows_every_point_on_equal_axes_around_zero(drawn: list[Figure]):
    draw_steps("t", "a", CLOUDS, [Row("images", GRAY)], Path("x.png"))
    FigureCanvasAgg(drawn[0]).draw()
    axes = drawn[0].subfigs[0].axes[0]
    assert axes.get_aspect() == 1
    assert axes.get_xlim() == axes.get_ylim() == pytest.approx((-2.1, 2.1))
    assert axes.lines[-1].get_xydata().tolist() == POINTS.tolist()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_strip_holds_the_levels_of_its_images_side_by_side(channels: int, drawn: list[Figure]):
    images_NHWC = np.repeat(GRAY, channels, axis=3)
    draw_sheet("t", ["a", "b", "c"], [Row("one", images_NHWC), Row("two", images_NHWC[::-1])], Path("x.png"))
    first, second = (axes.images[0].get_array() for axes in drawn[0].axes)
    assert first is not None
    assert second is not None
    expected = images_NHWC[..., 0] if channels == 1 else images_NHWC
    for at in range(3):  # two white pixels between two images
        assert first[:, 6 * at : 6 * at + 4].tolist() == expected[at].tolist()
        assert second[:, 6 * at : 6 * at + 4].tolist() == expected[2 - at].tolist()
    assert (first[:, 4:6] == 1).all()
    assert [axes.get_ylabel() for axes in drawn[0].axes] == ["one", "two"]


def test_the_columns_are_named_above_their_images(tmp_path: Path):
    draw_sheet("Changed", ["original", "epoch 1", "epoch 2"], [Row("cat", GRAY)], tmp_path / "x.svg")
    texts = {element.text for element in ElementTree.parse(tmp_path / "x.svg").iter(TEXT)}
    assert {"Changed", "original", "epoch 1", "epoch 2", "cat"} <= texts


def test_another_ending_is_refused():
    with pytest.raises(SettingError, match="expected an image's path to end in"):
        draw_sheet("t", ["a"], [Row("one", GRAY)], Path("x.bmp"))
