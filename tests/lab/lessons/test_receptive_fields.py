from striate.figures.receptive_field import paths, stack
from support.lesson_views import views_of


def test_three_small_layers_see_what_one_large_one_sees():
    views = views_of("receptive_fields")
    row = [1, 3, 6, 7, 6, 3, 1]  # coefficients of (1 + x + x²)³
    assert views["paths"]["values"] == [[a * b for b in row] for a in row] == paths(3, 3).tolist()
    assert [entry[1:] for entry in views["table"]["rows"]][2:] == [[*stack(3, (1, 1, 1))], [7, 1, 49 * 64**2]]
    assert views["profile"]["series"][0]["y"] == [7 * number for number in row]


def test_strides_double_what_later_layers_add():
    views = views_of("receptive_fields", layers=4, kernel="7", stride=2)
    assert [row[1:3] for row in views["table"]["rows"][:4]] == [[7, 2], [19, 4], [43, 8], [91, 16]]
    assert views["paths_image"]["pixels"]["shape"] == [91, 91, 1]  # too many for numbers
