"""What processes that train together exchange in a step, and how they share it; test_processes.py has their results."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks
from torch.nn.parallel import DistributedDataParallel

from striate.base import config
from striate.base.errors import Interrupted, RunError
from striate.training import checkpoint, device, loop, processes, timing
from striate.workflows.train.setup import refuse_processes
from support import ranks
from support.tasks import PLAIN_LINE, stopping_at, task

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def counted(folder: Path, line: str, **settings: Any) -> dict[str, Any]:
    """Train, and count how often gradients and other sums are exchanged."""
    counts = {"gradients": 0, "sums": 0, "bytes": 0}
    reduce, parallel = torch.distributed.all_reduce, device.Engine.parallel

    def count_gradients(state: object, bucket: torch.distributed.GradBucket) -> torch.futures.Future[torch.Tensor]:
        counts["gradients"] += 1
        counts["bytes"] += bucket.buffer().nbytes
        return default_hooks.allreduce_hook(state, bucket)  # type: ignore[arg-type]

    def count_sums(*words: Any, **names: Any) -> Any:
        counts["sums"] += 1
        return reduce(*words, **names)

    def with_hook(self: device.Engine, net: Any) -> Any:
        model = parallel(self, net)
        assert isinstance(model, DistributedDataParallel)
        model.register_comm_hook(None, count_gradients)
        torch.distributed.all_reduce = count_sums
        return model

    device.Engine.parallel = with_hook  # type: ignore[method-assign]
    return ranks.train(folder, line, **settings) | counts


@pytest.mark.parametrize(("line", "norms"), [(PLAIN_LINE, 0), (ranks.NORM_LINE, 1)])
def test_parts_of_a_batch_exchange_gradients_once_a_step(line: str, norms: int, tmp_path: Path):
    found = {}
    for parts in (1, 3):
        (tmp_path / str(parts)).mkdir()
        job = partial(counted, line=line, batch_size=10, steps=6, grad_accum_steps=parts)
        found[parts], other = ranks.run(2, job, tmp_path / str(parts))
        assert found[parts]["digest"] == other["digest"]
    assert found[1]["gradients"] == found[3]["gradients"] >= 6
    weights = sum(weight.numel() for weight in task(None, line).net.parameters())
    assert found[1]["bytes"] == found[3]["bytes"] == 6 * 4 * weights
    between = found[3]["sums"] - found[1]["sums"]
    assert between == norms * 2 * 2 * 6  # statistics and their gradients, of two more parts a step


def test_processes_with_unequal_shares_make_as_many_parts_of_them(tmp_path: Path):
    """7 or 8 images for three processes in three parts: one has three images and the others two."""
    found = ranks.run(3, partial(ranks.train, line=ranks.NORM_LINE, steps=10, batch_size=8, grad_accum_steps=3), tmp_path)
    assert len({rank["digest"] for rank in found}) == 1


def estimated(_folder: Path) -> dict[str, Any]:
    """The estimate before the first step, where one process has enough images for a quarter of them, and the other has not."""
    timing._FEWEST_IMAGES = 1
    machine = device.pick(config.Engine(device="cpu"))
    with processes.joined(machine.device):
        made = task(None, PLAIN_LINE, batch_size=7)
        train = replace(made.train, rank=machine.rank, world=machine.world)
        return {"seconds": timing.estimated_seconds_a_step(replace(made, train=train, engine=machine), 5, 0.0)}


def test_processes_with_unequal_shares_come_to_one_estimate(tmp_path: Path):
    one, other = ranks.run(2, estimated, tmp_path)
    assert one["seconds"] == other["seconds"] > 0


def on_unlike_processors(_folder: Path) -> dict[str, Any]:
    device.bf16_on_cpu = lambda: (os.environ["RANK"] == "0", "as the test has it")
    machine = device.pick(config.Engine(device="cpu"))
    with processes.joined(machine.device):
        together = machine.with_one_precision()
    return {"alone": machine.precision, "together": together.precision, "reason": together.reasons[1]}


def test_processes_of_which_one_has_no_bf16_all_train_in_fp32(tmp_path: Path):
    one, other = ranks.run(2, on_unlike_processors, tmp_path)
    assert (one["alone"], other["alone"]) == ("bf16", "fp32")
    for process in (one, other):
        assert process["together"] == "fp32"
    assert one["reason"] == "precision fp32: not every process has bf16"
    assert other["reason"] == one["reason"]


def in_bf16(folder: Path) -> dict[str, Any]:
    pick = device.pick
    device.pick = lambda settings: pick(settings.model_copy(update={"precision": "bf16"}))
    return ranks.train(folder, ranks.NORM_LINE, steps=4)


def test_in_bf16_the_processes_keep_equal_weights_near_those_of_one(tmp_path: Path):
    found = {}
    for count in (1, 2):
        (tmp_path / str(count)).mkdir()
        found[count] = ranks.run(count, in_bf16, tmp_path / str(count))
    one, other = found[2]
    assert one["digest"] == other["digest"]
    assert any(weight != float(torch.tensor(weight).bfloat16()) for weight in one["weights"])  # weights stay fp32
    assert np.allclose(one["weights"], found[1][0]["weights"], atol=0.02)
    exact = task(None, ranks.NORM_LINE, steps=4)
    loop.fit(exact)
    weights = torch.cat([weight.double().flatten() for weight in exact.net.state_dict().values()])
    assert not np.allclose(one["weights"], weights, atol=1e-5)


def interrupted(folder: Path) -> dict[str, Any]:
    """Two processes that are asked to stop within the third epoch, after 10 of its 12 steps."""
    seen: list[tuple[int, int]] = []
    fit = loop.fit

    def stopped(made: loop.Task, *_: Any) -> Any:
        with pytest.raises(Interrupted):
            fit(stopping_at(made, 10))
        seen.extend(made.train.seen)  # type: ignore[attr-defined]
        made.engine.alone(made.net)

    loop.fit = stopped
    return ranks.train(folder, PLAIN_LINE) | {"seen": seen}


def resumed(folder: Path) -> dict[str, Any]:
    saved = checkpoint.latest(folder / "checkpoints")
    fit = loop.fit
    loop.fit = lambda made, _=None: fit(made, saved)
    return ranks.train(folder, PLAIN_LINE)


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_processes_resumes_within_an_epoch_and_sees_each_image_once(count: int, tmp_path: Path):
    (tmp_path / "again").mkdir()
    before = ranks.run(2, interrupted, tmp_path)
    (tmp_path / "checkpoints").rename(tmp_path / "again" / "checkpoints")
    after = ranks.run(count, resumed, tmp_path / "again")
    seen = [tuple(pair) for rank in (*before, *after) for pair in rank["seen"]]
    assert sorted(seen) == [(epoch, i) for epoch in range(3) for i in range(30)]
    assert len({rank["digest"] for rank in after}) == 1


def test_a_batch_has_an_image_for_each_process():
    run = config.build({"data": {"path": "photos"}, "train": {"batch_size": 9}})
    refuse_processes(run, 10, 5)
    with pytest.raises(
        RunError, match=r"6 processes share each batch; .* got batches of 5 \(10 training images, .*batch_size=9\)"
    ):
        refuse_processes(run, 10, 6)
