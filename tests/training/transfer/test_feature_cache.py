import logging
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from striate.base import shared_parts
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
    assert not list(tmp_path.glob("[!.]*"))
    assert not list(tmp_path.rglob("*.npy"))


# ---- in parts, by several processes


@pytest.fixture
def parts_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_cache, "_PART_STEPS", 1)
    monkeypatch.setattr(feature_cache, "_WAIT_SECONDS", 0.02)
    monkeypatch.setattr(shared_parts, "_WAIT_SECONDS", 0.02)


def stored(folder: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in folder.glob("[!.]*/values.npy")}


def test_what_is_joined_of_parts_has_the_bytes_of_what_is_computed_at_once(
    net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    feature_cache.load_or_compute(tmp_path / "once", net, Batches(), {}, [None, "pool4"])
    monkeypatch.setattr(feature_cache, "_PART_STEPS", 2)
    done = list[int]()
    cached = feature_cache.load_or_compute(tmp_path / "parts", net, Batches(), {}, [None, "pool4"], watch=done.append)
    assert stored(tmp_path / "parts") == stored(tmp_path / "once")
    assert [len(values_MD) for values_MD in cached.values] == [11, 11]
    assert done == [4, 8, 11]
    assert len([*(tmp_path / "parts").iterdir()]) == 2, "the parts are gone"


@pytest.mark.usefixtures("parts_of_a_batch")
def test_a_pass_that_was_stopped_goes_on_with_the_parts_left(net: Net, tmp_path: Path):
    def stop(done: int) -> None:
        if done > 8:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        feature_cache.load_or_compute(tmp_path, net, Batches(), {}, [None], watch=stop)
    assert not feature_cache.are_cached(tmp_path, net, {}, [None])
    batches = Batches()
    feature_cache.load_or_compute(tmp_path, net, batches, {}, [None])
    assert batches.passes == 1
    feature_cache.load_or_compute(tmp_path / "other", net, Batches(), {}, [None])
    assert stored(tmp_path) == stored(tmp_path / "other")


@pytest.mark.usefixtures("parts_of_a_batch")
def test_a_damaged_part_alone_is_computed_anew(net: Net, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    batches = Batches()

    def damage(_done: int) -> None:
        if batches.passes == 3:
            path = next(tmp_path.glob(".*.parts/000000/values-0.npy"))
            path.write_bytes(path.read_bytes()[:-1] + b"?")

    with caplog.at_level(logging.WARNING, "striate"):
        feature_cache.load_or_compute(tmp_path, net, batches, {}, [None], watch=damage)
    assert "A part of the features in the cache is damaged (" in caplog.text
    assert batches.passes == 4
    feature_cache.load_or_compute(tmp_path / "other", net, Batches(), {}, [None])
    assert stored(tmp_path) == stored(tmp_path / "other")


class SlowBatches(Batches):
    """With a line in a log for each batch that is given."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log = log

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        for number, batch in enumerate(super().epoch(epoch, start), start):
            with self.log.open("a") as file:
                file.write(f"{number}\n")
            time.sleep(0.05)
            yield batch


@pytest.mark.usefixtures("parts_of_a_batch")
def test_processes_that_start_together_compute_each_part_once_and_one_that_is_killed_is_not_missed(net: Net, tmp_path: Path):
    feature_cache.load_or_compute(tmp_path / "other", net, Batches(), {}, [None])
    log, start = tmp_path / "log", get_context("fork").Process

    def work() -> None:
        torch.set_num_threads(1)
        feature_cache.load_or_compute(tmp_path / "features", net, SlowBatches(log), {}, [None])

    processes = [start(target=work) for _ in range(3)]
    for process in processes:
        process.start()
    while not log.exists() or not log.read_text():
        time.sleep(0.002)
    processes[0].kill()
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes[1:]] == [0, 0]
    numbers = [int(line) for line in log.read_text().splitlines()]
    assert set(numbers) == {0, 1, 2}
    assert len(numbers) <= 4, "what the killed one was computing, and no more"
    assert stored(tmp_path / "features") == stored(tmp_path / "other")
    assert len([*(tmp_path / "features").iterdir()]) == 1
