"""The training that a page watches: a small network on scanned digits, in one thread, with snapshots of what it has come to.

Legend: N images, K = 10 digits, H x W = 16 x 16 pixels.
"""

import atexit
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from striate.base.hash_rng import places

if TYPE_CHECKING:
    from torch import Tensor

    from striate.nets.net import Net

SIDE = 16
VALIDATION = 360  # the first scans, those that a page offers as samples among them
BATCH, EPOCHS, LR = 32, 6, 0.001
EPOCH_STEPS = 45  # 1,437 images by 32, rounded up
STEPS = EPOCHS * EPOCH_STEPS
_EVALUATED_EVERY = 15
_MOST_KEPT = 8


class Point(NamedTuple):
    """What validation shows after a step; the training loss is the mean since the point before, None at the start."""

    step: int
    train_loss: float | None
    val_loss: float
    val_accuracy: float


class Snapshot(NamedTuple):
    """The network after a step, a copy that no longer changes, and all points up to there."""

    net: "Net"
    history: tuple[Point, ...]


class Digits(NamedTuple):
    """Images in [0, 1], N x 1 x 16 x 16, and their labels, N."""

    images_N1HW: "Tensor"
    labels_N: "Tensor"


@cache
def digits() -> Digits:
    """The 1,797 scans that come with scikit-learn, enlarged from 8 x 8 pixels."""
    import numpy as np
    import torch
    from sklearn.datasets import load_digits

    from striate.lab.images import enlarged

    scans = load_digits()
    levels_NHW = np.stack([enlarged(scan_HW, SIDE) for scan_HW in scans.images])
    images_N1HW = torch.from_numpy(levels_NHW.astype(np.float32) / 255)[:, None]
    return Digits(images_N1HW, torch.from_numpy(scans.target.astype(np.int64)))


def start(seed: int) -> Snapshot:
    """The network with its first weights, and the point of step 0."""
    from striate.nets.factory import build

    # Without dropout a training draws nothing from torch's generator, which is one for all computations of the process
    net = build("mnist_cnn", (1, SIDE, SIDE), 10, seed=seed, dropout=0.0).eval()
    return Snapshot(net, (_point(net, 0, None),))


def train(begin: Snapshot, seed: int, steps: int = STEPS, stopped: Callable[[], bool] = lambda: False) -> Iterator[Snapshot]:
    """Train a copy of the network; a snapshot after every 15 steps and after the last. It ends early once `stopped` is true."""
    from copy import deepcopy

    import torch

    from striate.base.config import Train
    from striate.training import loss, optimizer

    settings = Train(batch_size=BATCH, optimizer="adam", lr=LR, weight_decay=0, schedule="constant", label_smoothing=0)
    net, (images_N1HW, labels_N) = deepcopy(begin.net).train(), digits()
    update, losses_of = optimizer.make(net, settings), loss.make(settings, None)
    count, history, losses = len(labels_N) - VALIDATION, begin.history, []
    for step in range(steps):
        if stopped():
            return
        epoch, place = divmod(step, EPOCH_STEPS)
        rows_N = torch.from_numpy(VALIDATION + places(place * BATCH, min((place + 1) * BATCH, count), count, seed, epoch))
        mean = losses_of(net(images_N1HW[rows_N]), labels_N[rows_N]).mean()
        update.zero_grad()
        torch.autograd.backward(mean)
        update.step()
        losses.append(mean.item())
        if (step + 1) % _EVALUATED_EVERY == 0 or step + 1 == steps:
            still = deepcopy(net).eval()
            history = (*history, _point(still, step + 1, sum(losses) / len(losses)))
            losses = []
            yield Snapshot(still, history)


def _point(net: "Net", step: int, train_loss: float | None) -> Point:
    import torch

    from striate.training.loss import cross_entropy

    images_N1HW, labels_N = (column[:VALIDATION] for column in digits())
    with torch.inference_mode():
        logits_NK = net(images_N1HW)
        right = (logits_NK.argmax(1) == labels_N).float().mean()
        return Point(step, train_loss, cross_entropy()(logits_NK, labels_N).mean().item(), right.item())


class Training:
    """A training that runs in a thread of its own from the moment it is made; `latest` is what it has come to."""

    def __init__(self, seed: int, steps: int = STEPS) -> None:
        self.seed, self.steps, self.latest = seed, steps, start(seed)
        self.reported = False  # a page has been told that it was stopped
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"digits-{seed}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for snapshot in train(self.latest, self.seed, self.steps, self._stop.is_set):
            self.latest = snapshot

    @property
    def done(self) -> bool:
        """Whether it has made its last step."""
        return self.latest.history[-1].step == self.steps

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return not self.done and self._thread.is_alive()

    def stop(self) -> None:
        """End it after the step that it is at."""
        self._stop.set()
        self._thread.join()

    def wait(self) -> None:
        """Until it has ended."""
        self._thread.join()


class Trainings:
    """The latest trainings by their seeds; one runs at a time, and a new one stops the one before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_seed: dict[int, Training] = {}

    def ask(self, seed: int, steps: int = STEPS) -> Training:
        """The training of a seed, begun where there is none.

        One that another has stopped is given once more as it was left, for the page that watched it; after that it begins anew.
        """
        with self._lock:
            known = self._by_seed.get(seed)
            if known is not None and (known.done or known.running):
                return known
            if known is not None and not known.reported and any(each.running for each in self._by_seed.values()):
                known.reported = True
                return known
            self._stop()
            self._by_seed.pop(seed, None)
            while len(self._by_seed) >= _MOST_KEPT:
                del self._by_seed[next(iter(self._by_seed))]
            self._by_seed[seed] = Training(seed, steps)
            return self._by_seed[seed]

    def close(self) -> None:
        """Stop what runs, and forget all."""
        with self._lock:
            self._stop()
            self._by_seed.clear()

    def _stop(self) -> None:
        for training in self._by_seed.values():
            training.stop()


@cache
def trainings() -> Trainings:
    """Those of this process: its pages share them, so that a training is begun once however often a page asks."""
    shared = Trainings()
    atexit.register(shared.close)  # torch ends the process with an error where a thread is inside it
    return shared
