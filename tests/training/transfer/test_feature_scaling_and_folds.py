import numpy as np
import pytest

from striate.training.transfer.feature_scaling_and_folds import folds, standard, subsample, unit_length


def test_rows_of_unit_length_by_hand():
    assert unit_length(np.array([[3, 4], [0, 0]], np.float32)).tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0]]


def test_features_are_standardized_and_those_that_never_change_say_nothing():
    shift_D, factor_D = standard(np.array([[1, 7], [5, 7]], np.float32))
    assert shift_D.tolist() == [3, 7]
    assert factor_D.tolist() == [0.5, 0]


def test_some_images_are_the_same_share_of_each_class_but_five_where_it_has_them():
    labels_M = np.repeat([0, 1, 2, 3], [600, 380, 17, 3])
    kept_M = subsample(labels_M, 100, seed=0)
    assert np.bincount(labels_M[kept_M]).tolist() == [60, 38, 5, 3]
    assert kept_M.tolist() == sorted(set(kept_M.tolist()))
    assert kept_M.tolist() != subsample(labels_M, 100, seed=1).tolist()
    assert subsample(labels_M, 1000, seed=0).tolist() == list(range(1000))


@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_folds_leave_every_image_out_once_and_have_every_class(seed: int):
    labels_M = np.repeat([0, 1], [20, 3])
    parts = folds(labels_M, seed)
    assert sorted(np.concatenate([part.left_out for part in parts]).tolist()) == list(range(23))
    assert len(parts) == 3
    assert all(set(labels_M[part.learn]) == set(labels_M[part.left_out]) == {0, 1} for part in parts)
