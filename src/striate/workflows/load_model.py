"""`striate.load`: a model by the name of its run, its folder, or its external weights."""

from pathlib import Path

from striate.base import run_folder
from striate.base.arguments import named_arguments
from striate.model import Model
from striate.nets import own_network
from striate.workflows import external_weights
from striate.workflows.checks import is_external


@named_arguments()
def load(run: str | Path, device: str = "cpu", trust_code: bool = False) -> Model:
    """The model of a run, given by name or folder; of a model's folder; or `NET@imagenet`, `NET@FILE.safetensors`.

    Args:
        run: a name, a folder, or external weights.
        device: where the net is put.
        trust_code: run the Python file of a network of one's own that comes with the model, now and later on this machine.

    Raises:
        UntrustedCodeError: the model comes with such a file, which has not been run on this machine.
        ArtifactError: a file of the model is changed or missing.

    """
    if is_external(run):
        return external_weights.load_external(str(run), device)
    return Model.load(run_folder.model_folder(run), device, trust_code)


def trust(run: str | Path) -> None:
    """Agree to run the Python file of a network of one's own that comes with a model, now and later on this machine."""
    if not is_external(run):
        copy = run_folder.model_folder(run) / own_network.COPY
        if copy.is_file():
            own_network.trust(own_network.read(f"{copy}:"))
