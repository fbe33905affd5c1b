import logging
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import linear_model, svm

from striate.base.errors import DataError
from striate.metrics.classification import softmax
from striate.training.transfer import feature_classifier
from striate.training.transfer.feature_classifier import Linear, Tried, fit
from striate.training.transfer.feature_scaling_and_folds import LabeledFeatures
from support.points import clusters


def fit_on(values_MD: Any, labels_M: Any, *arguments: Any, **named: Any) -> Any:
    """A classifier whose training images serve as validation images too."""
    images = LabeledFeatures(values_MD, labels_M)
    return fit(images, images, *arguments, **named)


def test_two_points_are_parted_half_way_between_them():
    values_MD = np.array([[0.0, 1.0], [4.0, 1.0]], np.float32)
    fitted = fit(LabeledFeatures(values_MD, np.array([0, 1])), LabeledFeatures(values_MD, np.array([0, 1])), classes=2)
    assert fitted.logits(np.array([[2.0, 1.0]], np.float32))[0].tolist() == pytest.approx([0, 0], abs=1e-5)
    assert fitted.logits(values_MD).argmax(axis=1).tolist() == [0, 1]
    assert fitted.weight_KD[:, 1].tolist() == [0, 0]  # the second feature never changes
    assert fitted.tried == ()


@pytest.mark.parametrize("kind", ["svm", "logistic"])
@pytest.mark.parametrize("normalize", ["standardize", "l2"])
@pytest.mark.parametrize("classes", [2, 4])
def test_clusters_are_told_apart(kind: Any, normalize: Any, classes: int):
    values_MD, labels_M = clusters(0, classes)
    new_ND, new_N = clusters(1, classes)
    fitted = fit(LabeledFeatures(values_MD, labels_M), clusters(2, classes), classes, kind, normalize)
    assert fitted.weight_KD.shape == (classes, 6)
    assert (fitted.logits(new_ND).argmax(axis=1) == new_N).mean() > 0.9
    assert fitted.unit == (normalize == "l2")
    assert len(fitted.tried) == 5
    assert fitted.c == max(fitted.tried, key=lambda trial: trial.accuracy).c


def test_standardization_is_inside_the_weights():
    values_MD, labels_M = clusters(3)
    moved_MD = (values_MD * np.array([1, 10, 100, 1000, 0.1, 5]) + np.array([7, 0, -300, 5000, 0, 1])).astype(np.float32)
    plain = fit_on(values_MD, labels_M, 3).logits(values_MD)
    assert fit_on(moved_MD, labels_M, 3).logits(moved_MD) == pytest.approx(plain, abs=2e-2)


def test_the_validation_images_scale_margins_to_probabilities_and_do_nothing_else():
    values_MD, labels_M = clusters(4, spread=0.6)
    sure_VD, sure_V = clusters(5, spread=0.1)
    vague_VD, vague_V = clusters(6, spread=1.5)
    sure = fit(LabeledFeatures(values_MD, labels_M), LabeledFeatures(sure_VD, sure_V), 3)
    vague = fit(LabeledFeatures(values_MD, labels_M), LabeledFeatures(vague_VD, vague_V), 3)
    ratios = sure.weight_KD / vague.weight_KD
    assert ratios == pytest.approx(np.full_like(ratios, ratios[0, 0]), rel=1e-3)
    assert ratios[0, 0] > 1.5
    assert sure.tried == vague.tried
    new_ND, new_N = clusters(7, spread=1.5, each=300)
    confident = softmax(vague.logits(new_ND)).max(axis=1).mean()
    assert confident == pytest.approx((vague.logits(new_ND).argmax(axis=1) == new_N).mean(), abs=0.1)


def test_a_class_of_one_image_leaves_nothing_to_compare(caplog: pytest.LogCaptureFixture):
    values_MD, labels_M = clusters(8)
    keep = np.concatenate([np.flatnonzero(labels_M != 2), np.flatnonzero(labels_M == 2)[:1]])
    with caplog.at_level(logging.INFO, logger="striate"):
        fitted = fit(LabeledFeatures(values_MD[keep], labels_M[keep]), LabeledFeatures(values_MD, labels_M), 3)
    assert fitted.tried == ()
    assert "A class has one training image, so nothing can be left out" in caplog.text


def test_strengths_are_compared_on_a_part_of_many_images(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feature_classifier, "_MOST_COMPARED", 45)
    seen: list[int] = []
    fitted = feature_classifier.fit_linear

    def counted(ready_MD: Any, labels_M: Any, kind: Any, c: float) -> Any:
        seen.append(len(labels_M))
        return fitted(ready_MD, labels_M, kind, c)

    monkeypatch.setattr(feature_classifier, "fit_linear", counted)
    values_MD, labels_M = clusters(9)
    fit_on(values_MD, labels_M, 3)
    assert seen == [36] * 25 + [90]


def test_a_class_of_one_image_among_many_is_no_fault(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feature_classifier, "_MOST_COMPARED", 20)
    values_MD, labels_M = clusters(12, classes=2)
    labels_M[0] = 2
    assert fit_on(values_MD, labels_M, 3).tried == ()


@given(st.integers(0, 100))
@settings(max_examples=10)
def test_the_same_seed_gives_the_same_weights(seed: int):
    values_MD, labels_M = clusters(seed, each=12)
    first, second = (fit_on(values_MD, labels_M, 3, seed=seed) for _ in range(2))
    assert first.weight_KD.tobytes() == second.weight_KD.tobytes()
    assert first.bias_K.tobytes() == second.bias_K.tobytes()


@pytest.mark.parametrize("kind", ["svm", "logistic"])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
def test_more_features_than_images_have_the_planes_of_a_fit_to_all_features(
    kind: Any, classes: int, strength: float, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(linear_model, "LogisticRegression", partial(linear_model.LogisticRegression, tol=1e-9))
    monkeypatch.setattr(svm, "LinearSVC", partial(svm.LinearSVC, tol=1e-9))
    values_MD, labels_M = clusters(11, classes, each=10, features=400, spread=0.5)
    values_MD -= values_MD.mean(axis=0)
    values_MD[7] = values_MD[3]  # rows that depend on one another
    span = feature_classifier.spanned(values_MD)
    assert span is not None
    c = strength / float(np.square(values_MD).sum(axis=1).mean())
    narrow_KM, narrow_K = feature_classifier.fit_linear(span.coordinates_MM, labels_M, kind, c)
    weight_KD, bias_K = feature_classifier.fit_linear(values_MD, labels_M, kind, c)
    assert span.back(narrow_KM) == pytest.approx(weight_KD, abs=1e-4 * float(np.abs(weight_KD).max()))
    assert narrow_K == pytest.approx(bias_K, abs=1e-4 * float(np.abs(weight_KD).max()))


@pytest.mark.parametrize("normalize", ["standardize", "l2"])
def test_a_fit_in_fewer_dimensions_is_for_the_features_as_they_came(normalize: Any, monkeypatch: pytest.MonkeyPatch):
    values_MD, labels_M = clusters(11, each=10, features=400, spread=0.1)
    values_MD[:, 200:] += 3 * (normalize == "standardize")
    values_MD[:, 100:110] = normalize == "standardize"
    narrow = fit_on(values_MD, labels_M, 3, "svm", normalize)
    monkeypatch.setattr(feature_classifier, "spanned", lambda _: None)
    whole = fit_on(values_MD, labels_M, 3, "svm", normalize)
    assert narrow.tried == whole.tried
    assert narrow.logits(values_MD) == pytest.approx(whole.logits(values_MD), rel=1e-2, abs=1e-2)


@given(st.integers(1, 12), st.integers(0, 100))
def test_the_coordinates_of_rows_keep_lengths_angles_and_planes(count: int, seed: int):
    draws = np.random.default_rng(seed)
    rows_MD = draws.normal(size=(count, 13)).astype(np.float32)
    rows_MD[count // 2] = 0
    span = feature_classifier.spanned(rows_MD)
    assert span is not None
    assert span.coordinates_MM.shape == (count, count)
    exact_MD = rows_MD.astype(np.float64)
    assert span.coordinates_MM @ span.coordinates_MM.T == pytest.approx(exact_MD @ exact_MD.T, abs=1e-10)
    weight_KM = draws.normal(size=(2, count)) @ span.coordinates_MM  # of the rows' span, as fitted weights are
    assert exact_MD @ span.back(weight_KM).T == pytest.approx(span.coordinates_MM @ weight_KM.T, abs=1e-8)


def test_rows_with_no_more_features_than_there_are_rows_are_left_as_they_are():
    assert feature_classifier.spanned(np.ones((4, 4), np.float32)) is None


def test_the_comparison_can_be_stopped_between_two_fits():
    fits = iter(range(3))
    values_MD, labels_M = clusters(10)
    with pytest.raises(StopIteration):
        fit_on(values_MD, labels_M, 3, tick=lambda _done, _total: next(fits) and None)


def test_each_fit_is_counted():
    ticks: list[tuple[int, int]] = []
    values_MD, labels_M = clusters(10)
    fit_on(values_MD, labels_M, 3, tick=lambda done, total: ticks.append((done, total)))
    total = ticks[0][1]  # one for each strength and fold, and the last on all
    assert ticks == [(done, total) for done in range(total - 1)]


def test_features_are_divided_by_their_length_by_hand():
    linear = Linear(np.array([[1, 0]], np.float32), np.array([2], np.float32), True, 1.0, (Tried(1.0, 1.0),))
    assert linear.logits(np.array([[30, 40]], np.float32)).tolist() == [[pytest.approx(2.6)]]


@pytest.mark.parametrize(("labels", "classes", "counts"), [([0, 0], 2, "[2, 0]"), ([0, 0], 1, "[2]")])
def test_classes_without_images_are_refused(labels: list[int], classes: int, counts: str):
    values_MD = np.zeros((2, 3), np.float32)
    with pytest.raises(DataError) as refused:
        fit(LabeledFeatures(values_MD, np.array(labels)), LabeledFeatures(values_MD, np.array(labels)), classes)
    assert str(refused.value) == f"expected at least two classes with training images; got images by class {counts}."
