import warnings
from math import log

import numpy as np
import pytest

from striate.base.errors import DataError, NumbersError, ShapeError
from striate.metrics.intervals import wilson
from striate.metrics.multi_label import check, decide, log_loss, sigmoid, summary

# four images, labels cat, dog and eel; no image has an eel. Probabilities are 3/4 and 1/4
LABELS = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]])
LOGITS = log(3) * np.array([[1.0, -1.0, -1.0], [1.0, -1.0, -1.0], [1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])


def test_each_score_by_hand():
    scores = summary(LOGITS, LABELS, ("cat", "dog", "eel"), (0.5, 0.5, 0.5))
    cat, dog, eel = scores.per_label
    # cat: three predicted, two of them right, of two; dog: one predicted and right, of two; eel: one predicted, of none
    assert (cat.precision, cat.recall, cat.f1) == (wilson(2, 3), wilson(2, 2), pytest.approx(4 / 5))
    assert (dog.precision, dog.recall, dog.f1) == (wilson(1, 1), wilson(1, 2), pytest.approx(2 / 3))
    assert (eel.precision, eel.recall, eel.f1, eel.average_precision) == (wilson(0, 1), None, 0.0, None)
    assert [(row.support, row.predicted) for row in scores.per_label] == [(2, 3), (2, 1), (0, 1)]
    # cat: three equal scores at the top, two right: 2/3. dog: one right at the top, then all at the end: (1 + 2/4) / 2
    assert scores.mean_average_precision.value == pytest.approx((2 / 3 + 3 / 4) / 2)
    assert scores.macro_f1 == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert scores.micro_f1 == pytest.approx(2 * 3 / (5 + 4))
    assert scores.exact_match == wilson(1, 4)
    assert scores.label_accuracy == pytest.approx(9 / 12)
    assert scores.chance == pytest.approx(1 / 2)
    # 9 labels are right at 3/4, 3 at 1/4
    assert scores.loss == pytest.approx(-(9 * log(3 / 4) + 3 * log(1 / 4)) / 12)


def test_json_has_the_ends_of_the_intervals_and_the_labels_without_images():
    scores = summary(LOGITS, LABELS, ("cat", "dog", "eel"), (0.5, 0.5, 0.5)).as_json()
    assert scores["n"] == 4
    assert scores["low"] <= scores["map"] <= scores["high"]
    assert scores["without_images"] == ["eel"]
    assert scores["per_label"]["eel"]["recall"] is None
    assert scores["per_label"]["cat"]["recall"] == wilson(2, 2)._asdict()
    assert scores["per_label"]["dog"]["threshold"] == 0.5


def test_a_label_is_predicted_from_its_threshold_on():
    assert decide(np.zeros((1, 3)), (0.4, 0.5, 0.6)).tolist() == [[True, True, False]]


def test_the_sigmoid_does_not_overflow():
    assert sigmoid(np.array([[-1e4, 0.0, 1e4]], np.float32)).tolist() == [[0.0, 0.5, 1.0]]


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(DataError) as refused:
        check(np.zeros((3, 2)), np.zeros((3, 2), np.int64))
    assert str(refused.value) == "expected at least one image with a label to score; got 3 images without any."
    with pytest.raises(ShapeError) as refused_shape:
        check(np.zeros((3, 2)), np.zeros(3, np.int64))
    assert str(refused_shape.value) == "expected logits and labels N x K; got (3, 2) and (3,)."
    with pytest.raises(NumbersError, match="row 0 has nan for label 1"):
        log_loss(np.array([[0.0, np.nan]]), np.ones((1, 2), np.int64))
    with pytest.raises(ShapeError, match="expected 3 labels, each with a threshold and a logit; got 2 thresholds and 3 logits"):
        summary(LOGITS, LABELS, ("cat", "dog", "eel"), (0.5, 0.5))


def assert_equal_to_scikit_learn(seed: int) -> None:
    from sklearn import metrics

    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(2, 60)), int(rng.integers(2, 7))
    labels_NK = (rng.random((n, k)) < rng.uniform(0.05, 0.9)).astype(np.int64)
    labels_NK[0, 0] = 1
    logits_NK = np.round(rng.standard_normal((n, k)) + labels_NK, 1)  # with equal ones
    thresholds_K = rng.uniform(0.2, 0.8, k)
    scores = summary(logits_NK, labels_NK, tuple(map(str, range(k))), thresholds_K.tolist())
    chosen_NK = decide(logits_NK, thresholds_K).astype(np.int64)
    there_K = labels_NK.any(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision_K, recall_K, f1_K, support_K = metrics.precision_recall_fscore_support(
            labels_NK, chosen_NK, average=None, zero_division=0
        )
        ranked_K = [metrics.average_precision_score(labels_NK[:, at], logits_NK[:, at]) for at in range(k)]
        micro = metrics.f1_score(labels_NK, chosen_NK, average="micro", zero_division=0)
    for at, row in enumerate(scores.per_label):
        assert row.support == support_K[at]
        assert row.f1 == pytest.approx(f1_K[at])
        assert (row.precision.value if row.precision else 0) == pytest.approx(precision_K[at])
        assert (row.recall.value if row.recall else 0) == pytest.approx(recall_K[at])
        assert (row.average_precision.value if row.average_precision else 0) == pytest.approx(ranked_K[at])
    assert scores.mean_average_precision.value == pytest.approx(np.mean(np.array(ranked_K)[there_K]))
    assert scores.macro_f1 == pytest.approx(f1_K[there_K].mean())
    assert scores.micro_f1 == pytest.approx(micro)
    assert 1 - scores.label_accuracy == pytest.approx(metrics.hamming_loss(labels_NK, chosen_NK))
    assert scores.exact_match.value == pytest.approx(metrics.accuracy_score(labels_NK, chosen_NK))
    assert scores.loss == pytest.approx(metrics.log_loss(labels_NK.ravel(), sigmoid(logits_NK).ravel(), labels=[0, 1]))


def test_scores_equal_those_of_scikit_learn():
    for seed in range(5):
        assert_equal_to_scikit_learn(seed)


@pytest.mark.soak
def test_scores_equal_those_of_scikit_learn_in_a_thousand_cases():
    for seed in range(1000):
        assert_equal_to_scikit_learn(seed)
