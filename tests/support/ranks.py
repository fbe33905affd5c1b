"""Processes that train together, as forks of this one, each told what torchrun tells."""

import json
import multiprocessing
import os
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from striate.base import config
from striate.base.errors import StriateError
from striate.batches.loader import Batch, Loader
from striate.metrics import classification
from striate.training import device, loop, processes
from striate.training.inference import predict
from striate.training.journal import Journal
from support.tasks import digest, task

Job = Callable[[Path], dict[str, Any]]
TWO_CONVOLUTIONS = "conv 3x3x4, bn, relu, conv 3x3x4, relu, pool 2, fc"
NORM_LINE = "conv 3x3x4, bn, relu, pool 2, fc 8, relu, fc"


class Noted:
    """A stream that keeps the ids it gave, and gives images in float64 where asked."""

    def __init__(self, stream: Loader, exact: bool) -> None:
        self.stream, self.steps, self.exact = stream, stream.steps, exact
        self.seen: list[tuple[int, int]] = []

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        for batch in self.stream.epoch(epoch, start):
            self.seen += [(epoch, int(i)) for i in batch.ids_N]
            yield batch._replace(images_NCHW=batch.images_NCHW.double()) if self.exact else batch


def train(folder: Path, line: str, steps: int = 12, exact: bool = False, **settings: Any) -> dict[str, Any]:
    """Train in as many processes as there are; which images this one saw, and what it ended with."""
    machine = device.pick(config.Engine(device="cpu"))
    with processes.joined(machine.device):
        made = task(folder if machine.writes else None, line, steps, **settings)
        shared = {"rank": machine.rank, "world": machine.world}
        stream, val = Noted(replace(made.train, **shared), exact), Noted(replace(made.val, **shared), exact)
        net = made.net.double() if exact else made.net
        loop.fit(replace(made, net=net, train=stream, val=val, engine=machine, journal=made.journal or Journal(None)))
        predictions = predict(made.net, val, machine)
        assert predictions is not None
        return {
            "seen": stream.seen,
            "digest": digest(made.net),
            "ids": [int(i) for i in predictions.ids_N],
            "accuracy": classification.accuracy(predictions.logits_NK, predictions.labels_N).value,
            "weights": [float(w) for w in made.net.state_dict().values() for w in w.detach().double().flatten()],
            "classes": sorted({type(module).__name__ for module in made.net.modules()}),
        }


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def here(_rank: int) -> None:
    """Stay on this machine."""


def start(
    count: int, job: Job, folder: Path, address: str = "127.0.0.1", enter: Callable[[int], None] = here
) -> list[BaseProcess]:
    """Start `job` in so many processes; each writes what it gives to rank-R.json, and what it says to rank-R.txt.

    The first one is found at `address`; each calls `enter` with its number before anything else.
    """
    port, started = free_port(), []
    for rank in range(count):
        process = multiprocessing.get_context("fork").Process(
            target=_as_rank, args=(rank, count, (address, port), job, folder, enter)
        )
        process.start()
        started.append(process)
    return started


def run(count: int, job: Job, folder: Path) -> list[dict[str, Any]]:
    """What each of the processes gives."""
    started = start(count, job, folder)
    for process in started:
        process.join(600)
    assert [process.exitcode for process in started] == [0] * count, [said(folder, rank) for rank in range(count)]
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(count)]


def said(folder: Path, rank: int) -> str:
    return (folder / f"rank-{rank}.txt").read_text()


def _as_rank(rank: int, count: int, meeting: tuple[str, int], job: Job, folder: Path, enter: Callable[[int], None]) -> None:
    enter(rank)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
    os.environ |= {"MASTER_ADDR": meeting[0], "MASTER_PORT": str(meeting[1])}
    sys.stderr = (folder / f"rank-{rank}.txt").open("w")
    torch.set_num_threads(1)
    code = 0
    try:
        found = job(folder)
        (folder / f"rank-{rank}.json").write_text(json.dumps(found))
    except StriateError as error:
        print(f"striate: {error}", file=sys.stderr)
        code = error.exit_code
    sys.stderr.flush()
    os._exit(code)
