import pytest

from striate.base.errors import SettingError
from striate.lab.controls import Button, Cells, Choice, Drawing, OwnImage, Slider, Toggle, check_values

CONTROLS = (Slider("rate", 0, 1, 0.25, 0.5), Slider("count", 1, 4, 1, 2), Toggle("bias", True))


def test_what_is_left_out_is_as_at_the_start():
    assert check_values(CONTROLS, {}) == {"rate": 0.5, "count": 2, "bias": True}
    assert check_values(CONTROLS, {"count": 3.0, "bias": False}) == {"rate": 0.5, "count": 3, "bias": False}


@pytest.mark.parametrize(
    ("control", "value", "sentence"),
    [
        (Slider("rate", 0, 1, 0.1, 0), 1.5, "expected rate from 0 to 1; got 1.5."),
        (Slider("rate", 0, 1, 0.1, 0), "a", "expected a number for rate; got 'a'."),
        (Slider("rate", 0, 1, 0.1, 0), True, "expected a number for rate; got 'True'."),
        (Slider("rate", 0, 1, 0.1, 0), float("nan"), "expected a number for rate; got 'nan'."),
        (Choice("kind", ("max", "mean"), "max"), "sum", "expected kind as one of max, mean; got 'sum'."),
        (Choice("kind", ("max", "mean"), "max"), ["max"], "expected kind as one of max, mean; got \"['max']\"."),
        (Toggle("bias"), 1, "expected bias as true or false; got '1'."),
        (Button("again"), -1, "expected again as a count of presses; got '-1'."),
        (Cells("x", ((0, 1),), (0, 1)), [[0, 2]], "expected x as 1 rows of 2 numbers among 0, 1; got something else."),
        (Cells("x", ((0, 1),), (0, 1)), [[0]], "expected x as 1 rows of 2 numbers among 0, 1; got something else."),
        (Drawing("digit", 2), [[0, 256], [0, 0]], "expected digit as 2 x 2 gray levels, 0 to 255; got none."),
        (OwnImage("photo", ("cat",)), "../x", "expected photo as one of cat, or an image; got '../x'."),
    ],
)
def test_a_value_out_of_range_is_refused(control, value, sentence):
    with pytest.raises(SettingError) as refusal:
        control.check(value)
    assert str(refusal.value) == sentence


def test_a_control_that_there_is_not_is_refused():
    with pytest.raises(SettingError, match="expected values of rate, count, bias; got one of 'seed'"):
        check_values(CONTROLS, {"seed": 1})


def test_nothing_drawn_is_black():
    assert Drawing("digit", 2).check([]) == [[0, 0], [0, 0]]
