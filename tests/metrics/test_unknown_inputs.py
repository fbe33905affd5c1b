import numpy as np
import pytest

from striate.metrics import unknown_inputs
from striate.metrics.unknown_inputs import FeatureStatistics, UnknownInputs

TWO_CLASSES = FeatureStatistics(
    centers_KD=np.array([[1, 0, 0], [0, 1, 0]], np.float32), axes_RD=np.array([[1, 0, 0]], np.float32),
    variances_R=np.array([0.04], np.float32), rest=0.01,
)  # fmt: skip


@pytest.mark.parametrize(
    ("features_D", "expected"),
    [
        ([2, 0, 0], 0),  # the length does not count
        ([0, 0, 5], (1 / 0.04 + 1 / 0.01) / 3),  # from the first class -1 along the axis and 1 across it; of three features
        ([3, 4, 0], (0.6**2 / 0.04 + 0.2**2 / 0.01) / 3),  # nearer to the second class
    ],
)
def test_distances_by_hand(features_D: list[float], expected: float):
    assert TWO_CLASSES.distances(np.array([features_D], np.float32)) == pytest.approx([expected], abs=1e-5)


def test_statistics_by_hand():
    # two classes of four images each: 0.6 sideways in the second feature, and 0.28 in the first; lengths do not count
    first_4D = np.array([[0.8, 0.6, 0], [0.8, -0.6, 0]] * 2) * [[1], [1], [2], [3]]
    second_4D = np.array([[0.28, 0, 0.96], [-0.28, 0, 0.96]] * 2)
    statistics = unknown_inputs.fit(np.concatenate([first_4D, second_4D]), np.repeat([3, 7], 4))
    assert statistics is not None
    assert statistics.centers_KD == pytest.approx(np.array([[0.8, 0, 0], [0, 0, 0.96]]))
    assert np.abs(statistics.axes_RD) == pytest.approx(np.array([[0, 1, 0]]), abs=1e-6)  # 8 - 2 = 6 degrees: one axis
    assert statistics.variances_R == pytest.approx([4 * 0.36 / 6])
    assert statistics.rest == pytest.approx(4 * 0.0784 / 6 / 2)  # shared by two directions


def test_more_features_than_images_give_the_same_axes_as_their_covariance():
    draws = np.random.default_rng(0)
    features_ND, labels_N = draws.normal(size=(24, 40)) * np.linspace(3, 0.1, 40), np.arange(24) % 3
    statistics = unknown_inputs.fit(features_ND, labels_N)
    assert statistics is not None
    unit_ND = features_ND / np.linalg.norm(features_ND, axis=1, keepdims=True)
    centers_KD = np.stack([unit_ND[labels_N == k].mean(axis=0) for k in range(3)])
    residuals_ND = unit_ND - centers_KD[labels_N]
    variances_D, axes_DD = np.linalg.eigh(residuals_ND.T @ residuals_ND / 21)
    assert len(statistics.axes_RD) == 5  # 21 // 4
    assert np.abs((statistics.axes_RD * axes_DD.T[::-1][:5]).sum(axis=1)) == pytest.approx(np.ones(5), abs=1e-5)
    assert statistics.variances_R == pytest.approx(variances_D[::-1][:5], rel=1e-5)


def test_too_few_images_or_equal_ones_have_no_statistics():
    assert unknown_inputs.fit(np.eye(5), np.array([0, 0, 1, 1, 1])) is None  # 3 degrees of freedom: no axis
    assert unknown_inputs.fit(np.ones((20, 4)), np.arange(20) % 2) is None
    assert unknown_inputs.fit(np.full((20, 4), np.nan), np.arange(20) % 2) is None


def test_a_feature_that_never_differs_makes_an_image_unknown_where_it_does():
    features_ND = np.random.default_rng(0).normal(size=(60, 4)) * [1, 1, 1, 0]
    statistics = unknown_inputs.fit(features_ND, np.zeros(60, np.int64))
    assert statistics is not None
    distances = statistics.distances(np.concatenate([features_ND, [[0, 0, 0, 1]]]))
    assert np.isfinite(distances).all()
    assert distances[-1] > 100 * distances[:-1].max()


@pytest.mark.parametrize(
    ("n", "rate", "expected"),
    [
        (18, 0.05, None),
        (19, 0.05, 19),  # 20 * 0.95 = 19: the largest of 19
        (20, 0.05, 20),  # 21 * 0.95 = 19.95: the 20th
        (39, 0.05, 38),  # 40 * 0.95 = 38: the largest but one
        (99, 0.1, 90),
    ],
)
def test_the_rank_of_the_threshold_by_hand(n: int, rate: float, expected: float | None):
    assert unknown_inputs.threshold(np.arange(n, 0, -1.0), rate) == expected


def test_an_image_is_unknown_beyond_the_threshold_and_where_its_distance_is_no_number():
    unknown = UnknownInputs(TWO_CLASSES, 3.0, 0.05)
    assert unknown.flags_of(np.array([2.9, 3.0, 3.1, np.inf, np.nan])).tolist() == [False, False, True, True, True]
    assert unknown.flags(np.array([[0, 3, 0], [3, 4, 0], [0, 0, 3]])).tolist() == [False, True, True]  # 0, 13 / 3, 125 / 3


def test_as_many_known_images_are_flagged_as_promised():
    draws, flagged = np.random.default_rng(0), []
    for _ in range(200):  # heavy tails, which no normal distribution has
        train, val, test = (draws.standard_t(3, size=(n, 6)) for n in (60, 39, 100))
        statistics = unknown_inputs.fit(train, np.arange(60) % 2)
        assert statistics is not None
        limit = unknown_inputs.threshold(statistics.distances(val), 0.05)
        assert limit is not None
        flagged.append(UnknownInputs(statistics, limit, 0.05).flags(test).mean())
    assert np.mean(flagged) == pytest.approx(0.05, abs=0.01)


def test_statistics_are_the_same_as_arrays():
    again = FeatureStatistics.of_arrays(TWO_CLASSES.arrays())
    values_ND = np.random.default_rng(0).normal(size=(10, 3))
    assert again.distances(values_ND).tolist() == TWO_CLASSES.distances(values_ND).tolist()


def test_the_image_that_gave_the_threshold_is_known_by_another_batch_too():
    values_ND = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    statistics = unknown_inputs.fit(values_ND, np.zeros(60, np.int64))
    assert statistics is not None
    val_V = statistics.distances(values_ND[:19])
    unknown = unknown_inputs.calibrated(statistics, val_V, 0.05)
    assert unknown is not None
    assert val_V.max() < unknown.threshold < 1.0001 * val_V.max()
    assert not unknown.flags_of(val_V * (1 + 1e-7)).any()
