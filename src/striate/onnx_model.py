"""A classifier that `striate export` wrote, read without torch: its answers are those of `model.Model`.

Legend: N images, H x W pixels, C channels, K classes, D features.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from striate.base import onnx_file
from striate.base.arguments import named_arguments
from striate.base.child_process import Child
from striate.base.errors import ArtifactError, MissingExtraError, NumbersError, SettingError, ShapeError
from striate.data import image_inputs, saved_input_spec
from striate.data.decode import InputSpec
from striate.data.image_inputs import ImageInputs
from striate.metrics import multi_label
from striate.metrics.confidence import Confidence, of_artifact, predictions

ENDING = ".onnx"
_AT_ONCE = 64
_TRIAL_MB, _TRIAL_SECONDS = 4096, 120.0  # beyond four times the file's size; of processor time


class OnnxOutputs(NamedTuple):
    """What a file says of N images; `unknown` and `abstained` are None where its model cannot tell."""

    logits: NDArray[np.float32]  # N x K
    probabilities: NDArray[np.float32]  # N x K, calibrated
    features: NDArray[np.float32]  # N x D, what the head is given
    unknown: NDArray[np.bool_] | None  # N
    abstained: NDArray[np.bool_] | None  # N


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """A classifier in one file.

    Attributes:
        path: of the file.
        classes: K names, in the order of the logits.
        input_spec: how an image is brought to the size and the channels of the file's input.
        confidence: how its logits become probabilities, and how probable a prediction must be.
        license: of the weights that it started from; empty for one's own.
        label_thresholds: of a model of several labels an image: the least probability of each; None of one label.
        described: all that the file says of itself.
        session: of onnxruntime.

    """

    path: Path
    classes: tuple[str, ...]
    input_spec: InputSpec
    confidence: Confidence
    license: str
    label_thresholds: tuple[float, ...] | None
    described: Mapping[str, Any]
    session: Any

    @classmethod
    @named_arguments()
    def load(cls, path: str | Path, threads: int = 0) -> Self:
        """Read a file of `striate export` whose every byte is as written.

        The first time on this machine a child process runs it before, with limits; the cache folder remembers its SHA-256.

        Args:
            path: of the file.
            threads: that compute; 0 for one a core.

        Raises:
            ArtifactError: it is another ONNX file, a changed one, or cannot be run.

        """
        path = Path(path)
        content = onnx_file.read(path)
        described = onnx_file.check(content, path)
        if described.get("image_size") == "any":
            raise ArtifactError(f"{path} takes images of any size, for other programs. Give model.onnx, which lies beside it.")
        runtime = _runtime().__version__
        if not onnx_file.was_run(content, runtime):
            with Child("striate.onnx_model:trial", _TRIAL_MB + 4 * len(content) // 2**20, _TRIAL_SECONDS, tries=1) as child:
                answer = child.call(str(path.resolve()))
            if answer.error is not None:
                reason = answer.error.partition("\n")[0]
                raise ArtifactError(f"{path} cannot be run: {reason:.300}. Export the model again.")
            onnx_file.note_run(content, runtime, path)
        return cls._opened(path, content, described, threads)

    @classmethod
    def _opened(cls, path: Path, content: bytes, described: Mapping[str, Any], threads: int) -> Self:
        try:
            return cls(
                path=path, classes=tuple(map(str, described["classes"])),
                input_spec=saved_input_spec.read(described["input_spec"]), confidence=of_artifact(described),
                license=described["license"], label_thresholds=multi_label.thresholds_of(described), described=described,
                session=_session(content, threads),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise ArtifactError(f"{path} does not describe a model of striate ({reason}). Export it again.") from error

    @property
    def aliases(self) -> Mapping[str, str]:
        """Other names of classes."""
        return self.described.get("aliases") or {}

    @property
    def precision(self) -> str:
        """In which it was exported: `fp32`, `int8` or `fp16`."""
        return str(self.described.get("precision", "fp32"))

    @property
    def training(self) -> Mapping[str, Any]:
        """A summary of how it was trained."""
        return self.described.get("training") or {}

    @named_arguments()
    def input_spec_for(self, crops: int) -> InputSpec:
        """How images are decoded: one crop, since the file's input has one size. SettingError for more."""
        if crops != 1:
            raise SettingError(f"expected one crop for {self.path}, whose input has one size; got {crops}.")
        return self.input_spec

    @named_arguments()
    def probabilities(self, logits_NK: NDArray[np.float32]) -> NDArray[np.float64]:
        """The calibrated probabilities that logits mean, as `Model.probabilities` gives them."""
        return self.confidence.probabilities(logits_NK) if self.label_thresholds is None else multi_label.sigmoid(logits_NK)

    @named_arguments()
    def predict_pixels(self, images_NHWC: NDArray[np.uint8]) -> OnnxOutputs:
        """What the file says of images that `input_spec` has been applied to, N x H x W x C.

        Raises:
            ShapeError: images of another size, number of channels or type.
            NumbersError: a logit that is not finite.

        """
        spec = self.input_spec
        shape = (spec.size_px, spec.size_px, spec.channels)
        if images_NHWC.dtype != np.uint8 or images_NHWC.shape[1:] != shape:
            expected = "N x " + " x ".join(map(str, shape))
            raise ShapeError(
                f"expected images {expected} of uint8; got {' x '.join(map(str, images_NHWC.shape))} of {images_NHWC.dtype}. "
                "Give files to `predict`, which brings them to that."
            )
        names = [output.name for output in self.session.get_outputs()]
        parts = [
            self.session.run(names, {"images": np.ascontiguousarray(images_NHWC[start : start + _AT_ONCE])})
            for start in range(0, max(1, len(images_NHWC)), _AT_ONCE)
        ]
        arrays = {name: np.concatenate(column) for name, column in zip(names, zip(*parts, strict=True), strict=True)}
        outputs = OnnxOutputs(
            arrays["logits"], arrays["probabilities"], arrays["features"], arrays.get("unknown"), arrays.get("abstained")
        )
        if not np.isfinite(outputs.logits).all():
            raise NumbersError(f"{self.path} put out NaN or infinity, which is no prediction. Export the model again.")
        return outputs

    @named_arguments()
    def answers(self, outputs: OnnxOutputs) -> list[Any]:
        """The predictions that outputs mean: each a `Prediction`; of a model of several labels an image, a `LabelSet`."""
        if self.label_thresholds is not None:
            return multi_label.label_sets(outputs.logits, self.classes, self.label_thresholds)
        return predictions(outputs.logits, self.classes, self.confidence, outputs.unknown)

    @named_arguments()
    def classify(self, images_NHWC: NDArray[np.uint8]) -> list[Any]:
        """The predictions for images that `input_spec` has been applied to."""
        return self.answers(self.predict_pixels(images_NHWC))

    @named_arguments()
    def predict(self, images: Any, *more: Any) -> Any:
        """The prediction for an image, or a list of them, as `Model.predict` takes images and answers; or of several paths."""
        given = image_inputs.read([images, *more] if more else images)
        answers = [answer for pixels_NHWC in _batches(given, self.input_spec) for answer in self.classify(pixels_NHWC)]
        return answers[0] if given.single else answers

    @named_arguments()
    def embed(self, images: Any) -> NDArray[np.float32]:
        """What the head is given for images, which are taken as by `predict`: N x D, of a single image D."""
        given = image_inputs.read(images)
        parts = [self.predict_pixels(pixels_NHWC).features for pixels_NHWC in _batches(given, self.input_spec)]
        if not parts:
            raise SettingError("expected at least one image; got none.")
        return parts[0][0] if given.single else np.concatenate(parts)


def is_onnx(run: str | Path) -> bool:
    """Whether this is the path of an ONNX file and no run."""
    return isinstance(run, str | Path) and Path(run).suffix.lower() == ENDING and not Path(run).is_dir()


def trial(argument: Any) -> tuple[object, bytes]:
    """In a child: read a file and run it on two black images; what is wrong with it is raised."""
    path = Path(argument)
    content = onnx_file.read(path)
    model = OnnxModel._opened(path, content, onnx_file.check(content, path), threads=1)
    spec = model.input_spec
    outputs = model.predict_pixels(np.zeros((2, spec.size_px, spec.size_px, spec.channels), np.uint8))
    if outputs.logits.shape != (2, len(model.classes)) or outputs.logits.dtype != np.float32 or len(outputs.features) != 2:
        raise ShapeError(f"expected 2 x {len(model.classes)} logits; got {outputs.logits.shape} of {outputs.logits.dtype}")
    return None, b""


def _runtime() -> Any:
    onnx_file.no_telemetry()
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("A model in an ONNX file", "onnxruntime", "export") from None
    return onnxruntime


def _session(content: bytes, threads: int) -> Any:
    runtime = _runtime()
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    # Threads that have nothing to do sleep: else they take the processor from those who decode and answer
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _batches(given: ImageInputs, input_spec: InputSpec) -> Iterator[NDArray[np.uint8]]:
    """The decoded images, so many at a time."""
    while images := list(islice(given.images, _AT_ONCE)):
        yield np.stack([image.decode_named(input_spec) for image in images])
