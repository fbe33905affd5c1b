"""striate: train, understand and ship convolutional image classifiers.

import striate

result = striate.train("photos/")
model = striate.load(result["run"])
model.predict(["one.jpg", "two.jpg"])
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOME = {
    "Model": "striate.model",
    "Net": "striate.nets.net",
    "StriateError": "striate.base.errors",
    "doctor": "striate.workflows.runs",
    "draw": "striate.workflows.nets",
    "evaluate": "striate.workbench",
    "explain": "striate.workflows.nets",
    "find_rate": "striate.workbench",
    "finetune": "striate.workbench",
    "import_weights": "striate.workflows.external_weights",
    "filters": "striate.microscope",
    "layers": "striate.workflows.nets",
    "list_runs": "striate.workflows.runs",
    "load": "striate.workbench",
    "look_at": "striate.microscope",
    "predict": "striate.workbench",
    "show": "striate.workbench",
    "signal": "striate.workflows.nets",
    "survey": "striate.workbench",
    "taps": "striate.nets.hooks",
    "train": "striate.workbench",
    "units": "striate.microscope",
    "verdicts": "striate.microscope",
    "weights": "striate.workflows.runs",
    "write_report": "striate.workbench",
}
__all__ = sorted(_HOME)

if TYPE_CHECKING:
    from striate.base.errors import StriateError as StriateError
    from striate.microscope import filters as filters
    from striate.microscope import look_at as look_at
    from striate.microscope import units as units
    from striate.microscope import verdicts as verdicts
    from striate.model import Model as Model
    from striate.nets.hooks import taps as taps
    from striate.nets.net import Net as Net
    from striate.workbench import evaluate as evaluate
    from striate.workbench import find_rate as find_rate
    from striate.workbench import finetune as finetune
    from striate.workbench import load as load
    from striate.workbench import predict as predict
    from striate.workbench import show as show
    from striate.workbench import survey as survey
    from striate.workbench import train as train
    from striate.workbench import write_report as write_report
    from striate.workflows.external_weights import import_weights as import_weights
    from striate.workflows.nets import draw as draw
    from striate.workflows.nets import explain as explain
    from striate.workflows.nets import layers as layers
    from striate.workflows.nets import signal as signal
    from striate.workflows.runs import doctor as doctor
    from striate.workflows.runs import list_runs as list_runs
    from striate.workflows.runs import weights as weights


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"striate has no {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
