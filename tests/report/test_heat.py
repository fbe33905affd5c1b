import numpy as np

from striate.report.heat import overlay


def test_where_there_is_no_heat_the_picture_stays_as_it_was():
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3) * 20
    assert np.array_equal(overlay(picture, np.zeros((2, 2))), picture)
    heat = np.array([[0.0, 1.0], [0.0, 0.0]])
    hot = overlay(picture, heat)
    assert np.array_equal(hot[heat == 0], picture[heat == 0])
    assert (hot[0, 1] > picture[0, 1]).all()


def test_a_grey_picture_becomes_one_in_colour():
    assert overlay(np.full((3, 4, 1), 9, np.uint8), np.zeros((3, 4))).shape == (3, 4, 3)
