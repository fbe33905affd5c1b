from collections.abc import Callable

import numpy as np
import pytest
import torch

from striate.base.errors import SettingError
from striate.batches.loader import Loader
from striate.batches.preprocess import Preprocess
from striate.nets.factory import build
from striate.nets.frozen_batchnorm import freeze_batchnorm
from striate.nets.net import Net
from striate.training.smallest_batch import check, images_at_least

AFTER_FC = "conv 3x3x2, relu, fc 4, bn, relu, fc"
ON_MAPS = "conv 3x3x2, bn, relu, fc"


def loader(count: int, batch_size: int, world: int = 1) -> Loader:
    preprocess = Preprocess(torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    pixels, labels = np.zeros((count, 6, 6, 1), np.uint8), np.zeros(count, np.int64)
    return Loader(pixels, labels, np.arange(count).astype(np.uint64), np.arange(count), preprocess, batch_size, world=world)


@pytest.mark.parametrize(
    ("count", "batch_size", "world", "parts", "smallest"),
    [
        (24, 1, 1, 1, 1),
        (10, 4, 1, 1, 3),
        (10, 4, 1, 2, 1),
        (10, 4, 1, 3, 1),
        (24, 4, 1, 4, 1),
        (24, 8, 1, 4, 2),
        (17, 16, 1, 1, 8),  # two batches, of 8 and 9 images
        (12, 4, 2, 1, 2),
        (12, 4, 2, 2, 1),
        (3, 64, 1, 64, 1),
    ],
)
def test_the_smallest_part_of_a_batch(count: int, batch_size: int, world: int, parts: int, smallest: int):
    assert images_at_least(loader(count, batch_size, world), parts) == smallest


def test_a_norm_without_places_is_refused_by_name_with_what_to_change():
    net = build(AFTER_FC, (1, 6, 6), 2)
    with pytest.raises(SettingError) as refused:
        check(net, loader(24, 4), 4)
    norm = next(name for name, module in net.named_modules() if isinstance(module, torch.nn.BatchNorm1d))
    assert str(refused.value) == (
        "batches of at most 4 of 24 images in grad_accum_steps=4 parts come down to a single image, of which the batch norm "
        f"{norm!r} sees one value a channel, without a variance: expected at least 2 images at once. "
        "Raise train.batch_size, or lower train.grad_accum_steps."
    )


def frozen(net: Net) -> Net:
    freeze_batchnorm(net)
    return net


@pytest.mark.parametrize(
    ("net", "batch_size", "parts"),
    [
        (lambda: build(ON_MAPS, (1, 6, 6), 2), 1, 1),  # 36 places make a variance of one image
        (lambda: build(AFTER_FC, (1, 6, 6), 2), 8, 4),
        (lambda: frozen(build(AFTER_FC, (1, 6, 6), 2)), 1, 1),
        (lambda: build("conv 3x3x2, relu, fc", (1, 6, 6), 2), 1, 1),
    ],
    ids=["on maps", "two at once", "frozen", "none"],
)
def test_what_torch_takes_is_taken(net: Callable[[], Net], batch_size: int, parts: int):
    built = net()
    before = {name: tensor.clone() for name, tensor in built.state_dict().items()}
    train = loader(24, batch_size)
    check(built, train, parts)
    assert all(torch.equal(tensor, before[name]) for name, tensor in built.state_dict().items())  # no statistic has moved
    built.train()
    built(torch.rand(images_at_least(train, parts), 1, 6, 6))
