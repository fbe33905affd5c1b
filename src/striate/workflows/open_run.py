"""The model of a finished run together with its images, for everything that looks at it again."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.base import config, run_folder
from striate.base.errors import RunError, SettingError
from striate.base.events import Watch
from striate.base.signals import Stop
from striate.data import sources
from striate.model import Model
from striate.training import device
from striate.workflows.dataset import Dataset, gather
from striate.workflows.inspect.model_on_data import ModelOnDataset


@contextmanager
def open_run(settings: config.Run, model: Model, stop: Stop, watch: Watch) -> Iterator[ModelOnDataset]:
    """A model on the images of these settings, on their device; processes that decode images end with the block."""
    engine = device.pick(settings.engine)
    engine.place(model.net)
    examples = sources.read(settings.data)
    with closing(gather(examples, settings, stop, watch, engine.workers, model.input_spec)) as dataset:
        yield ModelOnDataset(model, dataset, engine, stop, watch)


def images_of(run: str | Path, data: str | Path | None) -> tuple[config.Run | None, str]:
    """Settings of the images of a run, or of `data` in their place, and the name of their part; None for no images."""
    if data is not None:
        return config.Run(data=config.data_section(data)), "all"
    try:
        folder = run_folder.find(run)
    except RunError:  # weights by name
        return None, ""
    return (run_folder.settings(folder), "validation") if (folder / "run.toml").is_file() else (None, "")


def rows_of(dataset: Dataset, part: str) -> NDArray[np.int64]:
    """The rows of a part of the images, `validation` or `all`; a SettingError where there are none."""
    rows_M = dataset.parts.val_M if part == "validation" else dataset.examples.used_M()
    if not len(rows_M):
        raise SettingError(f"expected images to look at in {dataset.examples.root}; there are none. Give others by --data.")
    return rows_M
