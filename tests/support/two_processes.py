"""What each of two processes does in test_processes.py: train, and write down which images it saw and what it ended with."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from striate.base import config
from striate.batches.loader import Batch, Loader
from striate.metrics import classification
from striate.training import device, loop
from striate.training.inference import predict
from striate.training.journal import Journal
from support.tasks import PLAIN_LINE, digest, task


class RunFacts:
    """A stream that keeps the ids it gave."""

    def __init__(self, stream: Loader) -> None:
        self.stream, self.steps = stream, stream.steps
        self.seen: list[tuple[int, int]] = []

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        for batch in self.stream.epoch(epoch, start):
            self.seen += [(epoch, int(i)) for i in batch.ids_N]
            yield batch


def main(folder: Path) -> None:
    machine = device.pick(config.Engine(device="cpu"))
    with device.processes(machine.device):
        made = task(folder if machine.writes else None, PLAIN_LINE)
        shared = {"rank": machine.rank, "world": machine.world}
        train = RunFacts(replace(made.train, **shared))
        val = replace(made.val, **shared)
        loop.fit(replace(made, train=train, val=val, engine=machine, journal=made.journal or Journal(None)))
        predictions = predict(made.net, val, machine)
        assert predictions is not None
        found = {
            "seen": train.seen,
            "digest": digest(made.net),
            "ids": [int(i) for i in predictions.ids_N],
            "accuracy": classification.accuracy(predictions.logits_NK, predictions.labels_N).value,
            "weights": [float(w) for p in made.net.parameters() for w in p.detach().flatten()],
        }
        (folder / f"rank-{machine.rank}.json").write_text(json.dumps(found))
