"""Several processes do what one does, and end together; test_launcher.py has torchrun itself."""

import json
import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.base.errors import DataError
from striate.training import loop, processes
from striate.training.inference import predict
from support import ranks
from support.tasks import PLAIN_LINE, task

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("two")
    return folder, ranks.run(2, partial(ranks.train, line=PLAIN_LINE), folder)


def test_both_end_with_the_weights_of_one_process(two: tuple[Path, list[dict[str, Any]]]):
    one, other = two[1]
    assert one["digest"] == other["digest"]
    alone = task(None, PLAIN_LINE)
    loop.fit(alone)
    weights = np.concatenate([parameter.detach().numpy().ravel() for parameter in alone.net.parameters()])
    assert np.allclose(one["weights"], weights, atol=1e-5)


def test_metrics_are_of_all_images_each_counted_once(two: tuple[Path, list[dict[str, Any]]]):
    alone = task(None, PLAIN_LINE)
    loop.fit(alone)
    actual = predict(alone.net, alone.val, alone.engine)
    assert actual is not None
    for rank in two[1]:
        assert rank["ids"] == actual.ids_N.tolist()
        assert rank["accuracy"] == float((actual.logits_NK.argmax(1) == actual.labels_N).mean())


def test_one_process_writes(two: tuple[Path, list[dict[str, Any]]]):
    events = [json.loads(line)["event"] for line in (two[0] / "journal.jsonl").read_text().splitlines()]
    assert events == ["epoch", "checkpoint"] * 3


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_image_is_seen_exactly_once_an_epoch(count: int, tmp_path: Path):
    """30 images in batches of at most 7: neither the batches nor the processes divide them."""
    found = ranks.run(count, partial(ranks.train, line=PLAIN_LINE, steps=15, batch_size=7), tmp_path)
    seen = [tuple(pair) for actual in found for pair in actual["seen"]]
    assert sorted(seen) == [(epoch, i) for epoch in range(3) for i in range(30)]
    assert min(len(actual["seen"]) for actual in found) > 0


@pytest.mark.parametrize("optimizer", ["sgd", "muon", "muon-adamw"])
def test_with_batch_norm_two_processes_end_as_one_does_after_50_steps_in_float64(optimizer: str, tmp_path: Path):
    job = partial(
        ranks.train,
        line=ranks.NORM_LINE if optimizer == "sgd" else ranks.TWO_CONVOLUTIONS,
        steps=50,
        exact=True,
        optimizer=optimizer,
        lr=0.02,
    )
    found = {}
    for count in (1, 2):
        (tmp_path / str(count)).mkdir()
        found[count] = ranks.run(count, job, tmp_path / str(count))
    one, other = found[2]
    assert one["digest"] == other["digest"]
    assert np.allclose(one["weights"], found[1][0]["weights"], atol=1e-5, rtol=0)
    assert one["classes"] == found[1][0]["classes"]  # after a training a network's batch norms are torch's again


def failing(folder: Path, rank: int) -> dict[str, Any]:
    """Train for minutes; one process finds a bad file at its third batch."""
    processes._SILENT_SECONDS, processes._BEAT_SECONDS = 3.0, 0.2

    class Bad(ranks.Noted):
        def epoch(self, epoch: int, start: int = 0) -> Any:
            for number, batch in enumerate(super().epoch(epoch, start)):
                if number == 2 and int(os.environ["RANK"]) == rank:
                    raise DataError("photos/17.jpg: expected a JPEG; the file ends early.")
                yield batch
                time.sleep(0.05)

    ranks.Noted = Bad  # type: ignore[misc]
    return ranks.train(folder, PLAIN_LINE, steps=100_000)


@pytest.mark.parametrize("rank", [0, 2])
def test_a_process_that_fails_ends_the_others_with_its_sentence(rank: int, tmp_path: Path):
    started = ranks.start(3, partial(failing, rank=rank), tmp_path)
    begun = time.monotonic()
    for process in started:
        process.join(60)
    assert time.monotonic() - begun < 60
    assert all(process.exitcode not in (None, 0) for process in started)
    assert "photos/17.jpg: expected a JPEG; the file ends early." in ranks.said(tmp_path, rank)
    assert started[rank].exitcode == DataError.exit_code
    others = " ".join(ranks.said(tmp_path, other) for other in range(3) if other != rank)
    assert f"process {rank} of 3" in others
    assert "failed first: photos/17.jpg: expected a JPEG; the file ends early." in others


@pytest.mark.parametrize(("number", "rank"), [(signal.SIGKILL, 1), (signal.SIGSTOP, 2), (signal.SIGKILL, 0)])
def test_a_process_that_is_killed_or_stands_still_ends_the_others_and_is_named(number: int, rank: int, tmp_path: Path):
    started = ranks.start(3, partial(failing, rank=-1), tmp_path)
    journal = tmp_path / "journal.jsonl"
    deadline = time.monotonic() + 300
    while not (journal.is_file() and b'"epoch"' in journal.read_bytes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    victim = started[rank].pid
    assert victim is not None
    os.kill(victim, number)
    others = [process for other, process in enumerate(started) if other != rank]
    for process in others:
        process.join(60)
    codes = [process.exitcode for process in others]
    os.kill(victim, signal.SIGKILL)
    started[rank].join(60)
    assert all(code not in (None, 0) for code in codes)
    heard = " ".join(ranks.said(tmp_path, other) for other in range(3) if other != rank)
    assert f"process {rank} of 3" in heard
    assert "has ended, stands still or cannot be reached; the others end with it." in heard
