"""`striate.load`: a model by the name of its run, its folder, its external weights, or the file that it was exported to."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from striate.base import run_folder
from striate.base.arguments import named_arguments
from striate.base.errors import SettingError, UnsupportedError
from striate.base.events import Watch, quiet
from striate.base.option_names import option
from striate.model import Model
from striate.nets import catalogue, own_network
from striate.onnx_model import OnnxModel, is_onnx
from striate.training import device as machine
from striate.workflows import external_weights
from striate.workflows.checks import check_precision, is_external

log = logging.getLogger("striate")


@named_arguments()
def load(run: str | Path, device: str = "cpu", trust_code: bool = False, *, precision: str = "fp32") -> Any:
    """The model of a run, given by name or folder; of a model's folder; or `NET@imagenet`, `NET@FILE.safetensors`.

    It is a `Model`; of an ONNX file of `striate export` it is an `OnnxModel`, which predicts and embeds in the same way.

    Args:
        run: a name, a folder, external weights, or an ONNX file.
        device: where the net is put; an ONNX file is always run on the processor.
        trust_code: run the Python file of a network of one's own that comes with the model, now and later on this machine.
        precision: of convolutions and matrix products when it predicts, fp32 or bf16, as `predict` takes it. What looks inside
            the network computes in fp32.

    Raises:
        SettingError: bf16 of an ONNX file, whose precision is that of its export, or of what learns without gradients.
        UnsupportedError: the device has no bf16.
        UntrustedCodeError: the model comes with such a file, which has not been run on this machine.
        ArtifactError: a file of the model is changed or missing.

    """
    check_precision(run, precision)
    if is_onnx(run):
        return OnnxModel.load(run)
    model = load_network(run, device, trust_code, precision=precision)
    for note in notes_on_precision(model):
        log.warning("%s", note)
    return model


def load_network(
    run: str | Path, device: str = "cpu", trust_code: bool = False, watch: Watch = quiet, *, precision: str = "fp32"
) -> Model:  # fmt: skip
    """The same for what needs the network itself; an ONNX file is refused. `watch` is called with what takes long."""
    if is_onnx(run):
        raise UnsupportedError(f"{run} holds no layers that can be looked at or trained. Give the run that it came from.")
    if is_external(run):
        model = external_weights.load_external(str(run), device, watch)
    else:
        model = Model.load(run_folder.model_folder(run), device, trust_code)
    if precision == "bf16":
        if catalogue.gradient_free(model.net_name) is not None:
            raise SettingError(
                f"{option('precision', precision)} does not apply to {model.net_name}, which learns without gradients: its "
                "sums nearly cancel. Leave it out."
            )
        machine.check_bf16(model.device)
    return replace(model, precision=precision)


def notes_on_precision(model: Model, here: bool = True) -> list[str]:
    """Sentences on what bf16 costs a model that predicts in it; `here` says whether it predicts on this machine."""
    if model.precision != "bf16":
        return []
    chosen = (model.confidence.images, model.label_thresholds, model.unknown_inputs)
    promised = any(each is not None for each in chosen)
    sentence = "Thresholds, sets and the flag of unknown images were chosen in fp32; in bf16 nothing is promised of them."
    slow = machine.slow_bf16(model.device) if here else None
    return [*([] if slow is None else [slow]), *([sentence] if promised else [])]


def trust(run: str | Path) -> None:
    """Agree to run the Python file of a network of one's own that comes with a model, now and later on this machine."""
    if not (is_external(run) or is_onnx(run)):
        copy = run_folder.model_folder(run) / own_network.COPY
        if copy.is_file():
            own_network.trust(own_network.read(f"{copy}:"))
