import numpy as np
import pytest
import torch

from striate.history.neocognitron.digits import OTHERS
from striate.history.neocognitron.strokes import render
from striate.lab.controls import check_values
from striate.lab.images import drawing
from striate.lab.lessons import neocognitron as lesson
from striate.lab.texts import Texts
from striate.lab.views import Bars, Image, Sentence, Table

SAY = Texts("neocognitron", "en")


def shown(**given):
    return {view.name: view for view in lesson.views(check_values(lesson.CONTROLS, given), SAY)}


def test_the_drawing_at_the_start_is_the_sample_five():
    assert [list(row) for row in lesson.START] == drawing("stroke-5", 19)


@pytest.mark.parametrize("digit", range(10))
def test_digits_in_another_style_are_read(digit: int):
    views = shown(digit=drawing(f"stroke-{digit}", 19))
    sentence, bars = views["result"], views["uc4"]
    assert isinstance(sentence, Sentence)
    assert isinstance(bars, Bars)
    assert sentence.text.startswith(f"It reads a {digit};")
    with torch.inference_mode():
        outputs = lesson.network()(render(OTHERS[digit], 19)[None, None])[0]
    assert bars.series[0].y == pytest.approx(outputs.numpy())


def test_nothing_drawn_is_no_digit():
    assert shown(digit=[])["result"].text == "No digit recognized: the last layer is silent."


def test_a_drawing_is_moved_and_what_comes_in_is_empty():
    moved = lesson.shifted(np.arange(9.0).reshape(3, 3), 1, -1)
    assert moved.tolist() == [[0, 3, 4], [0, 6, 7], [0, 0, 0]]


def test_planes_lie_side_by_side_and_the_table_is_that_of_1988():
    views = shown()
    assert isinstance(views["us1"], Image)
    # 12 planes of 19 x 19 in two rows of six, a pixel between
    assert views["us1"].pixels.shape == (2 * 19 + 1, 6 * 19 + 5)
    assert isinstance(views["counts"], Table)
    assert views["counts"].rows[1] == ["us1", 12, 19, 12 * 19 * 19]
