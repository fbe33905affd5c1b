import numpy as np
import pytest

from striate.base.errors import DataError
from striate.interpret.projection import principal, tsne

CLOUDS = np.concatenate([np.random.default_rng(0).normal(center, 0.1, (20, 6)) for center in (0.0, 3.0)])


def test_principal_components_of_points_on_a_line_have_all_the_variance_in_one():
    line = np.outer(np.arange(6.0), [3.0, 4.0])  # 5 apart
    plane = principal(line)
    assert plane.shares_2 == pytest.approx((1.0, 0.0))
    assert np.abs(np.diff(plane.points_N2[:, 0])) == pytest.approx([5.0] * 5)
    assert plane.perplexity is None


def test_they_agree_with_scikit_learn():
    from sklearn.decomposition import PCA

    expected = PCA(2).fit(CLOUDS)
    plane = principal(CLOUDS)
    assert np.abs(plane.points_N2) == pytest.approx(np.abs(expected.transform(CLOUDS)), abs=1e-9)
    assert plane.shares_2 == pytest.approx(expected.explained_variance_ratio_)


def test_tsne_keeps_two_clouds_apart_and_is_the_same_each_time():
    plane = tsne(CLOUDS)
    assert plane.perplexity == 10
    centers = plane.points_N2[:20].mean(axis=0), plane.points_N2[20:].mean(axis=0)
    apart = np.linalg.norm(centers[0] - centers[1])
    assert apart > 3 * plane.points_N2[:20].std()
    assert np.array_equal(tsne(CLOUDS).points_N2, plane.points_N2)


def test_images_that_all_look_the_same_lie_on_one_point():
    assert not tsne(np.ones((8, 3))).points_N2.any()
    assert not principal(np.ones((8, 3))).points_N2.any()


def test_one_feature_is_enough_and_four_images_are_not():
    assert principal(np.arange(5.0)[:, None]).points_N2.shape == (5, 2)
    with pytest.raises(DataError, match="at least 5 images to project; got 4"):
        principal(np.zeros((4, 3)))
