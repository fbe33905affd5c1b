"""Two processes do what one does: forks of this one, each told what torchrun tells. test_launcher.py has torchrun itself."""

import json
import multiprocessing
import os
import socket
from pathlib import Path

import numpy as np
import pytest

from striate.training import loop
from striate.training.inference import predict
from support import two_processes
from support.tasks import PLAIN_LINE, task


def as_rank(rank: int, port: int, folder: Path) -> None:
    """One of two processes, as torchrun would start it."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    two_processes.main(folder)
    os._exit(0)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = []
    for rank in (0, 1):
        process = multiprocessing.get_context("fork").Process(target=as_rank, args=(rank, port, folder))
        process.start()
        started.append(process)
    for process in started:
        process.join(600)
    assert [process.exitcode for process in started] == [0, 0]
    return folder, [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in (0, 1)]


def test_every_image_is_seen_exactly_once_an_epoch(ranks: tuple[Path, list[dict]]):
    seen = [tuple(pair) for actual in ranks[1] for pair in actual["seen"]]
    assert sorted(seen) == [(epoch, i) for epoch in range(3) for i in range(30)]
    assert min(len(actual["seen"]) for actual in ranks[1]) > 0


def test_both_end_with_the_weights_of_one_process(ranks: tuple[Path, list[dict]]):
    one, other = ranks[1]
    assert one["digest"] == other["digest"]
    alone = task(None, PLAIN_LINE)
    loop.fit(alone)
    weights = np.concatenate([parameter.detach().numpy().ravel() for parameter in alone.net.parameters()])
    assert np.allclose(one["weights"], weights, atol=1e-5)


def test_metrics_are_of_all_images_each_counted_once(ranks: tuple[Path, list[dict]]):
    alone = task(None, PLAIN_LINE)
    loop.fit(alone)
    actual = predict(alone.net, alone.val, alone.engine)
    assert actual is not None
    for rank in ranks[1]:
        assert rank["ids"] == actual.ids_N.tolist()
        assert rank["accuracy"] == float((actual.logits_NK.argmax(1) == actual.labels_N).mean())


def test_one_process_writes(ranks: tuple[Path, list[dict]]):
    folder, _ = ranks
    events = [json.loads(line)["event"] for line in (folder / "journal.jsonl").read_text().splitlines()]
    assert events == ["epoch", "checkpoint"] * 3
