"""striate: train, understand and ship convolutional image classifiers.

import striate

result = striate.train("photos/")
model = striate.load(result["run"])
model.predict("one.jpg")
"""

from importlib import import_module
from typing import TYPE_CHECKING

from striate._version import __version__ as __version__

_HOME = {
    "Model": "striate.model",
    "Net": "striate.nets.net",
    "StriateError": "striate.base.errors",
    "compare": "striate.workflows.compare",
    "delete_runs": "striate.workflows.run_table",
    "doctor": "striate.workflows.doctor",
    "draw": "striate.workflows.nets",
    "evaluate": "striate.workflows.evaluate",
    "explain": "striate.workflows.nets",
    "export": "striate.workflows.export.run",
    "filters": "striate.workflows.inspect.first_layer_filters",
    "find_label_errors": "striate.workflows.labels.run",
    "find_lr": "striate.workflows.train.run",
    "finetune": "striate.workflows.finetune.run",
    "import_weights": "striate.workflows.external_weights",
    "inspect_image": "striate.workflows.inspect.one_image",
    "layers": "striate.workflows.nets",
    "list_runs": "striate.workflows.run_table",
    "load": "striate.workflows.load_model",
    "predict": "striate.workflows.predict",
    "predict_parts": "striate.workflows.prediction_parts",
    "preview": "striate.workflows.preview",
    "serve": "striate.workflows.serve.run",
    "signal": "striate.workflows.nets",
    "survey": "striate.workflows.data",
    "taps": "striate.nets.hooks",
    "train": "striate.workflows.train.run",
    "tune": "striate.workflows.tune.run",
    "units": "striate.workflows.inspect.units",
    "verdicts": "striate.workflows.inspect.filter_health",
    "weights": "striate.workflows.runs",
    "write_report": "striate.workflows.report.build",
    "write_shards": "striate.workflows.shards",
}
__all__ = sorted(_HOME)

if TYPE_CHECKING:
    from striate.base.errors import StriateError as StriateError
    from striate.model import Model as Model
    from striate.nets.hooks import taps as taps
    from striate.nets.net import Net as Net
    from striate.workflows.compare import compare as compare
    from striate.workflows.data import survey as survey
    from striate.workflows.doctor import doctor as doctor
    from striate.workflows.evaluate import evaluate as evaluate
    from striate.workflows.export.run import export as export
    from striate.workflows.external_weights import import_weights as import_weights
    from striate.workflows.finetune.run import finetune as finetune
    from striate.workflows.inspect.filter_health import verdicts as verdicts
    from striate.workflows.inspect.first_layer_filters import filters as filters
    from striate.workflows.inspect.one_image import inspect_image as inspect_image
    from striate.workflows.inspect.units import units as units
    from striate.workflows.labels.run import find_label_errors as find_label_errors
    from striate.workflows.load_model import load as load
    from striate.workflows.nets import draw as draw
    from striate.workflows.nets import explain as explain
    from striate.workflows.nets import layers as layers
    from striate.workflows.nets import signal as signal
    from striate.workflows.predict import predict as predict
    from striate.workflows.prediction_parts import predict_parts as predict_parts
    from striate.workflows.preview import preview as preview
    from striate.workflows.report.build import write_report as write_report
    from striate.workflows.run_table import delete_runs as delete_runs
    from striate.workflows.run_table import list_runs as list_runs
    from striate.workflows.runs import weights as weights
    from striate.workflows.serve.run import serve as serve
    from striate.workflows.shards import write_shards as write_shards
    from striate.workflows.train.run import find_lr as find_lr
    from striate.workflows.train.run import train as train
    from striate.workflows.tune.run import tune as tune


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"striate has no {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
