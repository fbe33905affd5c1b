import numpy as np
import pytest

from striate.batches.neighbor_pixel_scatter import clouds
from striate.lab.lessons.whitening import digits
from support.lesson_views import views_of


def cloud(**given) -> np.ndarray:
    (series,) = views_of("whitening", **given)["cloud"]["series"]
    return np.array([series["x"], series["y"]])


def test_the_cloud_is_that_of_the_preview():
    pair = clouds(digits(), np.arange(1797), "whitening")
    assert np.allclose(cloud().T, pair.clouds[0].points_N2)
    assert np.allclose(cloud(step="centered").T, pair.clouds[1].points_N2)


def test_each_step_does_what_its_name_says():
    centered, scaled, turned, whitened = (
        np.cov(cloud(step=step), bias=True) for step in ("centered", "scaled", "decorrelated", "whitened")
    )
    assert cloud(step="centered").mean(axis=1) == pytest.approx([0, 0])
    assert np.diag(scaled) == pytest.approx([1, 1], abs=1e-3)
    assert scaled[0, 1] == pytest.approx(centered[0, 1] / np.sqrt(centered[0, 0] * centered[1, 1]), rel=1e-3)
    assert turned[0, 1] == pytest.approx(0, abs=1e-9)
    assert np.trace(turned) == pytest.approx(np.trace(centered), rel=1e-3)  # a rotation
    assert whitened == pytest.approx(np.eye(2), abs=1e-3)


def test_one_component_puts_all_digits_on_a_line():
    reduced = np.cov(cloud(step="reduced", components=1), bias=True)
    assert np.linalg.eigvalsh(reduced)[0] == pytest.approx(0, abs=1e-9)
    shares = views_of("whitening")["variance"]["series"][0]["y"]
    assert sum(share < 0.9 for share in shares) + 1 == 21
