from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.base.errors import DataError
from striate.metrics.classification import softmax
from striate.training.transfer import feature_classifier, knn
from striate.training.transfer.feature_scaling_and_folds import LabeledFeatures, folds
from striate.training.transfer.knn import FittedKNN, fit
from support.points import clusters


def fit_on(values_MD: Any, labels_M: Any, *arguments: Any, **named: Any) -> Any:
    """A classifier whose training images serve as validation images too."""
    images = LabeledFeatures(values_MD, labels_M)
    return fit(images, images, *arguments, **named)


def test_the_training_images_are_kept_and_answer_for_themselves():
    values_MD, labels_M = clusters(0, spread=0.1)
    fitted = fit(LabeledFeatures(values_MD, labels_M), clusters(1), 3)
    assert fitted.layer.bank_MD.numpy() == pytest.approx((values_MD - values_MD.mean(axis=0)) / values_MD.std(axis=0), abs=1e-4)
    assert fitted.layer.labels_M.tolist() == labels_M.tolist()
    assert (fitted.logits(values_MD).argmax(axis=1) == labels_M).all()
    assert fitted.settings == {"knn_memory": 90, "knn_k": fitted.layer.k, "unit_features": False}


@pytest.mark.parametrize("normalize", ["standardize", "l2"])
@pytest.mark.parametrize("classes", [2, 4])
def test_clusters_are_told_apart(normalize: Any, classes: int):
    new_ND, new_N = clusters(1, classes)
    fitted = feature_classifier.fit(clusters(0, classes), clusters(2, classes), classes, "knn", normalize)
    assert isinstance(fitted, FittedKNN)
    assert (fitted.logits(new_ND).argmax(axis=1) == new_N).mean() > 0.9
    assert fitted.layer.unit_features == (normalize == "l2")


def test_rings_are_told_apart_which_no_plane_can():
    draws = np.random.default_rng(0)
    angles_M, labels_M = draws.uniform(0, 2 * np.pi, 200), np.arange(200) % 2
    values_MD = (np.stack([np.cos(angles_M), np.sin(angles_M)], axis=1) * (1 + labels_M[:, None])).astype(np.float32)
    points = LabeledFeatures(values_MD, labels_M)
    near, plane = (feature_classifier.fit(points, points, 2, kind) for kind in ("knn", "svm"))
    assert max(trial.accuracy for trial in near.tried) > 0.95
    assert max(trial.accuracy for trial in plane.tried) < 0.7


@given(st.integers(0, 1000))
@settings(max_examples=10)
def test_the_shares_of_left_out_images_are_those_of_a_fit_for_each_number(seed: int):
    from sklearn.neighbors import KNeighborsClassifier

    values_MD, labels_M = clusters(seed, spread=0.7)
    fitted = fit_on(values_MD, labels_M, 3, seed=seed)
    ready_MD = fitted.layer.bank_MD.numpy()
    for k, accuracy in fitted.tried[:1]:  # for more than one neighbor scikit-learn breaks even votes in another way
        right = [
            KNeighborsClassifier(k).fit(ready_MD[learn], labels_M[learn]).predict(ready_MD[left]) == labels_M[left]
            for learn, left in folds(labels_M, seed)
        ]
        assert accuracy == pytest.approx(np.concatenate(right).mean())
    for k, accuracy in fitted.tried[1:]:
        right = []
        for learn, left in folds(labels_M, seed):
            layer = knn.KNNHead(6, 3, len(learn), k)
            layer.bank_MD, layer.labels_M = fitted.layer.bank_MD[learn], fitted.layer.labels_M[learn]
            right.append(layer(fitted.layer.bank_MD[left]).argmax(dim=1).numpy() == labels_M[left])
        assert accuracy == np.concatenate(right).mean()


def test_the_best_number_is_taken_and_of_those_as_good_the_largest():
    noisy_MD, labels_M = clusters(3, spread=0.9, each=60)
    fitted = fit_on(noisy_MD, labels_M, 3)
    assert [trial.k for trial in fitted.tried] == [1, 3, 5, 9, 15, 25]
    assert fitted.chosen == {"k": max(fitted.tried, key=lambda trial: trial.accuracy).k}
    assert fitted.layer.k > 1
    clear_MD, labels_M = clusters(3, spread=0.01, each=60)
    assert fit_on(clear_MD, labels_M, 3).chosen == {"k": 25}


def test_numbers_that_are_more_than_there_are_images_are_not_tried():
    values_MD, labels_M = clusters(4, classes=2, each=6)  # folds of five leave nine to learn from
    assert [trial.k for trial in fit_on(values_MD, labels_M, 2).tried] == [1, 3, 5, 9]


def test_a_class_of_one_image_is_answered_by_its_nearest():
    values_MD, labels_M = clusters(5)
    keep = np.concatenate([np.flatnonzero(labels_M != 2), np.flatnonzero(labels_M == 2)[:1]])
    fitted = fit(LabeledFeatures(values_MD[keep], labels_M[keep]), LabeledFeatures(values_MD, labels_M), 3)
    assert (fitted.tried, fitted.chosen) == ((), {"k": 1})
    assert fitted.logits(values_MD[keep[-1:]]).argmax() == 2


def test_many_images_ask_by_some_of_them_and_are_all_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(knn, "_MOST_ASKED", 45)
    shapes: list[tuple[int, ...]] = []
    gaps = knn.knn_head.gaps

    def counted(ready_ND: Any, bank_MD: Any) -> Any:
        shapes.append((len(ready_ND), len(bank_MD)))
        return gaps(ready_ND, bank_MD)

    monkeypatch.setattr(knn.knn_head, "gaps", counted)
    values_MD, labels_M = clusters(6)
    fit(LabeledFeatures(values_MD, labels_M), LabeledFeatures(values_MD[:0], labels_M[:0]), 3)
    assert {bank for _, bank in shapes} == {90}
    assert sum(asked for asked, _ in shapes) == 45


def test_the_validation_images_scale_the_logits_and_do_nothing_else():
    values_MD, labels_M = clusters(7, spread=0.6)
    sure = fit(LabeledFeatures(values_MD, labels_M), clusters(8, spread=0.1), 3)
    vague = fit(LabeledFeatures(values_MD, labels_M), clusters(9, spread=1.5), 3)
    assert sure.tried == vague.tried
    assert sure.layer.scale > vague.layer.scale
    new_ND, new_N = clusters(10, spread=1.5, each=300)
    confident = softmax(vague.logits(new_ND)).max(axis=1).mean()
    assert confident == pytest.approx((vague.logits(new_ND).argmax(axis=1) == new_N).mean(), abs=0.1)


def test_it_can_be_stopped_between_two_chunks_of_images():
    chunks = iter(range(3))
    values_MD, labels_M = clusters(11)
    with pytest.raises(StopIteration):
        fit_on(values_MD, labels_M, 3, tick=lambda _done, _total: next(chunks) and None)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (
            (50_001, 1),
            "a classifier by nearest neighbors keeps every training image: expected at most 50,000; got 50,001. "
            "Take --classifier svm or logistic.",
        ),
        (
            (20_000, 16_384),
            "16,384 features of 20,000 training images take 1.31 GB, which a classifier by nearest neighbors would keep: "
            "expected at most 1. Read a layer with fewer by --layer, or take --classifier svm or logistic.",
        ),
    ],
)
def test_more_than_a_network_can_carry_is_refused(shape: tuple[int, int], text: str):
    values_MD = np.broadcast_to(np.zeros(1, np.float32), shape)  # takes no memory
    labels_M = np.arange(shape[0]) % 2
    with pytest.raises(DataError) as refused:
        feature_classifier.fit(LabeledFeatures(values_MD, labels_M), LabeledFeatures(values_MD[:2], labels_M[:2]), 2, "knn")
    assert str(refused.value) == text


def test_features_that_are_no_numbers_are_refused():
    values_MD, labels_M = clusters(12)
    values_MD[3, 2] = np.nan
    with pytest.raises(DataError, match="expected features that are finite numbers; some are not"):
        fit_on(values_MD, labels_M, 3)


def test_the_same_seed_gives_the_same_bytes():
    values_MD, labels_M = clusters(13)
    first, second = (fit_on(values_MD, labels_M, 3, seed=4) for _ in range(2))
    assert first.chosen == second.chosen
    assert all(torch.equal(tensor, second.state[name]) for name, tensor in first.state.items())
