"""Each criterion against its definition, one element at a time with numpy's own least squares."""

import numpy as np
import pytest
from numpy.typing import NDArray

from striate.base.errors import SettingError
from striate.history.gmdh.criteria import CRITERIA, Candidates, Combined, apply, least_squares, named, terms

Floats = NDArray[np.float64]
Rows = tuple[Floats, Floats, Floats, Floats]
PAIRS = np.array([[0, 1], [0, 2], [1, 2]])


@pytest.fixture(scope="module")
def rows() -> Rows:
    draw = np.random.default_rng(3)
    X, y = draw.normal(size=(30, 3)), draw.normal(size=30)
    return X[:16], X[16:], y[:16], y[16:]


@pytest.fixture(scope="module")
def candidates(rows: Rows) -> Candidates:
    X_A, X_B, y_A, y_B = rows
    return Candidates(terms(X_A, PAIRS), terms(X_B, PAIRS), y_A, y_B)


def by_hand(name: str, X_A: Floats, X_B: Floats, y_A: Floats, y_B: Floats, pair: NDArray[np.int64]) -> float:
    def six(X: Floats) -> Floats:
        u, v = X[:, pair[0]], X[:, pair[1]]
        return np.column_stack([np.ones(len(X)), u, v, u * v, u**2, v**2])

    A, B = six(X_A), six(X_B)
    w_A, w_B = np.linalg.lstsq(A, y_A)[0], np.linalg.lstsq(B, y_B)[0]
    w = np.linalg.lstsq(np.vstack([A, B]), np.concatenate([y_A, y_B]))[0]
    return float(
        {
            "regularity": sum((y_B - B @ w_A) ** 2),
            "symmetric_regularity": sum((y_B - B @ w_A) ** 2) + sum((y_A - A @ w_B) ** 2),
            "stability": sum((y_B - B @ w_A) ** 2) + sum((y_A - A @ w_A) ** 2),
            "unbiased_outputs": sum((B @ w_A - B @ w_B) ** 2),
            "symmetric_unbiased_outputs": sum((B @ w_A - B @ w_B) ** 2) + sum((A @ w_A - A @ w_B) ** 2),
            "unbiased_coefficients": sum((w_A - w_B) ** 2),
            "absolute_noise_immunity": (B @ w - B @ w_A) @ (B @ w_B - B @ w),
            "training_error": sum((y_A - A @ w_A) ** 2),
        }[name]
    )


@pytest.mark.parametrize("name", CRITERIA)
def test_a_criterion_is_what_its_definition_says(name: str, candidates: Candidates, rows: Rows):
    assert CRITERIA[name](candidates).tolist() == pytest.approx([by_hand(name, *rows, pair) for pair in PAIRS], rel=1e-9)


def test_two_criteria_are_combined_by_their_share(candidates: Candidates):
    first, second = CRITERIA["regularity"](candidates), CRITERIA["unbiased_outputs"](candidates)
    assert Combined("regularity", "unbiased_outputs", 0.25)(candidates) == pytest.approx(0.25 * first + 0.75 * second)
    with pytest.raises(SettingError, match="There is no criterion 'stabilty'; did you mean stability"):
        Combined("regularity", "stabilty")(candidates)


def test_ones_own_function_is_a_criterion():
    def own(candidates: Candidates) -> Floats:
        return -candidates.error_A(candidates.weights_A)

    assert named(own) is own


def test_the_terms_of_a_pair_are_one_both_their_product_and_their_squares():
    assert terms(np.array([[2.0, 3.0, 5.0]]), np.array([[0, 2]])).tolist() == [[[1, 2, 5, 10, 4, 25]]]


def test_weights_are_those_of_least_squares_and_the_shortest_where_columns_are_equal():
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(20, 2)), draw.normal(size=20)
    X[:, 1] = X[:, 0]
    six = terms(X, np.array([[0, 1]]))
    weights = least_squares(six, y)
    best = np.polyfit(X[:, 0], y, 2)
    assert apply(six, weights)[0] == pytest.approx(np.polyval(best, X[:, 0]), abs=1e-12)
    assert weights[0, 1] == pytest.approx(best[1] / 2)
    assert weights[0, 2] == pytest.approx(best[1] / 2)
