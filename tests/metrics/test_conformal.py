import numpy as np
import pytest

from striate.base.errors import DataError, SettingError
from striate.metrics import conformal


def shares(true_N: list[float]) -> np.ndarray:
    """Probabilities of two classes, of which the first is true."""
    return np.array([[share, 1 - share] for share in true_N])


@pytest.mark.parametrize(
    ("n", "coverage", "expected"),
    [
        (19, 0.95, 0.01),  # 20 * 0.95 = 19: the smallest of 19
        (20, 0.95, 0.01),  # 21 * 0.95 = 19.95: the 20th
        (39, 0.95, 0.02),  # 40 * 0.95 = 38: the smallest but one
        (9, 0.5, 0.05),  # 10 * 0.5 = 5: the median
    ],
)
def test_the_rank_of_the_threshold_by_hand(n: int, coverage: float, expected: float):
    true_N = [(i + 1) / 100 for i in range(n)]
    assert conformal.set_threshold(shares(true_N), np.zeros(n, np.int64), coverage) == expected


def test_sets_by_hand():
    shares_NK = np.array([[0.5, 0.3, 0.2], [0.9, 0.06, 0.04]])
    assert conformal.members(shares_NK, 0.3).tolist() == [[True, True, False], [True, False, False]]
    assert conformal.members(shares_NK, 0.95).tolist() == [[True, False, False]] * 2
    score = conformal.score(shares_NK, np.array([1, 2]), 0.9, 0.3)
    assert score == (0.9, 0.5, 1.5, 0.5, 2)


def test_sets_cover_new_images_as_often_as_promised():
    draws, coverages = np.random.default_rng(0), []
    for _ in range(300):  # a model that is far too sure, 3 classes; 50 images for the threshold and 200 more
        logits_NK = draws.normal(size=(250, 3))
        labels_N = (logits_NK + draws.gumbel(size=(250, 3))).argmax(axis=1)
        shares_NK = np.exp(5 * logits_NK)
        shares_NK /= shares_NK.sum(axis=1, keepdims=True)
        threshold = conformal.set_threshold(shares_NK[:50], labels_N[:50], 0.9)
        coverages.append(conformal.score(shares_NK[50:], labels_N[50:], 0.9, threshold).measured)
    assert 0.89 < np.mean(coverages) < 0.92  # expected 46/51 = 0.902 (Vovk 2012), and std 0.04 / sqrt(300) of the mean


def test_halves_are_measured_by_each_other():
    true_N = [0.9] * 30 + [0.2] * 10
    score = conformal.by_halves(shares(true_N), np.zeros(40, np.int64), 0.95)
    assert score is not None
    assert (score.n, score.measured, score.single) == (40, 1.0, 0.75)  # 0.2 is in the sets, and so are both classes where it is
    assert score.size == 1.25
    assert conformal.by_halves(shares(true_N[:37]), np.zeros(37, np.int64), 0.95) is None


def test_too_few_images_are_refused_with_their_number():
    assert [conformal.images_needed(coverage) for coverage in (0.5, 0.8, 0.9, 0.95, 0.99)] == [1, 4, 9, 19, 99]
    with pytest.raises(DataError, match=r"^coverage=0\.99 needs at least 99 images; the test set has 84\. Add images"):
        conformal.check(0.99, 84, "the test set")
    with pytest.raises(SettingError, match=r"expected coverage between 0 and 1, as 0.95; got 95"):
        conformal.set_threshold(shares([0.5]), np.zeros(1, np.int64), 95)
