import numpy as np
import pytest

from striate.batches.neighbor_pixel_scatter import clouds

# four images of 2 x 2 pixels: only the lower two pixels vary, and together; the right one by half as much
IMAGES_NHWC = np.array(
    [[[[7], [9]], [[0], [51]]], [[[7], [9]], [[0], [51]]], [[[7], [9]], [[204], [153]]], [[[7], [9]], [[204], [153]]]], np.uint8
)
ALL = np.arange(4)


def test_the_pair_is_the_one_that_varies_together_most():
    pair = clouds(IMAGES_NHWC, ALL, "mean")
    assert (pair.row, pair.column, pair.channel) == (1, 0, 0)


@pytest.mark.parametrize(
    ("what", "steps"),
    [
        ("mean", ["raw", "centered"]),
        ("std", ["raw", "centered", "scaled"]),
        ("whitening", ["raw", "centered", "scaled", "decorrelated", "whitened"]),
    ],
)
def test_each_thing_has_its_steps(what: str, steps: list[str]):
    assert [cloud.name for cloud in clouds(IMAGES_NHWC, ALL, what).clouds] == steps


def test_the_steps_by_hand():
    # left 0 or .8, right .2 or .6: deviations .4 and .2; together a line
    raw, centered, scaled, decorrelated, whitened = clouds(IMAGES_NHWC, ALL, "whitening", epsilon=0.2).clouds
    assert np.sort(raw.points_N2, axis=0).tolist() == pytest.approx(np.array([[0, 0.2], [0, 0.2], [0.8, 0.6], [0.8, 0.6]]))
    assert np.sort(centered.points_N2, axis=0)[0].tolist() == pytest.approx([-0.4, -0.2])
    assert centered.covariance_22.tolist() == pytest.approx(np.array([[0.16, 0.08], [0.08, 0.04]]))
    assert scaled.covariance_22.tolist() == pytest.approx(
        np.array([[0.16 / 0.36, 0.08 / (0.36 * 0.24) ** 0.5], [0.08 / (0.36 * 0.24) ** 0.5, 0.04 / 0.24]])
    )
    assert decorrelated.covariance_22.tolist() == pytest.approx(np.diag([0.2, 0.0]), abs=1e-12)
    assert whitened.covariance_22.tolist() == pytest.approx(np.diag([0.5, 0.0]), abs=1e-12)


def test_after_a_reduction_the_steps_are_of_the_pixels_that_are_rebuilt():
    half = clouds(IMAGES_NHWC, ALL, "whitening", epsilon=0.2, rebuild=lambda bytes_NHWC: (bytes_NHWC / 510).astype(np.float32))
    names = ["raw", "centered", "reduced", "scaled", "decorrelated", "whitened"]
    assert [cloud.name for cloud in half.clouds] == names
    _, centered, reduced, scaled, decorrelated, whitened = half.clouds
    # deviations .4 and .2 before, .2 and .1 after
    assert centered.covariance_22.tolist() == pytest.approx(np.array([[0.16, 0.08], [0.08, 0.04]]))
    assert reduced.covariance_22.tolist() == pytest.approx(np.array([[0.04, 0.02], [0.02, 0.01]]))
    assert np.diag(scaled.covariance_22).tolist() == pytest.approx([0.04 / 0.24, 0.01 / 0.21])
    assert decorrelated.covariance_22.tolist() == pytest.approx(np.diag([0.05, 0.0]), abs=1e-8)
    assert whitened.covariance_22.tolist() == pytest.approx(np.diag([0.05 / 0.25, 0.0]), abs=1e-8)


def test_only_the_rows_given_are_looked_at():
    poisoned = np.concatenate([IMAGES_NHWC, np.arange(4 * 3, dtype=np.uint8).reshape(3, 2, 2, 1)])
    given = clouds(poisoned, ALL, "std").clouds
    for one, other in zip(given, clouds(IMAGES_NHWC, ALL, "std").clouds, strict=True):
        assert one.points_N2.tolist() == other.points_N2.tolist()
