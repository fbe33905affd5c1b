"""Activations of layers: their maps for images, and statistics of each unit over a data set.

A unit is a map of a convolutional layer, with all its places, or one number of a fully connected one. Over a data set
everything is counted in one pass whose memory does not grow with it.

Legend: N images, U units, P places of a unit, K classes, C channels, H x W pixels.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.base.errors import SettingError, UnsupportedError, nearest
from striate.interpret.readout_points import watched
from striate.nets.eval_mode import evaluating
from striate.nets.hooks import taps
from striate.nets.net import Net

Array = NDArray[np.float64]


def maps(net: Net, images_NCHW: Tensor, names: Sequence[str] | None = None) -> dict[str, Tensor]:
    """Outputs of layers, None for all taps, for images: N x U x H x W, or N x U where there are no maps; raw, no gradients.

    The network is in evaluation mode for that, and keeps its own. Another name or size is a SettingError or a ShapeError.
    """
    layers = net.taps if names is None else tuple(names)
    with torch.no_grad(), evaluating(net), taps(net, *layers) as outputs:
        net(images_NCHW)
    return {name: outputs[name] for name in layers}


def layer_names(net: Net, names: Sequence[str] | None) -> list[str]:
    """The named layers, each once, or all taps for None; SettingError where a name is no layer, with the nearest that are."""
    known = {name for name, _ in net.named_modules() if name}
    layers = list(dict.fromkeys(net.taps if names is None else names))
    for name in layers:
        if name not in known:
            raise SettingError(f"There is no layer {name!r}; {nearest(name, known)}")
    return layers


class _Reached(Exception):
    """The last of the named layers has run: the rest of the forward pass is skipped."""


def outputs_up_to(net: Net, images_NCHW: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """Outputs of named layers with their autograd graph; the forward pass ends at the last of them.

    For many passes up to an early layer: nothing behind it costs anything. Where a layer runs twice, its first output counts.
    """
    outputs: dict[str, Tensor] = {}

    def record(name: str, output: Tensor) -> None:
        outputs.setdefault(name, output)
        if len(outputs) == len(names):
            raise _Reached

    with watched(net, list(names), record), suppress(_Reached):
        net(images_NCHW)
    return outputs


def flat_NUP(name: str, output: Any) -> Tensor:
    """The output of a layer as N x U x P: the places of a map side by side, one place where there are no maps.

    UnsupportedError where it is neither N x U x H x W nor N x U.
    """
    if isinstance(output, Tensor) and output.dim() in (2, 4):
        return output.flatten(2) if output.dim() == 4 else output.unsqueeze(2)
    shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
    raise UnsupportedError(f"expected {name} to put out maps, N x U x H x W, or units, N x U; got {shape}. Name another layer.")


def run_batches(net: Net, batches: Iterable[Any], names: Sequence[str], record: Callable[[str, Tensor, Any], None]) -> int:
    """Run all batches, and give what each layer puts out to `record(name, output, batch)` while the pass runs; images seen.

    No output is kept longer than that. The network is in evaluation mode, without gradients, and keeps its own mode.
    UnsupportedError where a layer runs twice in one pass, so that its units have no single value.
    """
    images, current, layers_run = 0, None, set[str]()

    def note(name: str, output: Tensor) -> None:
        if name in layers_run:
            raise UnsupportedError(
                f"{name} runs more than once in a forward pass, so its units have no single value. Name other layers."
            )
        layers_run.add(name)
        record(name, output, current)

    with torch.inference_mode(), evaluating(net), watched(net, list(names), note):
        for batch in batches:
            current = batch
            layers_run.clear()
            net(batch.images_NCHW)
            images += len(batch.images_NCHW)
    return images


class Statistics(NamedTuple):
    """Statistics of U units of a layer over images."""

    layer: str
    images: int  # N
    places: int  # P of a unit in one image
    mean_U: Array  # over images and places
    std_U: Array  # standard deviation over the same, around that mean
    min_U: Array  # the smallest value
    max_U: Array  # the largest value
    zeros_U: Array  # share of exact zeros (APoZ of Hu et al. 2016)
    # (1 - a) / (1 - 1/n) with a = mean^2 / mean square over n images and places (Vinje & Gallant 2000, after Treves & Rolls
    # 1991): 0 for one value everywhere, 1 for a single answer; nan where a value is negative or all are 0
    sparseness_U: Array
    # (m - r) / (m + r), m the mean over the class with the largest, r the mean of the other classes' means (Morcos et al.
    # 2018): 1 for a unit of one class alone; nan where a class mean is negative, or all are 0. None without labels, as below
    selectivity_U: Array | None
    preferred_U: NDArray[np.int64] | None  # that class
    class_means_KU: Array | None  # mean over each class; nan where none of its images was there


class _Tally:
    """Sums over all batches in float64, around one value of each unit so that little is lost by cancellation."""

    def __init__(self, classes: int | None) -> None:
        self.classes, self.images, self.places = classes, 0, 0
        self.pivot_U = self.sum_U = self.squares_U = self.min_U = self.max_U = self.zeros_U = torch.empty(0)
        self.class_sums_KU = self.class_counts_K = torch.empty(0)

    def add(self, values_NUP: Tensor, labels_N: Tensor | None) -> None:
        values_NUP = values_NUP.float()
        n, u, p = values_NUP.shape
        if not self.images:
            zeros_U = torch.zeros(u, dtype=torch.float64, device=values_NUP.device)
            self.pivot_U, self.places = values_NUP[0, :, p // 2].clone(), p
            self.sum_U, self.squares_U, self.zeros_U = zeros_U, zeros_U.clone(), zeros_U.clone()
            self.min_U, self.max_U = torch.full_like(self.pivot_U, torch.inf), torch.full_like(self.pivot_U, -torch.inf)
            if self.classes is not None:
                self.class_sums_KU = torch.zeros(self.classes, u, dtype=torch.float64, device=values_NUP.device)
                self.class_counts_K = torch.zeros(self.classes, dtype=torch.int64, device=values_NUP.device)
        self.min_U = torch.minimum(self.min_U, values_NUP.amin(2).amin(0))
        self.max_U = torch.maximum(self.max_U, values_NUP.amax(2).amax(0))
        # As float32 into memory of our own: sums of truth values are ten times slower
        self.zeros_U += torch.eq(values_NUP, 0, out=torch.empty_like(values_NUP)).sum(2).double().sum(0)
        centered_NUP = values_NUP - self.pivot_U[None, :, None]
        sums_NU = centered_NUP.sum(2).double()
        self.sum_U += sums_NU.sum(0)
        self.squares_U += torch.linalg.vector_norm(centered_NUP, dim=2).double().square().sum(0)
        self.images += n
        if self.classes is not None and labels_N is not None:
            self.class_sums_KU.index_add_(0, labels_N, sums_NU)
            self.class_counts_K += torch.bincount(labels_N, minlength=self.classes)

    def result(self, layer: str) -> Statistics:
        pivot_U, count = self.pivot_U.double(), self.images * self.places
        off_U = self.sum_U / count
        mean_U = _array(pivot_U + off_U)
        variance_U = _array((self.squares_U / count - off_U.square()).clamp(min=0))
        min_U = _array(self.min_U)
        class_means_KU = None
        if self.classes is not None:
            class_means_KU = _array(pivot_U + self.class_sums_KU / (self.class_counts_K[:, None] * self.places))
        preferring = None if class_means_KU is None else selectivity(class_means_KU)
        return Statistics(
            layer=layer, images=self.images, places=self.places, mean_U=mean_U, std_U=np.sqrt(variance_U), min_U=min_U,
            max_U=_array(self.max_U), zeros_U=_array(self.zeros_U / count),
            sparseness_U=_sparseness(mean_U, variance_U, min_U, count),
            selectivity_U=None if preferring is None else preferring.index_U,
            preferred_U=None if preferring is None else preferring.preferred_U, class_means_KU=class_means_KU,
        )  # fmt: skip


def statistics(
    net: Net, batches: Iterable[Any], names: Sequence[str] | None = None, classes: int | None = None
) -> dict[str, Statistics]:
    """Statistics of each unit of each layer, None for all taps, over a data set, in one pass; the network keeps its mode.

    The batches have `images_NCHW`, and `labels_N` where the number of classes is given, for the selectivity. SettingError for
    no such layer, or no image; UnsupportedError for a layer that puts out neither maps nor units, or runs twice.
    """
    tallies = {name: _Tally(classes) for name in layer_names(net, names)}
    with_labels = classes is not None

    def record(name: str, output: Tensor, batch: Any) -> None:
        tallies[name].add(flat_NUP(name, output), batch.labels_N if with_labels else None)

    if not run_batches(net, batches, list(tallies), record):
        raise SettingError("expected images; got none. Give a part of the data that has some.")
    return {name: tally.result(name) for name, tally in tallies.items()}


class Selectivity(NamedTuple):
    """Of U units: the index, and the class that each prefers."""

    index_U: Array
    preferred_U: NDArray[np.int64]


def selectivity(class_means_KU: Array) -> Selectivity:
    """The class selectivity index from the means of the classes; classes whose mean is nan are left out.

    >>> selectivity(np.array([[3.0, 1.0], [1.0, 1.0], [1.0, 1.0]])).index_U.tolist()  # (3 - 1) / (3 + 1); no class above others
    [0.5, 0.0]
    """
    there_K = np.array([not np.isnan(row_U).any() for row_U in class_means_KU], dtype=bool)
    means_KU = np.where(there_K[:, None], class_means_KU, -np.inf)
    preferred_U = means_KU.argmax(axis=0)
    most_U = means_KU.max(axis=0)
    others = int(there_K.sum()) - 1
    rest_U = (class_means_KU[there_K].sum(axis=0) - most_U) / max(others, 1)
    total_U = most_U + rest_U
    negative_U = (class_means_KU[there_K] < 0).any(axis=0)
    defined_U = ~negative_U & (total_U > 0) & (others > 0)
    return Selectivity(np.where(defined_U, (most_U - rest_U) / np.where(defined_U, total_U, 1), np.nan), preferred_U)


def _sparseness(mean_U: Array, variance_U: Array, min_U: Array, count: int) -> Array:
    square_U = mean_U**2 + variance_U
    defined_U = (min_U >= 0) & (square_U > 0) & (count > 1)
    share_U = mean_U**2 / np.where(defined_U, square_U, 1)
    return np.where(defined_U, (1 - share_U) / (1 - 1 / max(count, 2)), np.nan)


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.double().cpu().numpy()
    return array


def as_json(by_layer: Mapping[str, Statistics]) -> list[dict[str, Any]]:
    """The statistics for JSON: one entry a layer, in each one a unit; None where a number is not defined."""
    columns = ("mean", "std", "min", "max", "zeros", "sparseness", "selectivity", "preferred")
    rows = []
    for name, layer in by_layer.items():
        values = {column: getattr(layer, f"{column}_U") for column in columns}
        lists = {column: [finite(v) for v in array.tolist()] for column, array in values.items() if array is not None}
        units = [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
        rows.append({"name": name, "images": layer.images, "places": layer.places, "units": units})
    return rows


def finite(value: float) -> float | None:
    """A number for JSON: None where it is not finite, so not defined."""
    return value if np.isfinite(value) else None
