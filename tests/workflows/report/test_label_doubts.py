from types import SimpleNamespace
from typing import Any

import numpy as np

from striate.interpret.nearest_images import Vote
from striate.workflows.report.label_doubts import is_doubted, other_bank, votes


def dataset(thumbs_NSS: Any, labels_N: list[int]) -> Any:
    return SimpleNamespace(
        stored=SimpleNamespace(thumbs_NSS=thumbs_NSS), examples=SimpleNamespace(labels_N=np.array(labels_N, np.int64))
    )


def stripes(lying: list[bool]) -> Any:
    """Small gray copies with stripes that lie or stand, each with noise of its own."""
    rng = np.random.default_rng(0)
    wave_S = (128 + 100 * np.sin(np.arange(32) / 2)).astype(np.int64)
    images = [np.tile(wave_S, (32, 1)) for _ in lying]
    return np.array(
        [(image.T if down else image) + rng.integers(0, 20, (32, 32)) for image, down in zip(images, lying, strict=True)]
    ).astype(np.uint8)


def test_neighbors_by_gradients_contradict_a_wrong_label_and_confirm_a_right_one():
    lying = [True] * 12 + [False] * 12
    images = dataset(stripes([*lying, True, True]), [*lying, True, False])  # the label of the last one is wrong
    bank = other_bank(images, np.arange(24))
    assert votes(images, bank, np.array([24, 25])) == [Vote(5, None, 0, False), Vote(0, 1, 5, True)]


def test_features_that_do_not_tell_the_classes_apart_doubt_no_label():
    images = dataset(stripes([True] * 24), [0, 1] * 12)
    assert other_bank(images, np.arange(24)) is None
    assert other_bank(dataset(stripes([True] * 19), [0] * 19), np.arange(19)) is None  # too few
    assert votes(images, None, np.array([3, 4])) == [None, None]


def test_a_label_is_doubted_where_both_kinds_of_features_agree_on_another_class():
    against_7, against_3, none = Vote(0, 7, 5, True), Vote(1, 3, 4, True), Vote(3, 7, 2, False)
    assert is_doubted(against_7, Vote(2, 7, 3, True))
    assert not is_doubted(against_7, against_3)
    assert not is_doubted(against_7, none)
    assert not is_doubted(none, against_7)
    assert not is_doubted(against_7, None)
