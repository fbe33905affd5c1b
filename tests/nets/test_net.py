"""What every network does in the same way: images that it cannot take are refused in one sentence."""

import pytest

from striate.base.errors import ShapeError
from striate.nets.factory import outline


@pytest.mark.parametrize(
    ("name", "chw", "subject", "least_px"),
    [
        ("lecun1989", (1, 7, 16), "lecun1989", 8),
        ("lenet1", (1, 15, 16), "lenet1", 16),
        ("lenet5_modern", (1, 28, 11), "lenet5_modern", 12),
        ("alexnet_owt", (3, 63, 62), "alexnet_owt", 63),
        ("vgg11", (3, 31, 32), "VGG", 32),
        ("googlenet", (3, 32, 31), "GoogLeNet", 32),
        ("resnet18", (3, 31, 32), "ResNet", 32),
        ("resnet20", (3, 8, 7), "A residual network of this family", 8),
        ("plain20", (3, 8, 7), "A residual network of this family", 8),
        ("mnist_cnn", (1, 3, 28), "mnist_cnn", 4),
    ],
)
def test_too_small_an_image_is_refused(name: str, chw: tuple[int, int, int], subject: str, least_px: int):
    with pytest.raises(ShapeError) as refused:
        outline(name, chw, 10)
    c, h, w = chw
    assert str(refused.value) == (
        f"{subject} expects images of at least {least_px} x {least_px} pixels and 1 channel; got C={c}, H={h}, W={w}. "
        f"Set preprocess.size_px to {least_px} or more."
    )
