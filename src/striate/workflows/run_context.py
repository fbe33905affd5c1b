"""What every step of a run needs: its settings, its images, its folder and the machine."""

from dataclasses import dataclass
from pathlib import Path

from striate.base import config
from striate.base.signals import Stop
from striate.training.device import Engine
from striate.workflows.dataset import Dataset, Watch


@dataclass(frozen=True)
class RunContext:
    """A run in progress.

    Attributes:
        run: complete settings.
        dataset: decoded images and their split.
        folder: what the run writes goes here.
        engine: the device and this process's place among the others.
        stop: whether an orderly end was requested.
        watch: called with every event.

    """

    run: config.Run
    dataset: Dataset
    folder: Path
    engine: Engine
    stop: Stop
    watch: Watch
