import numpy as np
import pytest

from striate.metrics import label_errors

# Two classes: thresholds are the means of the own probabilities, (0.9 + 0.7 + 0.2) / 3 = 0.6 and (0.8 + 0.6 + 0.1) / 3 = 0.5
LABELS_N = np.array([0, 0, 0, 1, 1, 1])
SHARES_NK = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.2, 0.8], [0.4, 0.6], [0.9, 0.1]])


def test_thresholds_are_the_mean_probability_of_each_class_among_its_own_images():
    assert label_errors.thresholds(SHARES_NK, LABELS_N) == pytest.approx([0.6, 0.5])


def test_a_class_without_images_is_never_confident():
    shares_NK = np.array([[0.5, 0.1, 0.4], [0.1, 0.8, 0.1]])
    assert label_errors.thresholds(shares_NK, np.array([0, 1]))[2] > 1
    assert label_errors.confident_joint(shares_NK, np.array([0, 1]))[:, 2].tolist() == [0, 0, 0]


def test_the_joint_counts_labels_against_confident_classes():
    assert label_errors.confident_joint(SHARES_NK, LABELS_N).tolist() == [[2, 1], [1, 2]]


def test_images_that_reach_no_threshold_are_left_out_of_the_joint():
    shares_NK = np.array([[0.9, 0.1], [0.55, 0.45], [0.1, 0.9], [0.48, 0.52]])  # thresholds 0.725 and 0.71
    assert label_errors.confident_joint(shares_NK, np.array([0, 0, 1, 1])).tolist() == [[1, 0], [0, 1]]


def test_suspects_come_by_the_probability_of_their_label():
    errors = label_errors.find(SHARES_NK, LABELS_N)
    assert errors.rows_S.tolist() == [5, 2]  # own probabilities 0.1 and 0.2
    assert errors.suggested_S.tolist() == [0, 1]
    assert errors.confidence_S.tolist() == [0.1, 0.2]
    assert errors.joint_KK.tolist() == [[2, 1], [1, 2]]
    assert (errors.estimated, errors.likely_S.tolist()) == (2, [5, 2])


def test_the_joint_is_scaled_to_the_images_of_each_label():
    shares_NK = np.array([[0.9, 0.1], [0.55, 0.45], [0.1, 0.9], [0.48, 0.52]])
    assert label_errors.find(shares_NK, np.array([0, 0, 1, 1])).joint_KK.tolist() == [[2, 0], [0, 2]]


@pytest.mark.soak  # importing cleanlab takes seconds
def test_it_equals_cleanlab_on_random_cases():
    count = pytest.importorskip("cleanlab.count")
    rank = pytest.importorskip("cleanlab.rank")
    for seed in range(100):
        draw = np.random.default_rng(seed)
        classes = int(draw.integers(2, 6))
        labels_N = np.concatenate([np.arange(classes), draw.integers(0, classes, 100)])
        shares_NK = draw.dirichlet(np.ones(classes), len(labels_N))
        shares_NK[np.arange(len(labels_N)), labels_N] += draw.uniform(0, 2)
        shares_NK /= shares_NK.sum(axis=1, keepdims=True)
        joint_KK = count.compute_confident_joint(labels_N, shares_NK, calibrate=False)
        ours = label_errors.confident_joint(shares_NK, labels_N)
        assert (np.maximum(ours, np.eye(classes, dtype=int)) == joint_KK).all()
        errors = label_errors.find(shares_NK, labels_N)
        rounded_KK = count.compute_confident_joint(labels_N, shares_NK)  # cleanlab rounds to whole images
        assert np.abs(errors.joint_KK - rounded_KK).max() <= 1
        quality_N = rank.get_self_confidence_for_each_label(labels_N, shares_NK)
        assert errors.confidence_S == pytest.approx(np.sort(quality_N[errors.rows_S]))
