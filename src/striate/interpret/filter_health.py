"""A verdict on every filter: does it do something, and something of its own?

| verdict | when |
|---|---|
| blank | its largest weight, norm included, is below a hundredth of the layer's largest |
| dead | puts out one and the same number at every place of every image |
| duplicate | its weights point where those of an earlier filter do: cosine of at least 0.99 |
| nearly dead | at least 99 % of what its rectifier puts out is zero |
| noisy | like white noise, at an error rate of 5 %: by `noise.whiteness` for 5 x 5 and larger, the whole layer for 3 x 3 |
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
from striate.nets.net import Net

BLANK, SAME, NEARLY, ERROR = 0.01, 0.99, 0.99, 0.05
_STILL = 1e-6  # range of what is put out, as a share of its size, that rounding alone makes
_FEWEST = 9  # weights from which on a direction says something
_SPREAD = 0.1  # share of a layer from which on something is advised

Verdict = Literal["blank", "dead", "duplicate", "nearly dead", "noisy", "healthy"]
VERDICTS: tuple[Verdict, ...] = ("blank", "dead", "duplicate", "nearly dead", "noisy", "healthy")
ADVICE: Mapping[Verdict, str] = {
    "dead": "lower the learning rate, or warm it up: a step too large pushes filters where no gradient reaches them",
    "blank": "take a smaller layer, or less weight decay: these filters carry nothing",
    "duplicate": "take a smaller layer, or more dropout: filters see the same",
    "nearly dead": "look at the images that still excite these filters; if there are none that matter, lower the learning rate",
    "noisy": "train longer, with more images or more weight decay: these filters look as they began",
}


class Filter(NamedTuple):
    """One filter or unit.

    Attributes:
        verdict: on it.
        size: its largest weight over the layer's largest, norm included.
        nearest: the earlier filter whose weights point most where its own do; None for the first, or below nine weights.
        similarity: their cosine.
        zeros: share of zeros in what it puts out; None where no image was looked at.
        range: largest less smallest of what it puts out; None where no image was looked at.
        roughness: see `noise`; None where kernels are too small.
        entropy: see `noise`.

    """

    verdict: Verdict
    size: float
    nearest: int | None
    similarity: float | None
    zeros: float | None
    range: float | None
    roughness: float | None
    entropy: float | None


class Layer(NamedTuple):
    """A layer and its filters.

    Attributes:
        name: of it.
        readout_layer: the layer whose output was judged.
        images: N that were looked at; 0 where only weights were.
        noise_ratio: of 3 x 3 kernels: variance entropy over that of random ones; None for others.
        filters: F.

    """

    name: str
    readout_layer: str
    images: int
    noise_ratio: float | None
    filters: tuple[Filter, ...]

    def count(self, verdict: Verdict) -> int:
        """How many filters have this verdict."""
        return sum(one.verdict == verdict for one in self.filters)

    def share(self, verdict: Verdict) -> float:
        """The same, as a share of all."""
        return self.count(verdict) / len(self.filters)

    def advice(self) -> str:
        """One sentence on what ails a tenth of the layer or more, the commonest first; empty where nothing does."""
        ailing = [verdict for verdict in VERDICTS[:-1] if self.share(verdict) >= _SPREAD]
        if not ailing:
            return ""
        worst = max(ailing, key=self.share)
        return f"{self.name}: {self.share(worst):.0%} {worst}: {ADVICE[worst]}."


class _Seen:
    """What filters put out over all images: least, largest, zeros, places."""

    def __init__(self) -> None:
        self.least_F = self.most_F = self.zeros_F = torch.empty(0)
        self.places = 0

    def add(self, output: Tensor) -> None:
        flat_FP = output.detach().float().transpose(0, 1).flatten(1)
        least_F, most_F = flat_FP.aminmax(dim=1)
        zeros_F = (flat_FP == 0).sum(dim=1)
        if self.places:
            least_F, most_F = torch.minimum(least_F, self.least_F), torch.maximum(most_F, self.most_F)
            zeros_F = zeros_F + self.zeros_F
        self.least_F, self.most_F, self.zeros_F = least_F, most_F, zeros_F
        self.places += flat_FP.shape[1]


def examine(net: Net, batches: Iterable[Any] = (), only: tuple[Verdict, ...] = VERDICTS) -> list[Layer]:
    """Judge every filter of a network; its mode and weights stay as they are.

    Args:
        net: on the device of the batches.
        batches: with `images_NCHW`, of the images to look at; without any only the weights are judged.
        only: verdicts to look for, as dead and duplicate after each epoch, where time is short; others are not given.

    """
    found = probes(net)
    seen: dict[str, _Seen] = {probe.readout: _Seen() for probe in found}
    images, was_training = 0, net.training
    net.eval()
    try:
        with torch.inference_mode(), watched(net, list(seen), lambda name, output: seen[name].add(output)):
            for batch in batches:
                net(batch.images_NCHW)
                images += len(batch.images_NCHW)
    finally:
        net.train(was_training)
    return [_judged(net, probe, seen[probe.readout] if images else None, images, only) for probe in found]


def _judged(net: Net, probe: Probe, seen: _Seen | None, images: int, only: tuple[Verdict, ...]) -> Layer:
    weights = effective(net, probe)
    flat_FD = weights.reshape(len(weights), -1)
    sizes_F = np.abs(flat_FD).max(axis=1)
    sizes_F = sizes_F / max(float(sizes_F.max()), 1e-30)
    nearest_F, cosine_F = likeness(flat_FD) if "duplicate" in only else (None, None)
    kernels = weights if weights.ndim == 4 and "noisy" in only else None
    white = None if kernels is None else kernel_noise.whiteness(kernels, ERROR)
    ratio = None if kernels is None else kernel_noise.entropy_ratio(kernels)
    filters = []
    for f in range(len(weights)):
        spread = zeros = None
        still = False
        if seen is not None:
            low, high = float(seen.least_F[f]), float(seen.most_F[f])
            spread, zeros = high - low, float(seen.zeros_F[f]) / seen.places
            still = spread <= _STILL * max(abs(low), abs(high))
        near = None if nearest_F is None or nearest_F[f] < 0 else int(nearest_F[f])
        cosine = None if near is None or cosine_F is None else float(cosine_F[f])
        applies: dict[Verdict, bool] = {
            "blank": bool(sizes_F[f] < BLANK),
            "dead": still,
            "duplicate": cosine is not None and cosine >= SAME,
            "nearly dead": probe.zeros and zeros is not None and zeros >= NEARLY,
            "noisy": bool(white.noisy_F[f]) if white is not None else ratio is not None and ratio >= 1,
            "healthy": True,
        }
        verdict = next(name for name in VERDICTS if applies[name] and (name in only or name == "healthy"))
        rough, entropy = (None, None) if white is None else (float(white.roughness_F[f]), float(white.entropy_F[f]))
        filters.append(Filter(verdict, float(sizes_F[f]), near, cosine, zeros, spread, rough, entropy))
    return Layer(probe.layer, probe.readout, images, ratio, tuple(filters))


def effective(net: Net, probe: Probe) -> NDArray[np.float64]:
    """The weights of a layer as they act: F x C x k x k or F x D, each filter times what its norm multiplies it with."""
    layer: Any = net.get_submodule(probe.layer)
    weights: Tensor = layer.full_weight() if isinstance(layer, TableConv2d) else layer.weight
    found: NDArray[np.float64] = weights.detach().double().cpu().numpy()
    if probe.norm is None:
        return found
    norm: Any = net.get_submodule(probe.norm)
    if norm.running_var is None:
        return found
    factor = (norm.running_var.double() + norm.eps).rsqrt()
    factor_F = (factor if norm.weight is None else factor * norm.weight.double()).detach().cpu().numpy()
    scaled: NDArray[np.float64] = found * factor_F.reshape(-1, *[1] * (found.ndim - 1))
    return scaled


def likeness(flat_FD: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each filter the earlier one whose weights point most where its own do, and the cosine; -1 and 0 for none.

    Filters of fewer than nine weights, which often point the same way by chance, and of zeros have none.
    """
    count, width = flat_FD.shape
    if width < _FEWEST or count < 2:
        return np.full(count, -1), np.zeros(count)
    lengths_F1 = np.linalg.norm(flat_FD, axis=1, keepdims=True)
    unit_FD = np.where(lengths_F1 > 1e-30, flat_FD / np.maximum(lengths_F1, 1e-30), 0)
    cosine_FF = np.tril(unit_FD @ unit_FD.T, -1) + np.triu(np.full((count, count), -2.0))
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
            "advice": layer.advice(), "each": [one._asdict() for one in layer.filters],
        }
        for layer in layers
    ]  # fmt: skip
