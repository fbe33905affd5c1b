"""A trained classifier with all that a prediction needs: net, preprocessing, input size, class names, confidence.

On disk it is a folder: `weights.safetensors`, `model.json`, `MANIFEST.sha256` and `unknown_inputs.safetensors`. No pickle; a
changed bit is refused by the name of its file before a tensor is used.

Legend: N images, H x W pixels, C channels, K classes.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, Self, overload

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save as as_bytes
from torch import Tensor

from striate.base import files, html_repr, model_card, precision
from striate.base.arguments import named_arguments
from striate.base.errors import ArtifactError, NumbersError, SettingError, WeightsError
from striate.batches import multi_crop
from striate.batches.preprocess import Preprocess
from striate.data import decode, image_inputs, saved_input_spec
from striate.data.decode import InputSpec
from striate.data.image_inputs import ImageInputs
from striate.metrics import multi_label
from striate.metrics.confidence import Confidence, of_artifact, predictions
from striate.metrics.unknown_inputs import UnknownInputs
from striate.nets import catalogue, factory, own_network
from striate.nets.feature_layer import flatten_features
from striate.nets.hooks import inputs
from striate.nets.images_at_once import MOST, images_at_once
from striate.nets.net import Net
from striate.nets.read_safetensors import read_safetensors

FORMAT = 1
UNKNOWN = "unknown_inputs.safetensors"
_MOST_JSON = 2**24  # bytes; 20,000 classes with their other names take 2 MB


class Outputs(NamedTuple):
    """What a network puts out for N images."""

    logits_NK: NDArray[np.float32]
    embeddings_ND: NDArray[np.float32]


@dataclass(frozen=True)
class Model:
    """A trained classifier.

    Attributes:
        net: in evaluation mode.
        net_name: what `nets.factory.build` was given.
        net_settings: the further settings that it was built with.
        preprocess: from pixels to the input of the net.
        input_spec: how an image is brought to the net's size and channels.
        classes: K names, in the order of the logits.
        confidence: how its logits become probabilities, and how probable a prediction must be.
        training: a summary of how it was trained.
        license: of the weights that it started from; empty for one's own.
        aliases: other names of classes, as folders may have them: WordNet ids for ImageNet's.
        unknown_inputs: how an image is found that looks like none of the training set; None where it cannot be.
        label_thresholds: of a model of several labels an image: the least probability of each; None of one label.
        precision: of convolutions and matrix products when it predicts, `fp32` or `bf16`; it is not saved.

    """

    net: Net
    net_name: str
    net_settings: Mapping[str, Any]
    preprocess: Preprocess
    input_spec: InputSpec
    classes: tuple[str, ...]
    confidence: Confidence = field(default_factory=Confidence)
    training: Mapping[str, Any] = field(default_factory=dict)
    license: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)
    unknown_inputs: UnknownInputs | None = None
    label_thresholds: tuple[float, ...] | None = None
    precision: str = "fp32"

    def __post_init__(self) -> None:
        precision.check(self.precision)

    def _repr_html_(self) -> str:
        spec = self.input_spec
        return html_repr.of_mapping(
            {
                "network": self.net_name, "parameters": sum(parameter.numel() for parameter in self.net.parameters()),
                "input": f"{spec.size_px} x {spec.size_px} px, {'gray' if spec.channels == 1 else 'color'}, {spec.resize_mode}",
                "classes": self.classes, "confidence": asdict(self.confidence), "training": self.training,
                "license": self.license,
            }
        )  # fmt: skip

    @named_arguments()
    def input_spec_for(self, crops: int) -> InputSpec:
        """How images are decoded for 1, 5 or 10 crops (`batches.multi_crop`).

        Raises:
            SettingError: another number of crops; 10 of a model that was trained without mirrored images; more than one of a
                model of several labels.

        """
        multi_crop.check(crops, self.training.get("flip"))
        if crops != 1 and self.label_thresholds is not None:
            raise SettingError(f"crops={crops} does not apply to a model of several labels an image; expected 1. Leave it out.")
        return multi_crop.decode_spec(self.input_spec, crops)

    @named_arguments()
    def logits(self, pixels_NHWC: NDArray[np.uint8], crops: int = 1) -> NDArray[np.float32]:
        """N x K logits of images that `input_spec_for(crops)` has been applied to, in float32, by batches of a bounded size.

        Of several crops they mean the average of their probabilities. NumbersError where one is not finite.
        """
        parts = [self._run(part_NHWC).logits_NK for part_NHWC in multi_crop.cut(pixels_NHWC, self.input_spec.size_px, crops)]
        return _finite(multi_crop.mean_logits(np.stack(parts), self.confidence.temperature))

    @named_arguments()
    def logits_and_embeddings(self, pixels_NHWC: NDArray[np.uint8]) -> Outputs:
        """The logits of one crop and, of the same pass, what the head is given for each image: N x K and N x D."""
        outputs = self._run(pixels_NHWC, embed=True)
        return outputs._replace(logits_NK=_finite(outputs.logits_NK))

    @property
    def device(self) -> torch.device:
        """Where the net is."""
        return next(chain(self.net.parameters(), self.net.buffers())).device

    def _run(self, pixels_NHWC: NDArray[np.uint8], embed: bool = False) -> Outputs:
        logits, embeddings = [np.empty((0, len(self.classes)), np.float32)], list[NDArray[np.float32]]()
        net, device = self.net.eval(), self.device
        preprocess, bf16 = self.preprocess.to(device), self.precision == "bf16"
        order = torch.channels_last if bf16 else torch.preserve_format  # the faster one in bfloat16
        with torch.inference_mode(), inputs(net, *[net.head_name][: int(embed)]) as head_inputs:
            size = images_at_once(net, net.input_chw, min(MOST, len(pixels_NHWC)))
            for start in range(0, len(pixels_NHWC), max(1, size)):
                batch = torch.from_numpy(np.ascontiguousarray(pixels_NHWC[start : start + size])).to(device)
                images_NCHW = preprocess.images(batch).to(memory_format=order)
                with torch.autocast(device.type, torch.bfloat16) if bf16 else nullcontext():
                    logits.append(net(images_NCHW).float().cpu().numpy())
                embeddings += [flatten_features(values).float().cpu().numpy() for values in head_inputs.values()]
        return Outputs(np.concatenate(logits), np.concatenate(embeddings) if embeddings else np.empty((0, 0), np.float32))

    @named_arguments()
    def probabilities(self, logits_NK: NDArray[np.float32]) -> NDArray[np.float64]:
        """The calibrated probabilities that logits mean: N x K, in the order of `classes`; of several labels each by itself."""
        return self.confidence.probabilities(logits_NK) if self.label_thresholds is None else multi_label.sigmoid(logits_NK)

    @named_arguments()
    def answers(self, logits_NK: NDArray[np.float32], embeddings_ND: NDArray[np.float32] | None = None) -> list[Any]:
        """The predictions that logits mean; with the embeddings of one crop also whether the images are unknown.

        Each is a `Prediction`; of a model of several labels an image, a `LabelSet`.
        """
        if self.label_thresholds is not None:
            return multi_label.label_sets(logits_NK, self.classes, self.label_thresholds)
        flag = self.unknown_inputs
        flags_N = None if flag is None or embeddings_ND is None else flag.flags(embeddings_ND)
        return predictions(logits_NK, self.classes, self.confidence, flags_N)

    @named_arguments()
    def classify(self, pixels_NHWC: NDArray[np.uint8], crops: int = 1) -> list[Any]:
        """The predictions for images that `input_spec_for(crops)` has been applied to, by one pass for each crop.

        Of several crops none is flagged as unknown, since the threshold is of whole images.
        """
        if crops == 1 and self.unknown_inputs is not None:
            return self.answers(*self.logits_and_embeddings(pixels_NHWC))
        return self.answers(self.logits(pixels_NHWC, crops))

    @overload
    def predict(self, images: list[Any] | tuple[Any, ...], crops: int = 1) -> list[Any]: ...
    @overload
    def predict(self, images: Any, crops: int = 1) -> Any: ...
    @named_arguments()
    def predict(self, images: Any, crops: int = 1) -> Any:
        """The prediction for an image, or a list of them for a list, a folder, a glob, a batch, a table or a data set.

        It is a `Prediction`; of a model of several labels an image a `LabelSet`.

        Args:
            images: paths, folders and globs; the bytes of a file, or a file opened for reading; PIL images; arrays H x W or
                H x W x C, tensors C x H x W too, of uint8 or floats in [0, 1], or a batch of them; lists of these; a table or a
                column of one with paths or bytes; a data set of PyTorch or Hugging Face.
            crops: 5 or 10 of each image (`batches.multi_crop`), whose probabilities are averaged.

        Raises:
            DataError: there is nothing at a path.
            DecodeError: one of them cannot be decoded; `striate predict` gives such a file a row of its own instead.
            ShapeError: an array has a shape that is no image's, or that could be read in two ways.
            SettingError: what is no image; crops that this model does not take; see `input_spec_for`.

        """
        given, answers = image_inputs.read(images), list[Any]()
        for pixels_NHWC in _batches(given, self.input_spec_for(crops)):
            answers += self.classify(pixels_NHWC, crops)
        return answers[0] if given.single else answers

    @named_arguments()
    def embed(self, images: Any) -> NDArray[np.float32]:
        """What the head is given for images, which are taken as by `predict`: N x D, of a single image D.

        It is what the network has made of an image before it chooses a class: for a search, for clusters, or for a classifier
        of another kind. Errors are those of `predict`.
        """
        given = image_inputs.read(images)
        parts = [self.logits_and_embeddings(pixels_NHWC).embeddings_ND for pixels_NHWC in _batches(given, self.input_spec)]
        if not parts:
            blank_1HWC = np.zeros((1, self.input_spec.size_px, self.input_spec.size_px, self.input_spec.channels), np.uint8)
            return self.logits_and_embeddings(blank_1HWC).embeddings_ND[:0]
        return parts[0][0] if given.single else np.concatenate(parts)

    @named_arguments()
    def images(self, images: Any) -> Tensor:
        """Images, given as to `predict`, as the net takes them: N x C x H x W, C x H x W of one, on its device.

        Errors are those of `predict`; there must be an image.
        """
        pixels = self.pixels(images)
        if not len(pixels):
            raise SettingError("expected at least one image; got none.")
        device = self.device
        images_NCHW = self.preprocess.to(device).images(torch.from_numpy(pixels.reshape(-1, *pixels.shape[-3:])).to(device))
        return images_NCHW if pixels.ndim == 4 else images_NCHW[0]

    @named_arguments()
    def pixels(self, images: Any) -> NDArray[np.uint8]:
        """Images, given as to `predict`, at the net's size and with its channels: N x H x W x C, H x W x C of one."""
        given, spec = image_inputs.read(images), self.input_spec
        none_NHWC = np.empty((0, spec.size_px, spec.size_px, spec.channels), np.uint8)
        pixels_NHWC = np.concatenate([none_NHWC, *_batches(given, spec)])
        return pixels_NHWC[0] if given.single else pixels_NHWC

    @named_arguments()
    def save(self, folder: Path, card: str | None = None) -> str:
        """Write the artifact, with its card as README.md where there is one; returns the SHA-256 of the weights file."""
        source = own_network.read(self.net_name) if catalogue.is_own(self.net_name) else None
        net_name = self.net_name if source is None else f"{own_network.COPY}:{source.class_name}"
        described = {
            "format": FORMAT,
            "net": {"name": net_name, "input_chw": list(self.net.input_chw), "settings": dict(self.net_settings)},
            "net_source": None if source is None else {"file": own_network.COPY, "sha256": source.sha256},
            "classes": list(self.classes),
            "preprocess": self.preprocess.as_json(),
            "input_spec": saved_input_spec.as_json(self.input_spec),
            "decoder_version": decode.DECODER_VERSION,
            "confidence": asdict(self.confidence),
            "training": dict(self.training),
            "license": self.license,
            "aliases": dict(self.aliases),
            "unknown_inputs": None if self.unknown_inputs is None else self.unknown_inputs.as_json(),
            **({} if self.label_thresholds is None else {"label_thresholds": list(self.label_thresholds)}),
        }
        weights = {f"net.{name}": tensor for name, tensor in self.net.state_dict().items()} | self.preprocess.tensors()
        on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
        contents = {"weights.safetensors": as_bytes(on_cpu)}
        if self.unknown_inputs is not None:
            arrays = self.unknown_inputs.statistics.arrays()
            contents[UNKNOWN] = as_bytes({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
        if source is not None:
            contents[own_network.COPY] = source.content
        contents["model.json"] = json.dumps(described, indent=1, allow_nan=False).encode()
        if card is not None:
            contents[model_card.FILE] = card.encode()
        files.write_folder(folder, contents)
        return files.sha256(folder / "weights.safetensors")

    @classmethod
    @named_arguments()
    def load(cls, folder: Path, device: str = "cpu", trust_code: bool = False) -> Self:
        """Read an artifact whose every byte is as written.

        Args:
            folder: of the artifact.
            device: where the net is put.
            trust_code: run the Python file of a network of one's own that comes with the model, now and later on this machine.

        Raises:
            UntrustedCodeError: the model comes with such a file, which has not been run on this machine.
            ArtifactError: a file is changed, missing, or of a later format; names it.

        """
        if not folder.is_dir():
            raise ArtifactError(f"expected a model folder at {folder}; there is none.")
        files.verify(folder)
        try:
            return cls._read(folder, device, trust_code)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, WeightsError) as error:
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise ArtifactError(f"{folder} does not describe a model of striate ({reason}). Use another copy.") from error

    @classmethod
    def _read(cls, folder: Path, device: str, trust_code: bool) -> Self:
        if (size := (folder / "model.json").stat().st_size) > _MOST_JSON:
            raise ValueError(f"model.json has {size:,} bytes; at most {_MOST_JSON:,}")
        described = json.loads((folder / "model.json").read_text("utf-8"))
        if described["format"] != FORMAT:
            raise ArtifactError(f"{folder} has format {described['format']}; this striate reads {FORMAT}. Update striate.")
        tensors = read_safetensors(folder / "weights.safetensors", device)
        classes = tuple(described["classes"])
        name, settings = described["net"]["name"], described["net"]["settings"]
        if catalogue.is_own(name):
            name = own_network.name_in(folder, name, described["net_source"], trust_code)
        chw: Sequence[int] = described["net"]["input_chw"]
        start = "net."
        weights = {key.removeprefix(start): t for key, t in tensors.items() if key.startswith(start)}
        net = factory.build_around(weights, name, (chw[0], chw[1], chw[2]), len(classes), copy=False, **settings).to(device)
        if (unknown := described.get("unknown_inputs")) is not None:
            arrays = {key: tensor.numpy() for key, tensor in read_safetensors(folder / UNKNOWN).items()}
            unknown = UnknownInputs.of_artifact(unknown, arrays)
        return cls(
            net=net.eval(),
            net_name=name,
            net_settings=settings,
            preprocess=Preprocess.from_json(described["preprocess"], tensors),
            input_spec=saved_input_spec.read(described["input_spec"]),
            classes=classes,
            confidence=of_artifact(described),
            training=described["training"],
            license=described["license"],
            aliases=described.get("aliases", {}),
            unknown_inputs=unknown,
            label_thresholds=multi_label.thresholds_of(described),
        )


def _batches(given: ImageInputs, input_spec: InputSpec) -> Iterator[NDArray[np.uint8]]:
    """The decoded images, so many at a time."""
    while images := list(islice(given.images, MOST)):
        yield np.stack([image.decode_named(input_spec) for image in images])


def _finite(logits_NK: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same logits; NumbersError where one is not finite."""
    bad = int((~np.isfinite(logits_NK)).any(axis=1).sum())
    if bad:
        raise NumbersError(
            f"the network put out NaN or infinity for {bad:,} of {len(logits_NK):,} images, which are no predictions. Its "
            "weights or its preprocessing are not those of a finished training; use another model."
        )
    return logits_NK
