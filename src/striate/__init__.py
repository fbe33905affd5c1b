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
    "doctor": "striate.household",
    "draw": "striate.anatomy",
    "evaluate": "striate.workbench",
    "explain": "striate.anatomy",
    "find_rate": "striate.workbench",
    "finetune": "striate.workbench",
    "import_weights": "striate.foreign",
    "filters": "striate.microscope",
    "layers": "striate.anatomy",
    "list_runs": "striate.household",
    "load": "striate.workbench",
    "look_at": "striate.microscope",
    "predict": "striate.workbench",
    "show": "striate.workbench",
    "signal": "striate.anatomy",
    "survey": "striate.workbench",
    "taps": "striate.nets.tapping",
    "train": "striate.workbench",
    "units": "striate.microscope",
    "verdicts": "striate.microscope",
    "weights": "striate.household",
    "write_report": "striate.workbench",
}
__all__ = sorted(_HOME)

if TYPE_CHECKING:
    from striate.anatomy import draw as draw
    from striate.anatomy import explain as explain
    from striate.anatomy import layers as layers
    from striate.anatomy import signal as signal
    from striate.base.errors import StriateError as StriateError
    from striate.foreign import import_weights as import_weights
    from striate.household import doctor as doctor
    from striate.household import list_runs as list_runs
    from striate.household import weights as weights
    from striate.microscope import filters as filters
    from striate.microscope import look_at as look_at
    from striate.microscope import units as units
    from striate.microscope import verdicts as verdicts
    from striate.model import Model as Model
    from striate.nets.net import Net as Net
    from striate.nets.tapping import taps as taps
    from striate.workbench import evaluate as evaluate
    from striate.workbench import find_rate as find_rate
    from striate.workbench import finetune as finetune
    from striate.workbench import load as load
    from striate.workbench import predict as predict
    from striate.workbench import show as show
    from striate.workbench import survey as survey
    from striate.workbench import train as train
    from striate.workbench import write_report as write_report


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"striate has no {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
