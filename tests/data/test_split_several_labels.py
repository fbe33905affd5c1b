"""The split of images with several labels each."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from striate.base.config import Data
from striate.base.errors import DataError
from striate.data.examples import Examples, Part
from striate.data.examples_from_source import ids_of
from striate.data.split import divide

HASHES = np.arange(30, dtype=np.uint64)


def examples(labels_NK: np.ndarray) -> Examples:
    names = [f"{number}.png" for number in range(len(labels_NK))]
    classes = tuple(str(k) for k in range(labels_NK.shape[1]))
    return Examples(Path(), tuple(names), labels_NK, classes, ids_of(names), np.full(len(names), Part.FREE, np.uint8))


def test_folds_of_several_labels_have_their_share_of_each_and_are_complete():
    labels_NK = np.array([[1, 0], [0, 1], [1, 1]] * 10)
    all_ = replace(examples(labels_NK), groups_N=np.array([0, 0, 0, *range(1, 28)]))
    tested = np.zeros(30, np.int64)
    for fold in range(3):
        split = divide(all_, HASHES, Data(multi_label=True, folds=3, fold=fold))
        train, val, test = (set(part.tolist()) for part in (split.train_M, split.val_M, split.test_M))
        assert len(train | val | test) == len(train) + len(val) + len(test) == 30
        assert len(test) == 10
        assert abs(len(val) - 3) <= 1  # a tenth of all images, as near as the shares of the labels allow
        assert all(6 <= count <= 8 for count in labels_NK[sorted(test)].sum(axis=0))  # 20 of each label in 3 folds
        assert {0, 1, 2} <= test or not {0, 1, 2} & test
        tested[sorted(test)] += 1
    assert (tested == 1).all()


def test_a_label_of_too_few_images_for_the_folds_is_refused_with_the_number_that_works():
    labels_NK = np.zeros((30, 2), np.int64)
    labels_NK[:, 0] = 1
    labels_NK[:3, 1] = 1
    message = r"^label '1' has 3 images; expected enough for each of the 5 folds .* Use --folds 3, or"
    with pytest.raises(DataError, match=message):
        divide(examples(labels_NK), HASHES, Data(multi_label=True, folds=5))
