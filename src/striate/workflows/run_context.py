"""What every step of a run needs: its settings, its images, its folder and the machine."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from striate.base import config
from striate.base.events import Watch
from striate.base.signals import Stop
from striate.training.device import Engine
from striate.workflows.dataset import Dataset

# Whether a run goes on from its last checkpoint, and whether with another number of processes than it began with
Resume = bool | Literal["other-processes"]


@dataclass(frozen=True)
class RunContext:
    """A run in progress."""

    run: config.Run  # complete settings
    dataset: Dataset  # decoded images and their split
    folder: Path  # what the run writes goes here
    engine: Engine  # the device and this process's place among the others
    stop: Stop  # whether an orderly end was requested
    watch: Watch  # called with every event
    trainings: int = field(default=1, kw_only=True)  # that the command has yet to do, this one included
    report: bool = field(default=False, kw_only=True)  # whether the command ends by writing the report
