from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, islice
from types import SimpleNamespace

import pytest
import torch

from striate.training import loop, timing
from striate.training.timing import estimated_seconds_a_step, seconds_a_step
from support.tasks import digest, stream, task


def test_timing_leaves_the_network_and_the_generator_of_the_run_alone():
    work = task(None)
    before = digest(work.net)
    seconds = seconds_a_step(work, steps=6, at_most=10.0)
    assert 0 < seconds < float("inf")
    assert digest(work.net) == before
    assert all(parameter.grad is None for parameter in work.net.parameters())


def test_it_ends_when_its_time_is_over():
    work = task(None)
    begun = torch.tensor(0.0)
    assert seconds_a_step(work, steps=10**6, at_most=0.05) > begun


@pytest.mark.parametrize(
    ("an_image", "computed"),
    [
        (0.05, [8, 8]),  # a step of 1.6 s
        (0.001, [8, 8] + 7 * [32]),  # of 0.032 s: five are timed after two to warm up
        (0.01, [8, 8] + 3 * [32]),  # of 0.32 s: the first after the two ends what may take half a second
    ],
)
def test_of_a_slow_step_a_quarter_of_the_images_is_computed(
    an_image: float, computed: list[int], monkeypatch: pytest.MonkeyPatch
):
    now, sizes = 0.0, list[int]()

    def losses(work: loop.Task, _rate: Callable[[int], float]) -> Iterator[float]:
        nonlocal now
        for batch in islice((batch for epoch in count() for batch in work.train.epoch(epoch)), work.steps):
            sizes.append(len(batch.labels_N))
            assert (len(batch.images_NCHW), len(batch.ids_N), batch.whole) == (sizes[-1], sizes[-1], sizes[-1])
            now += an_image * sizes[-1]
            yield 0.0

    monkeypatch.setattr(loop, "losses", losses)
    monkeypatch.setattr(timing, "time", SimpleNamespace(monotonic=lambda: now))
    work = replace(task(None), train=stream(96, 32, seed=0))
    assert estimated_seconds_a_step(work, steps=5, at_most=0.5) == pytest.approx(32 * an_image)
    assert sizes == computed


def test_of_few_images_a_whole_step_is_timed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(timing, "seconds_a_step", lambda *_: 0.25)
    assert estimated_seconds_a_step(replace(task(None), train=stream(62, 31, seed=0)), steps=5, at_most=0.0) == 0.25


def test_an_estimate_leaves_the_network_alone():
    work = replace(task(None), train=stream(64, 32, seed=0))
    before = digest(work.net)
    assert 0 < estimated_seconds_a_step(work, steps=2, at_most=0.0) < float("inf")
    assert digest(work.net) == before
