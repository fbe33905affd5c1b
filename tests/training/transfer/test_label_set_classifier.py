import numpy as np
import pytest
from sklearn import linear_model

from striate.base.errors import DataError
from striate.metrics.average_precision import average_precision
from striate.metrics.multi_label import sigmoid
from striate.training.transfer.feature_scaling_and_folds import LabeledFeatures
from striate.training.transfer.label_set_classifier import fit
from striate.workflows.several_labels import label_folds

RNG = np.random.default_rng(0)


def labeled(count: int, spread: float = 0.5, labels: int = 3) -> LabeledFeatures:
    """Features of which the first few each say one label, and two that say nothing."""
    labels_NK = (RNG.random((count, labels)) < 0.4).astype(np.int64)
    values_ND = np.concatenate([labels_NK, np.zeros((count, 2))], axis=1) + spread * RNG.normal(size=(count, labels + 2))
    return LabeledFeatures(values_ND.astype(np.float32), labels_NK)


@pytest.mark.parametrize("kind", ["logistic", "svm"])
@pytest.mark.parametrize("normalize", ["standardize", "l2"])
def test_each_label_is_told_from_its_absence(kind, normalize):
    train, val, new = labeled(90, 0.3), labeled(40, 0.3), labeled(200, 0.3)
    fitted = fit(train, val, np.arange(90) % 5, kind, normalize)
    logits_NK = fitted.logits(new.values_MD)
    assert logits_NK.shape == (200, 3)
    assert min(average_precision(logits_NK[:, k], new.labels_M[:, k] > 0) for k in range(3)) > 0.8
    assert len(fitted.tried) == 5
    assert fitted.c == max(fitted.tried, key=lambda trial: (trial.accuracy, -trial.c)).c


def test_it_is_the_logistic_regression_of_scikit_learn_for_each_label():
    train = labeled(60)
    fitted = fit(train, LabeledFeatures(train.values_MD[:0], train.labels_M[:0]), np.full(60, -1))
    assert fitted.tried == ()  # nothing to compare by: the usual strength, 1 / the mean squared length
    standard_MD = (train.values_MD - train.values_MD.mean(axis=0)) / train.values_MD.std(axis=0)
    c = 1 / np.square(standard_MD).sum(axis=1).mean()
    assert fitted.c == pytest.approx(c, rel=1e-4)
    for k in range(3):
        theirs = linear_model.LogisticRegression(C=fitted.c, tol=1e-8, max_iter=1000).fit(standard_MD, train.labels_M[:, k])
        ours = fitted.logits(train.values_MD)[:, k]
        assert ours == pytest.approx(theirs.decision_function(standard_MD), abs=2e-2)


def test_a_label_that_all_images_have_or_none_gets_its_odds():
    train, val = labeled(50), labeled(20)
    labels_NK = np.concatenate([train.labels_M, np.ones((50, 1), np.int64), np.zeros((50, 1), np.int64)], axis=1)
    val_NK = np.concatenate([val.labels_M, np.ones((20, 1), np.int64), np.zeros((20, 1), np.int64)], axis=1)
    fitted = fit(LabeledFeatures(train.values_MD, labels_NK), LabeledFeatures(val.values_MD, val_NK), np.arange(50) % 5)
    assert not fitted.weight_KD[3:].any()
    share = sigmoid(fitted.logits(val.values_MD))[0, 3:]
    assert share[0] > 0.9
    assert share[1] < 0.1
    assert fitted.bias_K[3] == pytest.approx(-fitted.bias_K[4])  # log(50.5 / 0.5) and its negative, scaled alike


def test_images_without_labels_are_refused():
    train = labeled(10)
    with pytest.raises(DataError, match=r"expected training images with labels; got 10 without any\. Add labels\."):
        fit(LabeledFeatures(train.values_MD, np.zeros((10, 3), np.int64)), train, np.arange(10) % 5)


def test_folds_have_their_share_of_every_label_and_at_most_so_many_images():
    labels_NK, ids_N = labeled(100).labels_M, np.arange(100, dtype=np.uint64)
    fold_N = label_folds.of(labels_NK, ids_N, seed=0)
    assert sorted(np.bincount(fold_N).tolist()) == [20] * 5
    for number in range(5):
        assert np.abs(labels_NK[fold_N == number].mean(axis=0) - labels_NK.mean(axis=0)).max() <= 0.1
    few_N = label_folds.of(labels_NK, ids_N, seed=0, most=40)
    assert (few_N >= 0).sum() == 40
    assert (label_folds.of(labels_NK, ids_N, seed=1) != fold_N).any()
