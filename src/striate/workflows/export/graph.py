"""A classifier from uint8 pixels to calibrated probabilities as one module, and that module as an ONNX graph.

Legend: N images, H x W pixels, C channels, K classes, D features, R axes.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from striate.base import onnx_file
from striate.base.errors import UnsupportedError
from striate.metrics.confidence import Confidence
from striate.metrics.unknown_inputs import FeatureStatistics, UnknownInputs
from striate.model import Model
from striate.nets.feature_layer import flatten_features
from striate.nets.hooks import inputs

_LOGGERS = ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")


class _Distances(nn.Module):
    """`FeatureStatistics.distances` in float64, as it computes them, or in another type."""

    def __init__(self, statistics: FeatureStatistics, wide: torch.dtype) -> None:
        super().__init__()
        axes_RD, centers_KD = torch.from_numpy(statistics.axes_RD).double(), torch.from_numpy(statistics.centers_KD).double()
        weights_R = 1 / torch.from_numpy(statistics.variances_R).double() - 1 / statistics.rest
        centers_KR = centers_KD @ axes_RD.T
        self.rest, self.wide = statistics.rest, wide
        # |u - c|^2 = |u|^2 - 2 u c + |c|^2: all that does not depend on the image is multiplied out before
        self.register_buffer("axes_DR", axes_RD.T.contiguous())
        self.register_buffer("weights_R", weights_R)
        self.register_buffer("everywhere_DK", centers_KD.T.contiguous())
        self.register_buffer("along_RK", (centers_KR * weights_R).T.contiguous())
        own_K = (centers_KD**2).sum(dim=1) / statistics.rest + (centers_KR**2 * weights_R).sum(dim=1)
        self.register_buffer("own_K", own_K)
        self.to(wide)

    def forward(self, features_ND: Tensor) -> Tensor:
        buffers = dict(self.named_buffers())
        wide_ND = features_ND.to(self.wide)
        length_N1 = (wide_ND * wide_ND).sum(dim=1, keepdim=True).sqrt()
        unit_ND = wide_ND / length_N1.clamp_min(1e-12)
        along_NR = unit_ND @ buffers["axes_DR"]
        own_N1 = (unit_ND * unit_ND).sum(dim=1, keepdim=True) / self.rest
        own_N1 = own_N1 + (along_NR * along_NR * buffers["weights_R"]).sum(dim=1, keepdim=True)
        shared_NK = unit_ND @ buffers["everywhere_DK"] / self.rest + along_NR @ buffers["along_RK"]
        distances_N: Tensor = (own_N1 - 2 * shared_NK + buffers["own_K"]).amin(dim=1)
        return (distances_N / features_ND.shape[1]).clamp_min(0)


class Graph(nn.Module):
    """What the file computes: preprocessing, network, and how logits become probabilities; `names` are those of its outputs.

    With `half` the network computes in float16; all around it stays as it is. `wide` is the type of what follows the logits.
    """

    def __init__(self, model: Model, half: bool = False, wide: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.wide = wide
        self.net, self.preprocess, self.half_net = model.net.eval(), model.preprocess, half
        self.several, self.confidence = model.label_thresholds is not None, model.confidence
        flag = None if self.several else model.unknown_inputs
        self.flag: UnknownInputs | None = flag
        self.distances = None if flag is None else _Distances(flag.statistics, wide)
        if half:
            self.net = self.net.half()
        self.names = ["logits", "probabilities", "features"]
        self.names += [] if flag is None else ["unknown", "unknown_distance"]
        self.names += ["abstained"] if not self.several and may_abstain(self.confidence) else []

    def forward(self, images_NHWC: Tensor) -> tuple[Tensor, ...]:
        """The outputs, in the order of `names`."""
        images_NCHW = self.preprocess.images(images_NHWC)
        with inputs(self.net, self.net.head_name) as head_inputs:
            logits_NK = self.net(images_NCHW.half() if self.half_net else images_NCHW).float()
        features_ND = flatten_features(head_inputs[self.net.head_name]).float()
        wide_NK = logits_NK.to(self.wide)
        shares_NK = wide_NK.sigmoid() if self.several else (wide_NK / self.confidence.temperature).softmax(dim=1)
        outputs = [logits_NK, shares_NK.float(), features_ND]
        if self.distances is not None and self.flag is not None:
            distances_N = self.distances(features_ND)
            outputs += [~(distances_N <= self.flag.threshold), distances_N.float()]
        if "abstained" in self.names:
            limit = 2.0 if self.confidence.threshold is None else self.confidence.threshold
            outputs.append(shares_NK.amax(dim=1) < limit)
        return tuple(outputs)


def may_abstain(confidence: Confidence) -> bool:
    """Whether a model with this confidence can abstain at all."""
    return confidence.threshold is not None or confidence.max_error is not None


class Traced(NamedTuple):
    """An ONNX model, of the library's type, and the names of its outputs."""

    proto: Any
    names: list[str]


def trace(model: Model, half: bool = False) -> Traced:
    """The graph of a model with any number of images a batch; UnsupportedError where the network has no form in ONNX."""
    spec = model.input_spec
    example_NHWC = torch.zeros(2, spec.size_px, spec.size_px, spec.channels, dtype=torch.uint8)  # of 1, N would become fixed
    return traced(Graph(model, half), example_NHWC, {0: torch.export.Dim("N")}, model.net_name)


def traced(graph: Any, example: Tensor, sizes: dict[int, Any], net_name: str, name: str = "images") -> Traced:
    """A module with `names` of its outputs as ONNX, whose input `name` has these sizes of any value."""
    onnx_file.no_telemetry()
    try:
        with torch.no_grad(), quiet_exporter():
            program = torch.onnx.export(
                graph, (example,), dynamo=True, verbose=False, input_names=[name], output_names=graph.names,
                dynamic_shapes=(sizes,),
            )  # fmt: skip
    except Exception as error:  # whatever the exporter raises means that it cannot do this network
        raise UnsupportedError(
            f"{net_name} has no form in ONNX: {reason(error)}. Its own artifact works wherever striate is installed; "
            "networks that learn by gradient export, as `striate nets` lists them."
        ) from error
    assert program is not None
    proto = program.model_proto
    for part in (proto, proto.graph, *proto.graph.node, *proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        del part.metadata_props[:]  # of how it was traced
    for node in proto.graph.node:
        node.ClearField("doc_string")
    return Traced(proto, graph.names)


def reason(error: Exception) -> str:
    """What an exporter says first of its failure, without the full stop."""
    return str(error.__cause__ or error).strip().partition("\n")[0][:300].rstrip(".")


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Without the exporter's own notes, which are about its insides."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    try:
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
