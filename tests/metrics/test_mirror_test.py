import numpy as np
import pytest

from striate.metrics.mirror_test import MirrorTest, _ridge, mirror_test

TEN = np.ones((10, 1))


def test_classes_that_mirroring_swaps_by_hand():
    # arrows at -1 and +1: all 20 right plain, none mirrored; 2 of 2^20 ways the coins can fall are as far apart
    plain_ND, labels_N = np.concatenate([-TEN, TEN]), np.repeat([0, 1], 10)
    assert mirror_test(plain_ND, -plain_ND, labels_N) == MirrorTest("swapped", 20, 1.0, 0.0, pytest.approx(2 / 2**20), (0, 1))


def test_classes_that_are_their_own_mirror_images():
    plain_ND, labels_N = np.concatenate([-TEN, TEN]), np.repeat([0, 1], 10)
    assert mirror_test(plain_ND, plain_ND, labels_N) == MirrorTest("same", 20, 1.0, 1.0, 1.0)


def test_what_cannot_be_learned_cannot_be_told():
    labels_N = np.repeat([0, 1], 10)
    assert mirror_test(np.ones((20, 1)), np.ones((20, 1)), labels_N).verdict == "unknown"
    random_ND = np.random.default_rng(0).normal(size=(40, 3))
    assert mirror_test(random_ND, -random_ND, np.arange(40) % 2).verdict == "unknown"


def test_mirror_images_that_look_like_no_class_are_worse_and_not_swapped():
    # all mirror images lie with class 1: 10 are lost, and each class's mean recall is 1/2, which is chance
    plain_ND, labels_N = np.concatenate([-TEN, TEN]), np.repeat([0, 1], 10)
    assert mirror_test(plain_ND, np.ones((20, 1)), labels_N) == MirrorTest("worse", 20, 1.0, 0.5, pytest.approx(2 / 2**10))


def test_two_of_three_classes_are_found_and_the_numbers_are_of_them():
    # the first feature is left or right, the second says class 2, which has no side
    plain_ND = np.concatenate([np.c_[-TEN, 0 * TEN], np.c_[TEN, 0 * TEN], np.c_[0 * TEN, TEN]])
    tested = mirror_test(plain_ND, plain_ND * [-1, 1], np.repeat([0, 1, 2], 10))
    assert tested == MirrorTest("swapped", 20, 1.0, 0.0, pytest.approx(2 / 2**20), (0, 1))


def test_several_images_of_one_scene_are_no_alarm():
    # five copies of each of 20 scenes: plain images are recognized by their copies, mirror images at random
    scenes_ND, generator = np.random.default_rng(1).normal(size=(20, 50)), np.random.default_rng(2)
    plain_ND = np.repeat(scenes_ND, 5, axis=0) + 0.01 * generator.normal(size=(100, 50))
    mirrored_ND = np.repeat(np.random.default_rng(3).normal(size=(20, 50)), 5, axis=0)
    tested = mirror_test(plain_ND, mirrored_ND, np.repeat(np.arange(20) % 2, 5))
    assert (tested.verdict, tested.accuracy) == ("worse", 1.0)


def test_one_class_that_has_no_pair_and_classes_of_one_image():
    assert mirror_test(np.arange(12.0)[:, None], np.arange(12.0)[:, None], np.zeros(12, np.int64)).verdict == "unknown"
    assert mirror_test(np.arange(12.0)[:, None], np.arange(12.0)[:, None], np.arange(12)).verdict == "unknown"


def test_false_alarms_on_symmetric_classes_are_below_the_level():
    generator, alarms = np.random.default_rng(0), 0
    labels_N = np.arange(60) % 3
    for _ in range(100):
        plain_ND = generator.normal(size=(60, 8))
        plain_ND[:, :3] += 0.7 * np.eye(3)[labels_N]  # learnable, and the same in the mirror
        mirrored_ND = np.c_[plain_ND[:, :3], -plain_ND[:, 3:]]  # the rest turns around
        alarms += mirror_test(plain_ND, mirrored_ND, labels_N).verdict == "swapped"
    assert alarms <= 1


def test_the_strength_of_the_ridge_regression_is_that_of_leaving_images_out():
    generator = np.random.default_rng(4)
    values_MD = generator.normal(size=(12, 30))
    values_MD -= values_MD.mean(axis=0)
    targets_MK = generator.normal(size=(12, 1))
    total = np.trace(values_MD @ values_MD.T)
    errors, weights = [], []
    for strength in (1e-3, 1e-2, 1e-1, 1.0):

        def fit(rows: np.ndarray, penalty: float = strength * total) -> np.ndarray:
            x_MD, t_MK = values_MD[rows], (targets_MK - targets_MK.mean())[rows]
            return np.linalg.solve(x_MD.T @ x_MD + penalty * np.eye(30), x_MD.T @ t_MK)

        left_out = [(targets_MK[m] - targets_MK.mean() - values_MD[m] @ fit(np.arange(12) != m)).item() for m in range(12)]
        errors.append(np.sum(np.square(left_out)))
        weights.append(fit(np.full(12, True)))
    weights_DK, bias_K = _ridge(values_MD, targets_MK)
    np.testing.assert_allclose(weights_DK, weights[int(np.argmin(errors))], atol=1e-9)
    assert bias_K == pytest.approx(targets_MK.mean())
