import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from striate.nets.factory import build
from striate.nets.net import Net
from striate.training.transfer import feature_cache


class Batch(NamedTuple):
    images_NCHW: torch.Tensor
    labels_N: torch.Tensor
    ids_N: Any
    whole: int = 4
    others_N: None = None
    shares_N: None = None


class Batches:
    """Eleven images in three batches, others in each epoch."""

    steps = 3

    def __init__(self) -> None:
        self.passes = 0

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        self.passes += 1
        images_NCHW = torch.randn(11, 3, 32, 32, generator=torch.Generator().manual_seed(epoch))
        for places in np.array_split(np.arange(11), 3)[start:]:
            yield Batch(images_NCHW[places], torch.from_numpy(places), places.astype(np.uint64))


@pytest.fixture
def net() -> Net:
    return build("resnet20", (3, 32, 32), 10)


def test_they_equal_a_plain_forward_pass_and_nothing_of_the_network_changes(net: Net):
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    net.train()
    (values_MD,) = feature_cache.compute(net, Batches())
    assert net.training
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    net.eval()
    images_NCHW = torch.cat([batch.images_NCHW for batch in Batches().epoch(0)])
    with torch.inference_mode():
        assert torch.allclose(net.head(torch.from_numpy(values_MD)), net(images_NCHW), atol=1e-5)
    assert values_MD.shape == (11, 64)


def test_several_layers_are_read_in_one_pass(net: Net):
    batches = Batches()
    one, other = feature_cache.compute(net, batches, ["conv2_3", None])
    assert batches.passes == 1
    assert one.shape == (11, 16 * 32 * 32)
    assert other.shape == (11, 64)


def test_what_is_kept_is_not_computed_again(net: Net, tmp_path: Path):
    batches = Batches()
    first = feature_cache.load_or_compute(tmp_path, net, batches, {"images": "a"}, [None])
    again = feature_cache.load_or_compute(tmp_path, net, batches, {"images": "a"}, [None, "pool4"])
    assert batches.passes == 2  # of the second call only pool4 was missing
    assert np.array_equal(first.values[0], again.values[0])
    feature_cache.load_or_compute(tmp_path, net, batches, {"images": "b"}, [None])
    assert batches.passes == 3


def test_the_seconds_of_the_pass_are_remembered(net: Net, tmp_path: Path):
    first = feature_cache.load_or_compute(tmp_path, net, Batches(), {}, [None])
    assert first.seconds > 0
    assert feature_cache.load_or_compute(tmp_path, net, Batches(), {}, [None]).seconds == pytest.approx(first.seconds, abs=1e-3)


def test_it_is_known_what_is_kept(net: Net, tmp_path: Path):
    assert not feature_cache.are_cached(tmp_path, net, {}, [None])
    feature_cache.load_or_compute(tmp_path, net, Batches(), {}, [None])
    assert feature_cache.are_cached(tmp_path, net, {}, [None])
    assert not feature_cache.are_cached(tmp_path, net, {}, [None, "pool4"])
    assert not feature_cache.are_cached(tmp_path, net, {"images": "b"}, [None])


def test_another_epoch_shows_other_images(net: Net, tmp_path: Path):
    found = [feature_cache.load_or_compute(tmp_path, net, Batches(), {"view": view}, [None], view).values[0] for view in (0, 1)]
    assert not np.array_equal(*found)


def test_another_head_has_the_same_features_and_another_body_has_not(net: Net, tmp_path: Path):
    batches = Batches()
    feature_cache.load_or_compute(tmp_path, net, batches, {}, [None])
    net.replace_head(3)
    feature_cache.load_or_compute(tmp_path, net, batches, {}, [None])
    assert batches.passes == 1
    with torch.no_grad():
        next(net.parameters())[0, 0, 0, 0] += 1e-6
    feature_cache.load_or_compute(tmp_path, net, batches, {}, [None])
    assert batches.passes == 2


def test_a_changed_file_is_computed_anew_and_that_is_said(net: Net, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    batches = Batches()
    expected = np.array(feature_cache.load_or_compute(tmp_path, net, batches, {}, [None]).values[0])
    (path,) = tmp_path.glob("*/values.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, "striate"):
        again = feature_cache.load_or_compute(tmp_path, net, batches, {}, [None])
    assert f"Features in the cache are damaged ({path} has changed since it was written: expected SHA-256" in caplog.text
    assert caplog.text.strip().endswith("); they are computed anew.")
    assert np.array_equal(again.values[0], expected)
    assert batches.passes == 2
    feature_cache.load_or_compute(tmp_path, net, batches, {}, [None])
    assert batches.passes == 2


def test_a_pass_can_be_stopped_half_way(net: Net, tmp_path: Path):
    def stop(done: int) -> None:
        if done > 4:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        feature_cache.load_or_compute(tmp_path, net, Batches(), {}, [None], watch=stop)
    assert list(tmp_path.iterdir()) == []
