import json
import warnings
from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)
from sklearn.metrics import log_loss as sklearn_log_loss

from striate.base.errors import DataError, NumbersError, ShapeError
from striate.metrics import classification, macro_scores
from striate.metrics.classification import ClassScore

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """The intervals of macro scores are tested in their own file."""
    monkeypatch.setattr(macro_scores, "_DRAWS", 2)
    monkeypatch.setattr(macro_scores, "_FEWEST", 2)


def labels(*values: int) -> Ints:
    return np.array(values, dtype=np.int64)


def sure(*predicted: int, classes: int) -> Floats:
    """Logits whose largest is 1, at the class that is to be predicted."""
    return np.eye(classes)[list(predicted)]


@st.composite
def answered(draw: st.DrawFn) -> tuple[Floats, Ints, int]:
    n, k = draw(st.integers(1, 30)), draw(st.integers(2, 8))
    # few values, so that logits are often equal and classes often absent
    logits_NK = draw(arrays.arrays(np.float64, (n, k), elements=st.sampled_from([-2.0, -0.5, 0.0, 1.0, 3.0])))
    return logits_NK, draw(arrays.arrays(np.int64, n, elements=st.integers(0, k - 1))), k


# Six images of three classes: truth 0 0 0 1 1 2, answers 0 0 1 1 0 0. Class 2 is never answered.
TRUTH, ANSWERS = labels(0, 0, 0, 1, 1, 2), labels(0, 0, 1, 1, 0, 0)


def test_confusion_counts_true_classes_in_rows():
    assert classification.confusion(ANSWERS, TRUTH, 3).tolist() == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]


def test_precision_recall_and_f1_by_hand():
    scores = classification.per_class(classification.confusion(ANSWERS, TRUTH, 3))
    assert scores[0] == pytest.approx((2 / 4, 2 / 3, 4 / 7, 3))  # 2 hits, 4 answers, 3 truths
    assert scores[1] == pytest.approx((1 / 2, 1 / 2, 1 / 2, 2))
    assert scores[2] == ClassScore(0.0, 0.0, 0.0, 1)  # never answered: 0/0 is 0


def test_a_class_that_is_nowhere_scores_zero():
    assert classification.per_class(classification.confusion(labels(0), labels(0), 2)) == ((1, 1, 1, 1), (0, 0, 0, 0))


def test_softmax_by_hand_and_without_overflow():
    # logits log 1, log 2, log 5 have the shares 1/8, 2/8, 5/8, whatever is added to all of them
    logits_NK = np.log([[1.0, 2.0, 5.0]])
    for added in (0.0, 1000.0, -1000.0):
        assert classification.softmax(logits_NK + added)[0].tolist() == pytest.approx([0.125, 0.25, 0.625])
    assert classification.softmax(np.array([[0, 3e38]], dtype=np.float32)).tolist() == [[0.0, 1.0]]


def test_softmax_is_in_float64_also_for_float32_logits():
    shares_NK = classification.softmax(np.zeros((1, 3), dtype=np.float32))
    assert shares_NK.dtype == np.float64
    assert shares_NK[0, 0] == 1 / 3


def test_log_loss_by_hand():
    logits_NK = np.log([[1.0, 2.0, 5.0], [1.0, 2.0, 5.0]])
    assert classification.log_loss(logits_NK, labels(2, 0)) == pytest.approx((log(8 / 5) + log(8)) / 2)
    assert classification.log_loss(np.array([[0.0, 1e6]]), labels(0)) == 1e6  # not infinite: no logarithm of a rounded 0


def test_top_k_by_hand():
    logits_NK = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    assert [classification.top_k(logits_NK, labels(0, 1, 2), k) for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])


def test_a_label_is_in_the_top_k_if_fewer_than_k_classes_score_higher():
    equal_NK = np.array([[5.0, 1.0, 1.0, 1.0]])
    assert [classification.top_k(equal_NK, labels(3), k) for k in (1, 2)] == [0.0, 1.0]


def test_among_equal_logits_the_first_class_is_the_answer():
    assert classification.accuracy(np.zeros((2, 3)), labels(0, 2)).value == 0.5
    assert classification.summary(np.zeros((2, 3)), labels(0, 2), ("a", "b", "c")).confusion_KK[:, 0].tolist() == [1, 0, 1]


def test_accuracy_has_its_interval():
    result = classification.accuracy(sure(*[0] * 10, classes=2), labels(*[0] * 9, 1))
    assert (result.value, round(result.low, 3), round(result.high, 3), result.n) == (0.9, 0.596, 0.982, 10)


def test_calibration_error_by_hand():
    # Two bins: 0.9 with 1 of 2 right, a gap of 0.4; 0.6 with 2 of 2 right, a gap of 0.4 the other way
    shares_NK = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    assert classification.calibration_error(np.log(shares_NK), labels(0, 1, 0, 0)) == pytest.approx(0.4)


def test_gaps_cancel_only_within_one_bin():
    # 0.88 and 0.92 lie in one bin of (13/15, 14/15]: 0.9 on average, and 9 of 10 are right
    shares_NK = np.array([[0.88, 0.12], [0.92, 0.08]] * 5)
    assert classification.calibration_error(np.log(shares_NK), labels(*[0] * 9, 1)) == pytest.approx(0.0, abs=1e-12)
    # 0.82 and 0.98 do not: |1 - 0.82| and |0.8 - 0.98|, each half of the images
    shares_NK = np.array([[0.82, 0.18], [0.98, 0.02]] * 5)
    assert classification.calibration_error(np.log(shares_NK), labels(*[0] * 9, 1)) == pytest.approx(0.18)


def test_a_net_that_is_sure_and_right_is_calibrated():
    assert classification.calibration_error(1e4 * sure(0, 1, 1, classes=2), labels(0, 1, 1)) == 0.0
    assert classification.calibration_error(1e4 * sure(0, 1, 1, classes=2), labels(1, 0, 0)) == 1.0


def test_summary_holds_every_score():
    result = classification.summary(sure(*ANSWERS.tolist(), classes=3), TRUTH, ("cat", "dog", "owl"))
    assert (result.accuracy.value, result.accuracy.n) == (0.5, 6)
    assert result.majority == 0.5  # three of six are cats
    assert result.macro_f1.value == pytest.approx((4 / 7 + 1 / 2 + 0) / 3)
    assert result.balanced_accuracy.value == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert result.top5 is None
    confidence = exp(1) / (exp(1) + 2)
    assert result.calibration_error == pytest.approx(abs(0.5 - confidence))
    assert result.log_loss == pytest.approx(log(exp(1) + 2) - 0.5)  # the true logit is 1 for half of them, else 0


def test_classes_without_images_do_not_count_in_macro_f1():
    result = classification.summary(sure(0, 0, 4, classes=5), labels(0, 0, 1), tuple("abcde"))
    assert result.macro_f1.value == pytest.approx((1 + 0) / 2)


def test_summary_as_json_has_the_promised_keys_and_is_json():
    result = classification.summary(sure(*ANSWERS.tolist(), classes=3), TRUTH, ("cat", "dog", "owl")).as_json()
    assert list(result) == [
        "accuracy", "low", "high", "n", "top5", "macro_f1", "macro_f1_low", "macro_f1_high", "balanced_accuracy",
        "balanced_accuracy_low", "balanced_accuracy_high", "majority", "per_class", "confusion", "calibration_error",
        "log_loss",
    ]  # fmt: skip
    assert result["per_class"]["dog"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}
    assert result["confusion"] == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]
    assert json.loads(json.dumps(result, allow_nan=False)) == result


@pytest.mark.parametrize(("k", "top5"), [(5, None), (6, 5 / 6)])
def test_top5_is_said_only_where_it_can_fail(k: int, top5: float | None):
    logits_NK = np.tile(np.arange(k, 0, -1.0), (k, 1))  # class 0 first, class k-1 last, for every image
    assert classification.summary(logits_NK, np.arange(k), tuple("abcdef"[:k])).top5 == top5


@given(answered())
def test_scikit_learn_says_the_same(taken: tuple[Floats, Ints, int]):
    logits_NK, labels_N, k = taken
    predicted_N = logits_NK.argmax(axis=1)
    result = classification.summary(logits_NK, labels_N, tuple(f"class {i}" for i in range(k)))
    assert result.confusion_KK.tolist() == confusion_matrix(labels_N, predicted_N, labels=range(k)).tolist()
    theirs = precision_recall_fscore_support(labels_N, predicted_N, labels=range(k), zero_division=0)
    assert np.array(result.per_class) == pytest.approx(np.array(theirs).T)
    assert result.log_loss == pytest.approx(sklearn_log_loss(labels_N, classification.softmax(logits_NK), labels=range(k)))


@pytest.mark.parametrize("cases", [50, pytest.param(1000, marks=pytest.mark.soak)])
def test_scikit_learn_gives_the_same_means_over_classes(cases: int):
    source = np.random.default_rng(0)
    for _ in range(cases):
        k, n = source.integers(2, 8), source.integers(1, 30)
        logits_NK = source.choice([-2.0, -0.5, 0.0, 1.0, 3.0], (n, k))  # few values: equal logits, absent classes
        labels_N = source.integers(0, k, n)
        predicted_N = logits_NK.argmax(axis=1)
        result = classification.summary(logits_NK, labels_N, tuple(map(str, range(k))))
        assert result.accuracy.value == pytest.approx(accuracy_score(labels_N, predicted_N))
        macro_f1 = f1_score(labels_N, predicted_N, labels=np.unique(labels_N), average="macro", zero_division=0)
        assert result.macro_f1.value == pytest.approx(macro_f1)
        with warnings.catch_warnings(action="ignore"):  # of classes that are predicted and have no images
            assert result.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(labels_N, predicted_N))


@given(st.integers(0, 1000), st.integers(3, 12), st.integers(1, 4))
def test_scikit_learn_agrees_on_top_k_where_no_logits_are_equal(seed: int, classes: int, k: int):
    source = np.random.default_rng(seed)
    logits_NK, labels_N = source.normal(size=(20, classes)), source.integers(0, classes, 20)
    k = min(k, classes - 1)
    theirs = top_k_accuracy_score(labels_N, logits_NK, k=k, labels=range(classes))
    assert classification.top_k(logits_NK, labels_N, k) == pytest.approx(theirs)


@given(answered())
def test_the_laws_of_a_summary(taken: tuple[Floats, Ints, int]):
    logits_NK, labels_N, k = taken
    result = classification.summary(logits_NK, labels_N, tuple(f"class {i}" for i in range(k)))
    assert result.confusion_KK.sum() == len(labels_N)
    assert np.trace(result.confusion_KK) == round(result.accuracy.value * len(labels_N))
    assert sum(score.support for score in result.per_class) == len(labels_N)
    assert max(score.support for score in result.per_class) == round(result.majority * len(labels_N))
    assert 0 <= result.calibration_error <= 1
    assert result.log_loss >= 0
    assert classification.softmax(logits_NK).sum(axis=1) == pytest.approx(np.ones(len(labels_N)))


@given(answered())
def test_the_order_of_the_images_does_not_matter(taken: tuple[Floats, Ints, int]):
    logits_NK, labels_N, k = taken
    names = tuple(f"class {i}" for i in range(k))
    forth, back = (classification.summary(logits_NK[::step], labels_N[::step], names) for step in (1, -1))
    assert forth.confusion_KK.tolist() == back.confusion_KK.tolist()
    assert (forth.log_loss, forth.calibration_error) == pytest.approx((back.log_loss, back.calibration_error))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_logit_that_is_no_number_is_refused_with_its_row(number: float):
    logits_NK = np.zeros((4, 3))
    logits_NK[2, 1] = logits_NK[3, 0] = number
    with pytest.raises(NumbersError) as refused:
        classification.summary(logits_NK, labels(0, 0, 0, 0), ("a", "b", "c"))
    assert str(refused.value) == f"expected finite logits; row 2 has {number} for class 1. Lower train.lr."


@pytest.mark.parametrize(
    ("logits_NK", "labels_N", "kind", "text"),
    [
        (np.zeros((0, 3)), labels(), DataError, "expected at least one image to score; got none."),
        (np.zeros((2, 3)), labels(0), ShapeError, "expected logits N x K and labels N; got (2, 3) and (1,)."),
        (np.zeros(3), labels(0), ShapeError, "expected logits N x K and labels N; got (3,) and (1,)."),
        (np.zeros((2, 3)), labels(0, 3), ShapeError, "expected labels from 0 to 2; got 0 to 3."),
        (np.zeros((2, 3)), labels(-1, 0), ShapeError, "expected labels from 0 to 2; got -1 to 0."),
        (np.zeros((2, 4)), labels(0, 1), ShapeError, "expected one logit for each of 3 classes; got 4."),
    ],
)
def test_what_cannot_be_scored_is_refused(logits_NK: Floats, labels_N: Ints, kind: type[Exception], text: str):
    with pytest.raises(kind) as refused:
        classification.summary(logits_NK, labels_N, ("a", "b", "c"))
    assert str(refused.value) == text
