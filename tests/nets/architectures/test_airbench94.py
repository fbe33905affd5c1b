"""Legend: N images, C channels, H x W pixels, K classes."""

import pytest
import torch
from torch import nn

from striate.base.errors import SettingError, ShapeError
from striate.nets.factory import build, outline
from striate.nets.summary import layer_table

WIDTHS = (64, 256, 256)


def worked() -> tuple[int, int]:
    """(parameters, multiply-adds) at 32 pixels: whitening filters with biases, convolutions, biases of norms, head."""
    parameters, macs, channels, side = 24 * 12 + 24, 31 * 31 * 24 * 12, 24, 31
    for width in WIDTHS:
        parameters += 9 * channels * width + 9 * width * width + 2 * width
        macs += side * side * 9 * channels * width
        side //= 2  # the first convolution is before the pool
        macs += side * side * 9 * width * width
        channels = width
    return parameters + 256 * 10, macs + 256 * 10


def test_parameters_and_multiply_adds_as_worked_out():
    net = outline("airbench94", (3, 32, 32), 10)
    rows = layer_table(net)
    assert (sum(row.parameters for row in rows), sum(row.macs for row in rows)) == worked() == (1_971_640, 118_147_360)
    assert sum(parameter.numel() for parameter in net.parameters()) == 1_971_640


def test_convolutions_begin_by_passing_maps_on_and_the_last_layer_small():
    net = build("airbench94", (3, 32, 32), 10, seed=0)
    maps_NCHW = torch.randn(2, 64, 15, 15)
    with torch.no_grad():
        assert torch.equal(net.get_submodule("conv2_2")(maps_NCHW), maps_NCHW)
        first = net.get_submodule("conv3_1")(maps_NCHW)
    assert torch.equal(first[:, :64], maps_NCHW)
    assert not torch.equal(first[:, 64:128], maps_NCHW)
    assert isinstance(net.head, nn.Linear)
    assert net.head.weight.std().item() == pytest.approx(1 / 256, rel=1e-4)


def test_norms_learn_biases_alone():
    net = build("airbench94", (3, 32, 32), 10, seed=0)
    norm = net.get_submodule("bn2_1")
    assert [name for name, _ in norm.named_parameters()] == ["bias"]
    assert "bn2_1.weight" not in net.state_dict()
    out = norm.train()(3 * torch.randn(16, 64, 8, 8) + 5)
    assert out.std().item() == pytest.approx(1, abs=0.01)


def test_logits_of_six_views_by_hand():
    single, six = (build("airbench94", (3, 32, 32), 10, seed=0, views=views).eval() for views in (1, 6))
    images_NCHW = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    padded = nn.functional.pad(images_NCHW, (1, 1, 1, 1), mode="reflect")

    def both(view_NCHW: torch.Tensor) -> torch.Tensor:
        return (single(view_NCHW) + single(view_NCHW.flip(3))) / 2

    with torch.no_grad():
        moved = (both(padded[:, :, :32, :32]) + both(padded[:, :, 2:, 2:])) / 2
        torch.testing.assert_close(six(images_NCHW), (both(images_NCHW) + moved) / 2)
        two = build("airbench94", (3, 32, 32), 10, seed=0, views=2).eval()
        torch.testing.assert_close(two(images_NCHW), both(images_NCHW))
        assert torch.equal(six.train()(images_NCHW), single.train()(images_NCHW))  # training sees one


def test_other_numbers_of_views_and_small_images_are_refused():
    with pytest.raises(SettingError, match=r"expected 1, 2 or 6 views of an image; got 3\."):
        build("airbench94", (3, 32, 32), 10, seed=0, views=3)
    with pytest.raises(ShapeError, match="airbench94 expects images of at least 9 x 9 pixels"):
        build("airbench94", (3, 8, 8), 10, seed=0)
    assert build("airbench94", (1, 9, 9), 4, seed=0).eval()(torch.zeros(1, 1, 9, 9)).shape == (1, 4)
