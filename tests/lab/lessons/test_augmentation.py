import base64

import numpy as np
import pytest

from striate.lab import lesson_api

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)


def views_of(**given):
    values = lesson_api.values("augmentation", {"rotate": 0} | given) | {"image": PIXELS}
    return {view["name"]: view for view in lesson_api.answer("augmentation", "en", values)["views"]}


def after(**given) -> np.ndarray:
    image = views_of(**given)["after"]["pixels"]
    return np.frombuffer(base64.b64decode(image["base64"]), np.uint8).reshape(image["shape"])


def test_nothing_moved_leaves_every_pixel():
    views = views_of()
    assert np.array_equal(after(), PIXELS)
    assert views["place"]["values"] == np.eye(3).tolist()
    assert views["color"]["values"] == pytest.approx(np.eye(3, 4))
    assert views["result"]["text"] == "0 % of the pixels have changed."


def test_places_move_by_the_homography():
    assert np.array_equal(after(mirror=True), PIXELS[:, ::-1])
    assert np.abs(after(rotate=90).astype(int) - np.rot90(PIXELS, -1)).max() <= 1  # clockwise
    # A quarter of the area is half of each side; then turned by 180 degrees
    assert np.array(views_of(crop=0.25, rotate=180)["place"]["values"]) == pytest.approx(np.diag([-0.5, -0.5, 1]))


def test_colors_change_by_the_matrix():
    assert np.abs(after(brightness=0.5).astype(int) - PIXELS * 0.5).max() <= 1
    gray = after(saturation=0)
    assert np.abs(gray[..., 0] - PIXELS @ (0.299, 0.587, 0.114)).max() <= 1
    assert (gray[..., 0] == gray[..., 1]).all()
    # Contrast 0 leaves the mean gray alone
    flat = after(contrast=0)
    assert flat == pytest.approx(np.full((8, 8, 3), PIXELS.mean(axis=(0, 1)) @ (0.299, 0.587, 0.114)), abs=1)


def test_a_rectangle_has_the_mean_color():
    changed = (after(erase=0.25) != PIXELS).any(axis=2)
    assert changed.sum() == 16  # a quarter of 64
    assert after(erase=0.25)[changed][0] == pytest.approx(PIXELS.mean(axis=(0, 1)), abs=1)
