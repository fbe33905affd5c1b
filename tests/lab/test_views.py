import base64

import numpy as np

from striate.lab.views import Grid, Image, Position, Series, Window, as_json


def test_a_view_is_its_numbers_and_its_kind():
    grid = as_json(Grid("map", np.array([[1.5, np.inf]]), windows=(Window(0, 1, 1, 1),), position=Position("row", "column", 2)))
    assert grid["kind"] == "grid"
    assert grid["values"] == [[1.5, None]]
    assert grid["windows"] == [{"row": 0, "column": 1, "height": 1, "width": 1, "role": 1}]
    assert grid["position"] == {"row": "row", "column": "column", "step": 2, "center": 0}


def test_pixels_are_their_bytes_with_their_shape():
    pixels = np.array([[0, 255], [7, 8]], np.uint8)
    sent = as_json(Image("photo", pixels, "four pixels"))["pixels"]
    assert sent["shape"] == [2, 2, 1]
    assert base64.b64decode(sent["base64"]) == bytes([0, 255, 7, 8])


def test_numbers_of_numpy_are_plain_numbers():
    series = as_json(Series("loss", np.arange(2, dtype=np.float32), (np.float64(0.5), 1)))
    assert (series["x"], series["y"]) == ([0.0, 1.0], [0.5, 1])
