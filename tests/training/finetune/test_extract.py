import logging
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.base.errors import DataError
from striate.score.metrics import softmax
from striate.training.finetune import extract
from striate.training.finetune.extract import Linear, Tried, fit, unit_length


def clusters(seed: int, classes: int = 3, each: int = 30, features: int = 6, spread: float = 0.3) -> tuple[Any, Any]:
    """Points around corners of a cube, which planes can part."""
    draws = np.random.default_rng(seed)
    labels_M = np.repeat(np.arange(classes), each)
    points_MD = np.eye(classes, features)[labels_M] + spread * draws.normal(size=(len(labels_M), features))
    order = draws.permutation(len(labels_M))
    return points_MD[order].astype(np.float32), labels_M[order]


def test_two_points_are_parted_half_way_between_them():
    values_MD = np.array([[0.0, 1.0], [4.0, 1.0]], np.float32)
    found = fit(values_MD, np.array([0, 1]), values_MD, np.array([0, 1]), classes=2)
    assert found.logits(np.array([[2.0, 1.0]], np.float32))[0].tolist() == pytest.approx([0, 0], abs=1e-5)
    assert found.logits(values_MD).argmax(axis=1).tolist() == [0, 1]
    assert found.weight_KD[:, 1].tolist() == [0, 0]  # the second feature never changes
    assert found.tried == ()


@pytest.mark.parametrize("kind", ["svm", "logistic"])
@pytest.mark.parametrize("normalise", ["standardise", "l2"])
@pytest.mark.parametrize("classes", [2, 4])
def test_clusters_are_told_apart(kind: Any, normalise: Any, classes: int):
    values_MD, labels_M = clusters(0, classes)
    new_ND, new_N = clusters(1, classes)
    found = fit(values_MD, labels_M, *clusters(2, classes), classes, kind, normalise)
    assert found.weight_KD.shape == (classes, 6)
    assert (found.logits(new_ND).argmax(axis=1) == new_N).mean() > 0.9
    assert found.unit == (normalise == "l2")
    assert len(found.tried) == 5
    assert found.c == max(found.tried, key=lambda one: one.accuracy).c


def test_standardisation_is_inside_the_weights():
    values_MD, labels_M = clusters(3)
    moved_MD = (values_MD * np.array([1, 10, 100, 1000, 0.1, 5]) + np.array([7, 0, -300, 5000, 0, 1])).astype(np.float32)
    plain = fit(values_MD, labels_M, values_MD, labels_M, 3).logits(values_MD)
    assert fit(moved_MD, labels_M, moved_MD, labels_M, 3).logits(moved_MD) == pytest.approx(plain, abs=2e-2)


def test_the_validation_images_scale_margins_to_probabilities_and_do_nothing_else():
    values_MD, labels_M = clusters(4, spread=0.6)
    sure_VD, sure_V = clusters(5, spread=0.1)
    vague_VD, vague_V = clusters(6, spread=1.5)
    sure = fit(values_MD, labels_M, sure_VD, sure_V, 3)
    vague = fit(values_MD, labels_M, vague_VD, vague_V, 3)
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
        found = fit(values_MD[keep], labels_M[keep], values_MD, labels_M, 3)
    assert found.tried == ()
    assert "A class has one training image, so nothing can be left out" in caplog.text


def test_strengths_are_compared_on_a_part_of_many_images(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(extract, "_MOST_COMPARED", 50)
    seen: list[int] = []
    fitted = extract._fitted

    def counted(ready_MD: Any, labels_M: Any, kind: Any, c: float) -> Any:
        seen.append(len(labels_M))
        return fitted(ready_MD, labels_M, kind, c)

    monkeypatch.setattr(extract, "_fitted", counted)
    values_MD, labels_M = clusters(9)
    fit(values_MD, labels_M, values_MD, labels_M, 3)
    assert seen == [40] * 25 + [90]


@given(st.integers(0, 100))
@settings(max_examples=10)
def test_the_same_seed_gives_the_same_weights(seed: int):
    values_MD, labels_M = clusters(seed, each=12)
    one, other = (fit(values_MD, labels_M, values_MD, labels_M, 3, seed=seed) for _ in range(2))
    assert one.weight_KD.tobytes() == other.weight_KD.tobytes()
    assert one.bias_K.tobytes() == other.bias_K.tobytes()


def test_the_comparison_can_be_stopped_between_two_fits():
    fits = iter(range(3))
    values_MD, labels_M = clusters(10)
    with pytest.raises(StopIteration):
        fit(values_MD, labels_M, values_MD, labels_M, 3, tick=lambda: next(fits) and None)


def test_rows_of_unit_length_by_hand():
    assert unit_length(np.array([[3, 4], [0, 0]], np.float32)).tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0]]
    linear = Linear(np.array([[1, 0]], np.float32), np.array([2], np.float32), True, 1.0, (Tried(1.0, 1.0),))
    assert linear.logits(np.array([[30, 40]], np.float32)).tolist() == [[pytest.approx(2.6)]]


@pytest.mark.parametrize(("labels", "classes", "counts"), [([0, 0], 2, "[2, 0]"), ([0, 0], 1, "[2]")])
def test_classes_without_images_are_refused(labels: list[int], classes: int, counts: str):
    values_MD = np.zeros((2, 3), np.float32)
    with pytest.raises(DataError) as refused:
        fit(values_MD, np.array(labels), values_MD, np.array(labels), classes)
    assert str(refused.value) == f"expected at least two classes with training images; got images by class {counts}."
