import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data.stratified_labels import deal


def alone(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Clusters and hashes of images each of which is alone, hashed in their order."""
    return np.arange(count), np.arange(count, dtype=np.uint64)


def test_the_rarest_label_is_dealt_first_by_hand():
    # label 1 has two images, one for each part: the first goes to the part with more room, and by ties to the first part.
    # label 0 wants two of four in each part: image 0 is in part 0 already, image 3 in part 1; 1 to part 0, 2 to part 1
    labels_NK = np.array([[1, 1], [1, 0], [1, 0], [1, 1]])
    assert deal(labels_NK, *alone(4), (0.5, 0.5)).tolist() == [0, 0, 1, 1]


def test_images_without_a_label_fill_what_is_left():
    assert np.bincount(deal(np.zeros((10, 2), np.int64), *alone(10), (0.2, 0.8))).tolist() == [2, 8]


def test_a_label_of_two_images_is_in_both_parts_though_its_share_is_less_than_one():
    labels_NK = np.zeros((40, 2), np.int64)
    labels_NK[:, 0] = 1
    labels_NK[[7, 9], 1] = 1
    part_N = deal(labels_NK, *alone(40), (0.1, 0.9))
    assert sorted(part_N[[7, 9]].tolist()) == [0, 1]
    assert np.bincount(part_N).tolist() == [4, 36]


def test_clusters_stay_whole_and_the_order_of_the_hashes_decides():
    labels_NK = np.array([[1], [1], [1], [1]])
    first_N = np.array([2, 1, 2, 3])
    part_N = deal(labels_NK, first_N, np.array([9, 8, 1, 5], np.uint64), (0.5, 0.5))
    assert part_N.tolist() == [0, 1, 0, 1]  # the cluster of 0 and 2 is first, and fills part 0


def test_a_cluster_that_is_half_again_as_large_as_the_share_of_a_part_is_trained_on():
    first_N = np.array([0, 1, 2] + [3] * 8)  # of 11 images 4 are the share of the first part, so at most 6 fit
    part_N = deal(np.ones((11, 1), np.int64), first_N, np.arange(11, dtype=np.uint64), (0.4, 0.6))
    assert part_N.tolist() == [0, 0, 0] + [1] * 8  # in the order of the hashes the cluster was the first part, alone
    first_N = np.array([0, 1, 2] + [3] * 6 + [9, 10])
    part_N = deal(np.ones((11, 1), np.int64), first_N, np.arange(11, dtype=np.uint64), (0.4, 0.6))
    assert part_N.tolist() == [1, 1, 1] + [0] * 6 + [1, 1]  # six fit


def test_where_no_cluster_of_a_label_fits_the_smallest_is_taken():
    labels_NK, first_N = np.ones((12, 1), np.int64), np.array([0] * 8 + [8] * 4)
    part_N = deal(labels_NK, first_N, np.arange(12, dtype=np.uint64), (0.2, 0.8))  # the share is 2, so at most 3 fit
    assert part_N.tolist() == [1] * 8 + [0] * 4


def test_a_large_cluster_without_labels_is_trained_on():
    first_N = np.array([0, 1, 2] + [3] * 8)
    part_N = deal(np.zeros((11, 2), np.int64), first_N, np.arange(11, dtype=np.uint64), (0.4, 0.6))
    assert part_N.tolist() == [0, 0, 0] + [1] * 8


@given(st.integers(30, 120), st.integers(0, 1000))
def test_every_part_has_its_share_of_each_label(count: int, seed: int):
    rng = np.random.default_rng(seed)
    labels_NK = (rng.random((count, 5)) < (0.5, 0.3, 0.2, 0.1, 0.05)).astype(np.int64)
    part_N = deal(labels_NK, np.arange(count), rng.integers(0, 2**63, count).astype(np.uint64), (0.2, 0.8))
    images_K, tests_K = labels_NK.sum(axis=0), labels_NK[part_N == 0].sum(axis=0)
    assert (tests_K[images_K >= 2] >= 1).all()
    assert np.abs(tests_K - 0.2 * images_K).max() <= 3


@pytest.mark.soak
def test_the_shares_are_nearer_than_those_of_a_random_split():
    """The label distribution measure of Sechidis et al. 2011, section 4.1, over 50 data sets."""

    def distance(labels_NK: np.ndarray, part_N: np.ndarray) -> float:
        odds = [labels_NK[rows].mean(axis=0) / (1 - labels_NK[rows].mean(axis=0)) for rows in (part_N == 0, part_N >= 0)]
        return float(np.abs(odds[0] - odds[1]).mean())

    stratified, drawn = [], []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        labels_NK = (rng.random((2000, 12)) < rng.uniform(0.01, 0.4, 12)).astype(np.int64)
        hash_N = rng.integers(0, 2**63, 2000).astype(np.uint64)
        stratified.append(distance(labels_NK, deal(labels_NK, np.arange(2000), hash_N, (0.2, 0.8))))
        drawn.append(distance(labels_NK, np.where(rng.random(2000) < 0.2, 0, 1)))
    assert np.mean(stratified) < np.mean(drawn) / 5
