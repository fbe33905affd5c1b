"""`striate.load`: a model by the name of its run, its folder, its external weights, or the file that it was exported to."""

from pathlib import Path
from typing import Any

from striate.base import run_folder
from striate.base.arguments import named_arguments
from striate.base.errors import UnsupportedError
from striate.base.events import Watch, quiet
from striate.model import Model
from striate.nets import own_network
from striate.onnx_model import OnnxModel, is_onnx
from striate.workflows import external_weights
from striate.workflows.checks import is_external


@named_arguments()
def load(run: str | Path, device: str = "cpu", trust_code: bool = False) -> Any:
    """The model of a run, given by name or folder; of a model's folder; or `NET@imagenet`, `NET@FILE.safetensors`.

    It is a `Model`; of an ONNX file of `striate export` it is an `OnnxModel`, which predicts and embeds in the same way.

    Args:
        run: a name, a folder, external weights, or an ONNX file.
        device: where the net is put; an ONNX file is always run on the processor.
        trust_code: run the Python file of a network of one's own that comes with the model, now and later on this machine.

    Raises:
        UntrustedCodeError: the model comes with such a file, which has not been run on this machine.
        ArtifactError: a file of the model is changed or missing.

    """
    return OnnxModel.load(run) if is_onnx(run) else load_network(run, device, trust_code)


def load_network(run: str | Path, device: str = "cpu", trust_code: bool = False, watch: Watch = quiet) -> Model:
    """The same for what needs the network itself; an ONNX file is refused. `watch` is called with what takes long."""
    if is_onnx(run):
        raise UnsupportedError(f"{run} holds no layers that can be looked at or trained. Give the run that it came from.")
    if is_external(run):
        return external_weights.load_external(str(run), device, watch)
    return Model.load(run_folder.model_folder(run), device, trust_code)


def trust(run: str | Path) -> None:
    """Agree to run the Python file of a network of one's own that comes with a model, now and later on this machine."""
    if not (is_external(run) or is_onnx(run)):
        copy = run_folder.model_folder(run) / own_network.COPY
        if copy.is_file():
            own_network.trust(own_network.read(f"{copy}:"))
