"""Pickles of estimators hold the files of their model's artifact, and no object of torch."""

import tempfile
from pathlib import Path
from typing import Any, cast

from striate.model import Model


class ArtifactPickle:
    """For an estimator with a `model_`: its bytes are checked by their manifest when a pickle is read.

    Raises ArtifactError: they are not what was written.
    """

    def __getstate__(self) -> dict[str, Any]:
        state = cast(dict[str, Any], super().__getstate__())
        if "model_" not in state:
            return state
        with tempfile.TemporaryDirectory() as folder:
            state["model_"].save(model := Path(folder) / "model")
            return {**state, "model_": {path.name: path.read_bytes() for path in sorted(model.iterdir())}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[misc]
        if "model_" in state:
            with tempfile.TemporaryDirectory() as folder:
                for name, content in state["model_"].items():
                    (Path(folder) / Path(name).name).write_bytes(content)
                self.model_ = Model.load(Path(folder))
