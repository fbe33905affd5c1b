"""The health of every filter: blank, dead, duplicate, nearly dead, noisy or healthy.

| verdict | when |
|---|---|
| blank | its largest weight, norm included, is below a hundredth of the layer's largest |
| dead | its output is the same at every position of every image |
| duplicate | cosine similarity of its weights to those of an earlier filter of at least 0.99 |
| nearly dead | at least 99 % of the outputs of its ReLU are zero |
| noisy | like white noise, at an error rate of 5 %: by `kernel_noise.whiteness` from 5 x 5, the whole layer for 3 x 3 |
| healthy | none of these |

The first that applies is given. A filter is judged where it can be seen: after the norm and the activation that follow it.

Legend: F filters or units, D weights of each, N images, P places.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.interpret import kernel_noise
from striate.interpret.readout_points import Probe, probes, watched
from striate.nets.blocks import TableConv2d
from striate.nets.eval_mode import evaluating
from striate.nets.net import Net

BLANK, SAME, NEARLY, ERROR = 0.01, 0.99, 0.99, 0.05
_CONSTANT = 1e-6  # range of the output over its size that rounding alone makes
_MIN_WEIGHTS = 9  # of a filter, to compare its direction with others
_MOST_DOUBLE = 2**23  # weights of a layer that are judged in float64
_BLOCK = 2**22  # of them are normalized at a time
_ADVICE_SHARE = 0.1  # of the filters of a layer

Verdict = Literal["blank", "dead", "duplicate", "nearly dead", "noisy", "healthy"]
VERDICTS: tuple[Verdict, ...] = ("blank", "dead", "duplicate", "nearly dead", "noisy", "healthy")
ADVICE: Mapping[Verdict, str] = {
    "dead": "are dead: their output never changes (a lower learning rate or a warm-up may help)",
    "blank": "are blank: their weights are almost zero (a smaller layer or less weight decay may help)",
    "duplicate": "duplicate an earlier filter (a smaller layer or more dropout may help)",
    "nearly dead": "are nearly dead: their output is almost always zero (a lower learning rate may help)",
    "noisy": "are indistinguishable from white noise (training longer, more images or more weight decay may help)",
}


class Filter(NamedTuple):
    """One filter or unit."""

    verdict: Verdict
    size: float  # its largest weight over the layer's largest, norm included
    nearest: int | None  # the earlier filter with the most similar weights; None for the first, or below nine weights
    similarity: float | None  # their cosine similarity
    zeros: float | None  # share of zeros in its output; None without images
    range: float | None  # of its output, largest less smallest; None without images
    roughness: float | None  # see `kernel_noise`; None where kernels are too small
    entropy: float | None  # see `kernel_noise`


class Layer(NamedTuple):
    """A layer and its filters."""

    name: str
    readout_layer: str  # the layer whose output was judged
    images: int  # N; 0 where only weights were judged
    noise_ratio: float | None  # of 3 x 3 kernels: variance entropy over that of random ones; None for others
    filters: tuple[Filter, ...]

    def count(self, verdict: Verdict) -> int:
        """How many filters have this verdict."""
        return sum(own.verdict == verdict for own in self.filters)

    def share(self, verdict: Verdict) -> float:
        """The same, as a share of all."""
        return self.count(verdict) / len(self.filters)

    def advice(self) -> str:
        """A sentence on the commonest problem of a tenth of the filters or more; empty where there is none."""
        common = [verdict for verdict in VERDICTS[:-1] if self.share(verdict) >= _ADVICE_SHARE]
        if not common:
            return ""
        worst = max(common, key=self.share)
        return f"{self.name}: {self.count(worst)} of {len(self.filters)} filters {ADVICE[worst]}."


class _Outputs:
    """Minimum, maximum, zeros and number of the outputs of filters over all images."""

    def __init__(self) -> None:
        self.min_F = self.max_F = self.zeros_F = torch.empty(0)
        self.places = 0

    def add(self, output: Tensor) -> None:
        flat_FP = output.detach().float().transpose(0, 1).flatten(1)
        min_F, max_F = flat_FP.aminmax(dim=1)
        zeros_F = (flat_FP == 0).sum(dim=1)
        if self.places:
            min_F, max_F = torch.minimum(min_F, self.min_F), torch.maximum(max_F, self.max_F)
            zeros_F = zeros_F + self.zeros_F
        self.min_F, self.max_F, self.zeros_F = min_F, max_F, zeros_F
        self.places += flat_FP.shape[1]


def examine(net: Net, batches: Iterable[Any] = (), only: tuple[Verdict, ...] = VERDICTS) -> list[Layer]:
    """Judge every filter of a network, which keeps its mode; without batches, of `images_NCHW`, only the weights are judged.

    `only` are the verdicts to give, such as dead and duplicate after each epoch, where time is short.
    """
    points = probes(net)
    outputs = {probe.readout: _Outputs() for probe in points}
    images = 0
    watching = watched(net, list(outputs), lambda name, output: outputs[name].add(output))
    with torch.inference_mode(), evaluating(net), watching:
        for batch in batches:
            net(batch.images_NCHW)
            images += len(batch.images_NCHW)
    return [_judged(net, probe, outputs[probe.readout] if images else None, images, only) for probe in points]


def examine_weights(net: Net, probe: Probe) -> Layer:
    """Judge the filters of one layer by their weights alone."""
    return _judged(net, probe, None, 0, VERDICTS)


def _judged(net: Net, probe: Probe, outputs: _Outputs | None, images: int, only: tuple[Verdict, ...]) -> Layer:
    weights = effective(net, probe)
    flat_FD = weights.reshape(len(weights), -1)
    sizes_F = np.maximum(flat_FD.max(axis=1), -flat_FD.min(axis=1))
    sizes_F = sizes_F / max(float(sizes_F.max()), 1e-30)
    nearest_F, cosine_F = most_similar(flat_FD) if "duplicate" in only else (None, None)
    kernels = weights if weights.ndim == 4 and "noisy" in only else None
    white = None if kernels is None else kernel_noise.whiteness(kernels, ERROR)
    ratio = None if kernels is None else kernel_noise.entropy_ratio(kernels)
    filters = []
    for f in range(len(weights)):
        output_range = zeros = None
        constant = False
        if outputs is not None:
            low, high = float(outputs.min_F[f]), float(outputs.max_F[f])
            output_range, zeros = high - low, float(outputs.zeros_F[f]) / outputs.places
            constant = output_range <= _CONSTANT * max(abs(low), abs(high))
        near = None if nearest_F is None or nearest_F[f] < 0 else int(nearest_F[f])
        cosine = None if near is None or cosine_F is None else float(cosine_F[f])
        applies: dict[Verdict, bool] = {
            "blank": bool(sizes_F[f] < BLANK),
            "dead": constant,
            "duplicate": cosine is not None and cosine >= SAME,
            "nearly dead": probe.zeros and zeros is not None and zeros >= NEARLY,
            "noisy": bool(white.noisy_F[f]) if white is not None else ratio is not None and ratio >= 1,
            "healthy": True,
        }
        verdict = next(name for name in VERDICTS if applies[name] and (name in only or name == "healthy"))
        rough, entropy = (None, None) if white is None else (float(white.roughness_F[f]), float(white.entropy_F[f]))
        filters.append(Filter(verdict, float(sizes_F[f]), near, cosine, zeros, output_range, rough, entropy))
    return Layer(probe.layer, probe.readout, images, ratio, tuple(filters))


def effective(net: Net, probe: Probe) -> NDArray[Any]:
    """The weights of a layer as they act: F x C x k x k or F x D, each filter times what its norm multiplies it with.

    In float64; more than 8 million of them, as in the fully connected layers of VGG-16, in float32.
    """
    layer: Any = net.get_submodule(probe.layer)
    weights: Tensor = layer.full_weight() if isinstance(layer, TableConv2d) else layer.weight
    own: NDArray[Any] = weights.detach().cpu().numpy()
    kernels = own.astype(np.float64) if own.size <= _MOST_DOUBLE else own
    if probe.norm is None:
        return kernels
    norm: Any = net.get_submodule(probe.norm)
    if norm.running_var is None:
        return kernels
    factor = (norm.running_var.double() + norm.eps).rsqrt()
    factor_F = (factor if norm.weight is None else factor * norm.weight.double()).detach().cpu().numpy()
    scaled: NDArray[Any] = kernels * factor_F.astype(kernels.dtype).reshape(-1, *[1] * (kernels.ndim - 1))
    return scaled


def most_similar(flat_FD: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each filter the earlier one of the largest cosine similarity, and that; -1 and 0 for none.

    Filters of fewer than nine weights, which are often alike by chance, and of zeros have none.
    """
    count, width = flat_FD.shape
    if width < _MIN_WEIGHTS or count < 2:
        return np.full(count, -1), np.zeros(count)
    step = max(_MIN_WEIGHTS, _BLOCK // count)  # columns at a time, so that no second copy of a large layer is made
    blocks = [slice(first, first + step) for first in range(0, width, step)]
    lengths_F1 = np.sqrt(sum(np.square(flat_FD[:, block], dtype=np.float64).sum(axis=1, keepdims=True) for block in blocks))
    cosine_FF = np.zeros((count, count))
    for block in blocks:
        unit_FB = np.where(lengths_F1 > 1e-30, flat_FD[:, block] / np.maximum(lengths_F1, 1e-30), 0)
        cosine_FF += unit_FB @ unit_FB.T
    cosine_FF[~np.tri(count, k=-1, dtype=bool)] = -2.0
    nearest_F = cosine_FF.argmax(axis=1)
    best_F = cosine_FF.max(axis=1)
    none_F = (best_F < -1.5) | (lengths_F1[:, 0] <= 1e-30)
    return np.where(none_F, -1, nearest_F), np.where(none_F, 0, best_F)


def as_json(layers: Iterable[Layer]) -> list[dict[str, Any]]:
    """The layers for JSON, with counts and advice."""
    return [
        {
            "name": layer.name, "readout_layer": layer.readout_layer, "images": layer.images, "filters": len(layer.filters),
            **{verdict.replace(" ", "_"): layer.count(verdict) for verdict in VERDICTS}, "noise_ratio": layer.noise_ratio,
            "advice": layer.advice(), "each": [own._asdict() for own in layer.filters],
        }
        for layer in layers
    ]  # fmt: skip
