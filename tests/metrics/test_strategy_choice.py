import numpy as np
import pytest

from striate.metrics.intervals import wilson
from striate.metrics.paired_test import holm
from striate.metrics.strategy_choice import Candidate, recommend


def candidate(name: str, val_right: int, wrong: range | None, seconds: float = 60.0) -> Candidate:
    """Of 100 validation images so many right; of 100 test images all right but a range."""
    right_N = np.ones(100, bool)
    if wrong is not None:
        right_N[list(wrong)] = False
    return Candidate(name, wilson(val_right, 100), None if wrong is None else right_N, seconds)


def test_the_best_on_validation_is_taken_and_of_equals_the_first():
    choice = recommend(
        [candidate("extract", 90, range(0)), candidate("adapt", 92, range(50)), candidate("retrain", 92, range(0))]
    )
    assert choice.name == "adapt"


def test_a_single_strategy_is_reported_as_such():
    choice = recommend([candidate("extract", 90, range(10))])
    assert choice == ("extract", {}, "Only extract was trained: validation accuracy 90.00 % on 100 images.")


def test_a_significant_lead_is_reported():
    # Ten images that only the chosen one has right: p = 2 / 2 ** 10 = 0.00195, twice that after Holm
    choice = recommend(
        [candidate("extract", 80, range(10)), candidate("adapt", 79, range(12)), candidate("retrain", 90, range(0))]
    )
    assert choice.p_values == {"extract": 2 / 2**10, "adapt": 2 / 2**12}
    assert choice.sentence == (
        "Choose retrain: the highest validation accuracy 90.00 % on 100 images; on the test images it is significantly better "
        "than extract and adapt."
    )


def test_a_difference_that_may_be_chance_is_reported_with_the_time_saved():
    # Three images that only the chosen one has right, none the other way: p = 2 / 8
    choice = recommend([candidate("extract", 85, range(3), seconds=20), candidate("retrain", 90, range(0), seconds=600)])
    assert choice.p_values == {"extract": 0.25}
    assert choice.sentence == (
        "Choose retrain: the highest validation accuracy 90.00 % on 100 images; its difference from extract on the test "
        "images is not significant (p = 0.25); extract took 20 s instead of 10 min."
    )


def test_a_rival_that_did_better_on_the_test_images_is_reported_and_not_chosen():
    choice = recommend([candidate("extract", 85, range(0)), candidate("retrain", 90, range(10))])
    assert choice.name == "retrain"
    assert choice.sentence.endswith(
        "but extract is significantly better on the test images, which must not choose: hold out more validation images."
    )


def test_without_test_images_nothing_is_claimed():
    choice = recommend([candidate("extract", 85, None), candidate("retrain", 90, None)])
    assert choice.sentence == (
        "Choose retrain: the highest validation accuracy 90.00 % on 100 images. "
        "Without test images no difference can be tested."
    )
    assert not choice.p_values


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": 0.01}, {"a": 0.01}),
        ({"a": 0.02, "b": 0.02}, {"a": 0.04, "b": 0.04}),
        ({"a": 0.6, "b": 0.7}, {"a": 1.0, "b": 1.0}),
        ({}, {}),
    ],
)
def test_holm(given: dict[str, float], expected: dict[str, float]):
    assert holm(given) == pytest.approx(expected)
