import numpy as np
import pytest

from striate.base.errors import DataError, SettingError
from striate.metrics import abstention


def test_the_binomial_tail_by_hand():
    assert abstention.p_value(1, 2, 0.5) == pytest.approx(3 / 4)
    assert abstention.p_value(1, 3, 0.1) == pytest.approx(0.9**3 + 3 * 0.1 * 0.9**2)
    assert abstention.p_value(0, 149, 0.02) == pytest.approx(0.98**149)
    assert abstention.p_value(2, 2, 0.3) == 1


@pytest.mark.parametrize(("max_error", "numbers"), [(0.05, [59, 93, 124, 153]), (0.02, [149, 236, 313]), (0.01, [299, 473])])
def test_the_numbers_of_acceptance_sampling(max_error: float, numbers: list[int]):
    """Sample sizes for 95 % confidence with 0, 1, 2, ... failures, as tables of acceptance sampling have them."""
    assert [abstention.images_needed(max_error, errors) for errors in range(len(numbers))] == numbers


def test_another_confidence_needs_other_numbers():
    assert [abstention.images_needed(0.02, confidence=level) for level in (0.8, 0.9, 0.99)] == [
        80,
        114,
        228,
    ]  # 0.98^n <= 1 - level
    assert abstention.images_needed(0.05, 1, 0.9) == 77
    chosen = abstention.choose(np.linspace(1, 0.5, 100), np.ones(100, np.bool_), 0.02, 0.8)
    assert chosen == (0.02, 0.8, 0.5, 1.0, 0, 100)
    with pytest.raises(DataError, match=r"needs at least 228 images .*; the data has 100\. .* from 0\.046 on\.$"):
        abstention.check(0.02, 100, confidence=0.99)
    with pytest.raises(SettingError, match=r"expected confidence between 0 and 1, as 0.95; got 95"):
        abstention.check(0.02, 100, confidence=95)


def test_a_threshold_is_tried_on_other_images():
    probabilities_N, right_N = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False])
    assert abstention.tried(probabilities_N, right_N, 0.7) == (None, None, 0.7, 0.75, 1, 4)
    assert abstention.tried(probabilities_N, right_N, None) == (None, None, None, 0.0, 0, 4)


def test_without_a_mistake_every_prediction_is_given():
    chosen = abstention.choose(np.linspace(0.5, 1, 200), np.ones(200, np.bool_), 0.02)
    assert chosen == (0.02, 0.95, 0.5, 1.0, 0, 200)


def test_the_threshold_lies_above_the_first_mistake_that_is_too_many():
    probabilities_N = np.linspace(1, 0.5, 200)
    right_N = np.arange(200) != 160  # with one wrong, 236 would be needed
    chosen = abstention.choose(probabilities_N, right_N, 0.02)
    assert (chosen.errors, chosen.coverage) == (0, 0.8)
    assert chosen.threshold == probabilities_N[159]


def test_equal_probabilities_are_given_together():
    probabilities_N = np.repeat([0.9, 0.6], 100)
    chosen = abstention.choose(probabilities_N, np.arange(200) != 150, 0.02)
    assert (chosen.threshold, chosen.coverage, chosen.errors) == (None, 0, 0)  # 149 are needed, and so all 200, one wrong
    assert abstention.choose(probabilities_N, np.arange(200) != 150, 0.05).threshold == 0.6


def test_where_no_threshold_holds_there_is_none():
    chosen = abstention.choose(np.linspace(1, 0.5, 200), np.arange(200) % 2 == 1, 0.02)
    assert chosen == (0.02, 0.95, None, 0.0, 0, 200)


def test_too_few_images_are_refused_with_their_number():
    with pytest.raises(
        DataError,
        match=r"^max_error=0\.02 needs at least 149 images on which the model makes no mistake; the test set has 84\. "
        r"Add images, or allow more errors: from 0\.036 on\.$",
    ):
        abstention.check(0.02, 84, "the test set")
    abstention.check(0.036, 84)
    with pytest.raises(DataError, match=r"the test set has 0\. Add images\.$"):
        abstention.check(0.02, 0, "the test set")
    with pytest.raises(SettingError, match=r"expected max_error between 0 and 1, as 0.02; got 2"):
        abstention.choose(np.ones(3), np.ones(3, np.bool_), 2)


def test_the_error_rate_is_kept_to_on_new_images():
    """500 data sets of a model that is wrong in 1 - p of its predictions of probability p: at most 5 % exceed the rate."""
    draws, exceeded, given = np.random.default_rng(0), 0, 0
    grid_P = np.linspace(0.6, 1, 2000)
    for _ in range(500):
        probabilities_N = draws.uniform(0.6, 1, 300)
        chosen = abstention.choose(probabilities_N, draws.random(300) < probabilities_N, 0.1)
        if chosen.threshold is not None:
            given += 1
            exceeded += bool(1 - grid_P[grid_P >= chosen.threshold].mean() > 0.1)
    assert given > 200
    assert exceeded <= 36  # 25 expected at most, and 2.3 standard deviations
