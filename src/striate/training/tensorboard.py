"""The journal of a training in the form that TensorBoard reads, in `tensorboard/` beside the journal.

It is written while the training runs. Nothing is written twice: what the files there hold is read first, and what the journal
has beyond that is added, as after an interruption between the two.

Legend: O filters of C channels, h x w pixels each.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from striate.base import files
from striate.training import weight_histograms
from striate.training.journal import Event, Journal, read

FOLDER = "tensorboard"
_EPOCH = {
    "loss/training": "train_loss", "loss/validation": "loss", "accuracy/training": "train_accuracy",
    "accuracy/validation": "accuracy", "learning rate": "rate",
}  # fmt: skip


class TensorBoardLog:
    """Event files in a folder, to which only what they do not hold yet is added.

    Args:
        folder: of the event files.
        net: the network whose first filters are drawn after each epoch.
        images_an_epoch: training images that an epoch shows, for images a second.

    """

    def __init__(self, folder: Path, net: nn.Module | None = None, images_an_epoch: int = 0) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder, self.net, self.images_an_epoch, self.seconds = folder, net, images_an_epoch, 0.0
        with files.explained(folder, "write in"):
            self.written = set(_written(folder))
            self.writer: Any = SummaryWriter(str(folder))

    def add(self, event: Event, live: bool = True) -> None:
        """Write an event of the journal; `live`: the network is now as it was when the event was written."""
        with files.explained(self.folder, "write in"):
            if event["event"] == "epoch":
                self._add_epoch(event, live)
            elif event["event"] == "weights":
                self._add_weights(event)
            self.writer.flush()

    def _add_epoch(self, event: Event, live: bool) -> None:
        values = {tag: event[name] for tag, name in _EPOCH.items()}
        if self.images_an_epoch and event["seconds"] > self.seconds:
            values["images a second"] = self.images_an_epoch / (event["seconds"] - self.seconds)
        self.seconds = event["seconds"]
        for tag, value in values.items():
            self._once("add_scalar", tag, event, value)
        if live and self.net is not None and (filters_OChw := first_filters(self.net)) is not None:
            self._once("add_image", "first filters", event, grid(filters_OChw))

    def _add_weights(self, event: Event) -> None:
        """The histograms as the journal has them, whose bins are of one width."""
        width = weight_histograms.BIN
        event = {**event, "step": event.get("step", 0)}
        for layer in event["layers"]:
            middles = [width * (layer["first"] + number) for number in range(len(layer["counts"]))]
            n, mean = layer["weights"], layer["mean"]
            self._once(
                "add_histogram_raw", f"weights {event['when']}/{layer['layer']}", event, middles[0] - width / 2,
                middles[-1] + width / 2, n, n * mean, n * (layer["deviation"] ** 2 + mean**2),
                [middle + width / 2 for middle in middles], layer["counts"],
            )  # fmt: skip

    def _once(self, method: str, tag: str, event: Event, *values: Any) -> None:
        if (tag, event["step"]) not in self.written:
            self.written.add((tag, event["step"]))
            getattr(self.writer, method)(tag, *values, global_step=event["step"], walltime=event["time"])

    def add_result(self, settings: Mapping[str, Any], scores: Mapping[str, float]) -> None:
        """Write settings as hyperparameters with the scores that they led to."""
        from torch.utils.tensorboard import summary

        hyperparameters: Any = summary.hparams
        plain = {name: value for name, value in settings.items() if isinstance(value, bool | str | float | int)}
        with files.explained(self.folder, "write in"):
            for part in hyperparameters(plain, dict(scores)):
                if (part.value[0].tag, 0) not in self.written:
                    self.writer.file_writer.add_summary(part)
            for tag, score in scores.items():
                if (tag, 0) not in self.written:
                    self.writer.add_scalar(tag, score, 0)

    def close(self) -> None:
        """Write what is left and close the file."""
        with files.explained(self.folder, "write in"):
            self.writer.close()


@contextmanager
def following(journal: Journal, net: nn.Module | None = None, images_an_epoch: int = 0) -> Iterator[None]:
    """Write what a journal holds, and what is added to it within the block."""
    assert journal.path is not None
    board = TensorBoardLog(journal.path.parent / FOLDER, net, images_an_epoch)
    try:
        for event in read(journal.path):
            board.add(event, live=False)
        journal.follow = board.add
        yield
    finally:
        journal.follow = None
        board.close()


def write_result(folder: Path, settings: Mapping[str, Any], scores: Mapping[str, float]) -> None:
    """Add to the log in the folder of a run that ends: its settings and its scores."""
    board = TensorBoardLog(folder / FOLDER)
    board.add_result(settings, scores)
    board.close()


def _written(folder: Path) -> Iterator[tuple[str, int]]:
    """Tag and step of all that the event files in a folder hold."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    reader: Any = LegacyEventFileLoader
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for event in reader(str(path)).Load():
            yield from ((value.tag, event.step) for value in event.summary.value)


def first_filters(net: nn.Module) -> Tensor | None:
    """The weights of the first convolution, O x C x h x w; None where it does not see an image of one channel or three."""
    convolution = next((layer for layer in net.modules() if isinstance(layer, nn.Conv2d)), None)
    return convolution.weight.detach() if convolution is not None and convolution.in_channels in (1, 3) else None


def grid(filters_OChw: Tensor) -> Tensor:
    """Filters side by side, C x H x W in [0, 1]: zero is gray, the largest weight is black or white, gaps are white."""
    count, channels, height, width = filters_OChw.shape
    across = ceil(sqrt(count))
    tiles = torch.ones(across * across, channels, height + 1, width + 1)
    tiles[:count, :, :height, :width] = (0.5 + 0.5 * filters_OChw / filters_OChw.abs().max().clamp(min=1e-12)).cpu()
    tiles = tiles.view(across, across, channels, height + 1, width + 1).permute(2, 0, 3, 1, 4)
    return tiles.reshape(channels, across * (height + 1), across * (width + 1))
