"""Refusals of what takes one label an image, where it is given several; nothing here imports torch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from striate.base import onnx_file, run_folder
from striate.base.errors import SettingError, StriateError
from striate.base.option_names import option
from striate.onnx_model import is_onnx

if TYPE_CHECKING:
    from striate.base.config import Data


def refuse(data: "Data", what: str) -> None:
    """Refuse settings of images with several labels each. `what` is the command, as a verb."""
    if data.multi_label:
        raise SettingError(f"data.multi_label does not apply to {what}, which takes one label for each image; leave it out.")


def refuse_run(run: str | Path, what: str) -> None:
    """Refuse a run or a model of several labels an image. `what` is the command, as a verb."""
    if is_of_several(run):
        raise SettingError(f"{what} takes one label for each image; {run} is a model of several. Give another.")


def refuse_options(run: str | Path, options: Mapping[str, object]) -> None:
    """Refuse options that were given for a model of several labels, to which they do not apply."""
    for name, value in options.items():
        if value is not None:
            raise SettingError(
                f"{option(name, value)} does not apply to {run}, a model of several labels an image; leave it out."
            )


def is_of_several(run: str | Path) -> bool:
    """Whether a run or a model is of several labels an image, as its description says; false where there is none yet."""
    if is_onnx(run):
        path = Path(run)
        return path.is_file() and onnx_file.check(onnx_file.read(path), path).get("label_thresholds") is not None
    try:
        path = run_folder.find(run)
    except StriateError:
        return False  # weights by name
    file = next((file for file in (path / "model.json", path / "model" / "model.json") if file.is_file()), None)
    if file is None:
        return False
    try:
        described = json.loads(file.read_bytes())
    except ValueError:
        return False  # a damaged model is refused where it is read
    return isinstance(described, dict) and described.get("label_thresholds") is not None
