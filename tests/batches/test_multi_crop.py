import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.base.errors import SettingError
from striate.batches import multi_crop
from striate.data.decode import InputSpec
from striate.metrics.classification import softmax

PIXELS_NHWC = np.arange(2 * 16, dtype=np.uint8).reshape(2, 4, 4, 1)  # rows of the first: 0..3, 4..7, 8..11, 12..15


def test_five_views_are_the_corners_and_the_center_and_ten_also_their_mirror_images():
    actual = [view[0, ..., 0].tolist() for view in multi_crop.cut(PIXELS_NHWC, 2, 10)]
    assert actual[:5] == [[[0, 1], [4, 5]], [[2, 3], [6, 7]], [[8, 9], [12, 13]], [[10, 11], [14, 15]], [[5, 6], [9, 10]]]
    assert actual[5:] == [[row[::-1] for row in view] for view in actual[:5]]
    assert [view[0, ..., 0].tolist() for view in multi_crop.cut(PIXELS_NHWC, 2, 5)] == actual[:5]
    assert [view.tolist() for view in multi_crop.cut(PIXELS_NHWC, 4, 1)] == [PIXELS_NHWC.tolist()]


def test_images_for_several_views_are_larger_by_eight_sevenths():
    own = InputSpec(224, 3, "crop", (1, 2, 3), 0.7)
    assert multi_crop.decode_spec(own, 10) == InputSpec(256, 3, "crop", (1, 2, 3), pytest.approx(0.8))
    assert multi_crop.decode_spec(own, 1) is own
    assert multi_crop.decode_spec(InputSpec(28, 1, "squash"), 5) == InputSpec(32, 1, "squash")
    assert multi_crop.decode_spec(InputSpec(64, 3, "crop", share=0.9), 5) == InputSpec(73, 3, "crop", share=1.0)


@given(side=st.integers(1, 300), number=st.sampled_from([5, 10]))
def test_views_have_the_size_of_the_net_and_lie_within_the_image(side: int, number: int):
    larger = multi_crop.decode_spec(InputSpec(side, 1, "squash"), number).size_px
    pixels = np.zeros((1, larger, larger, 1), np.uint8)
    pixels[:, [0, 0, -1, -1], [0, -1, 0, -1]] = 1
    actual = list(multi_crop.cut(pixels, side, number))
    assert [view.shape for view in actual] == [(1, side, side, 1)] * number
    assert all(view.any() for view in actual[:4])  # each corner is in a view


def test_the_mean_of_probabilities_comes_back_from_the_logits():
    logits_VNK = np.log(np.array([[[0.9, 0.1]], [[0.3, 0.7]]], np.float32)) + np.float32(5)
    assert softmax(multi_crop.mean_logits(logits_VNK))[0] == pytest.approx([0.6, 0.4])
    extreme = np.array([[[1e4, 0, -1e4]], [[1e4, 0, -1e4]]], np.float32)
    assert np.isfinite(multi_crop.mean_logits(extreme)).all()
    alone = np.array([[[3.0, -2.0]]], np.float32)
    assert np.array_equal(multi_crop.mean_logits(alone), alone[0])  # of one crop the logits are its own, not logs


@pytest.mark.parametrize("number", [0, -1, 2, 3, 9, 11])
def test_other_numbers_of_views_are_refused(number: int):
    with pytest.raises(SettingError) as refused:
        multi_crop.check(number, None)
    assert str(refused.value) == (
        f"expected 1, 5 or 10 crops: the image, five crops, or those and their mirrors; got {number}."
    )


def test_mirror_images_are_refused_for_a_model_that_has_seen_none():
    with pytest.raises(SettingError) as refused:
        multi_crop.check(10, False)
    assert str(refused.value) == (
        "half of 10 crops are mirror images, and this model was trained without any (augment.flip=false); ask for 5 crops."
    )
    for number, mirrored in ((5, False), (1, False), (10, True), (10, None)):
        multi_crop.check(number, mirrored)
