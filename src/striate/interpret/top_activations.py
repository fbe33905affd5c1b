"""The images of a data set that activate a unit most, where in the image, and the receptive field there.

One pass, with memory for k images a unit: an image is stored by its id, its place in the stream and the place of its
largest value. Of equal values the earlier counts, so nothing depends on the batch size.

Legend: N images, U units, P places of a unit, k images, C channels, H x W pixels.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.base.errors import NumbersError, SettingError
from striate.interpret.activations import flat_NUP, layer_names, run_batches
from striate.nets.net import Net
from striate.nets.receptive_field import Windows, windows

_MOST = 1 << 24  # numbers of maps that are looked through at a time for the places of largest values


class Strongest(NamedTuple):
    """The k images that activate each of U units most, the strongest first; fewer where there are fewer images."""

    layer: str
    values_Uk: NDArray[np.float32]  # the largest value over the places of the unit
    ids_Uk: NDArray[np.uint64]
    order_Uk: NDArray[np.int64]  # their places in the stream, from 0
    places_Uk2: NDArray[np.int64]  # row and column of that value in the unit's map; zeros where there are no maps
    boxes_Uk4: NDArray[np.int64]  # the patch that this place sees: top, left, and bottom, right not included, in pixels


class _TopK:
    """Of one layer: values, ids, order and places, each k x U, sorted by value."""

    def __init__(self, k: int) -> None:
        self.k, self.images, self.width = k, 0, 1
        self.values_kU = torch.empty(0)
        self.ids_kU = self.order_kU = self.at_kU = torch.empty(0, dtype=torch.int64)

    def add(self, name: str, output: Tensor, ids_N: Tensor) -> None:
        values_NUP = flat_NUP(name, output)
        n, u, _ = values_NUP.shape
        most_NU = values_NUP.amax(2).float()
        if not bool(torch.isfinite(most_NU).all()):
            raise NumbersError(f"{name} has outputs that are nan or infinite; check the weights with `striate inspect`.")
        if not self.images:
            self.width = output.shape[3] if output.dim() == 4 else 1
            self.values_kU = most_NU.new_full((self.k, u), -torch.inf)
            self.ids_kU = torch.zeros(self.k, u, dtype=torch.int64, device=output.device)
            self.order_kU, self.at_kU = self.ids_kU.clone(), self.ids_kU.clone()
        moved_M = (most_NU.amax(0) > self.values_kU[-1]).nonzero()[:, 0]  # an equal value is later, so nothing moves
        if len(moved_M):
            self._merge(values_NUP, most_NU[:, moved_M], moved_M, ids_N)
        self.images += n

    def _merge(self, values_NUP: Tensor, most_NM: Tensor, moved_M: Tensor, ids_N: Tensor) -> None:
        n = len(most_NM)
        together = torch.cat([self.values_kU[:, moved_M], most_NM])
        best = together.sort(dim=0, descending=True, stable=True)
        values_kM, from_kM = best.values[: self.k], best.indices[: self.k]
        fresh_kM = from_kM >= self.k
        image_kM = (from_kM - self.k).clamp(min=0)
        old_kM = from_kM.clamp(max=self.k - 1)
        order_N = self.images + torch.arange(n, device=most_NM.device)
        at_kM = self.at_kU[:, moved_M].gather(0, old_kM)
        at_kM[fresh_kM] = _places(values_NUP, image_kM[fresh_kM], moved_M.expand_as(fresh_kM)[fresh_kM])
        for top_kU, fresh_N in ((self.ids_kU, ids_N), (self.order_kU, order_N)):
            top_kU[:, moved_M] = torch.where(fresh_kM, fresh_N[image_kM], top_kU[:, moved_M].gather(0, old_kM))
        self.at_kU[:, moved_M] = at_kM
        self.values_kU[:, moved_M] = values_kM

    def result(self, name: str, fields: Windows) -> Strongest:
        k = min(self.k, self.images)
        at_Uk = self.at_kU[:k].T.cpu().numpy()
        rows_Uk, columns_Uk = at_Uk // self.width, at_Uk % self.width
        ids_Uk = np.ascontiguousarray(self.ids_kU[:k].T.cpu().numpy()).view(np.uint64)
        return Strongest(
            name, self.values_kU[:k].T.cpu().numpy(), ids_Uk, self.order_kU[:k].T.cpu().numpy(),
            np.stack([rows_Uk, columns_Uk], axis=-1), fields.boxes(rows_Uk, columns_Uk),
        )  # fmt: skip


def _places(values_NUP: Tensor, images_M: Tensor, units_M: Tensor) -> Tensor:
    """The first place of the largest value of each of M maps, a few millions of numbers at a time."""
    step = max(1, _MOST // values_NUP.shape[2])
    parts = [
        values_NUP[images_M[first : first + step], units_M[first : first + step]].argmax(dim=1)
        for first in range(0, len(images_M), step)
    ]
    return torch.cat(parts) if parts else images_M


def strongest(net: Net, batches: Iterable[Any], names: Sequence[str] | None = None, k: int = 9) -> dict[str, Strongest]:
    """The k images that activate each unit of each layer, None for all taps, most, by the largest value over its places.

    The batches have `images_NCHW`, and `ids_N`, without which an image's id is its place in the stream; the net keeps its mode.
    Errors as of `activations.statistics`, and a NumbersError for outputs that are not finite.
    """
    if k < 1:
        raise SettingError(f"expected at least 1 image for each unit; got k={k}.")
    tops = {name: _TopK(k) for name in layer_names(net, names)}

    def record(name: str, output: Tensor, batch: Any) -> None:
        ids = getattr(batch, "ids_N", None)
        first = tops[name].images
        ids_N = np.arange(first, first + len(output)) if ids is None else np.asarray(ids, np.uint64).view(np.int64)
        tops[name].add(name, output, torch.from_numpy(ids_N).to(output.device))

    if not run_batches(net, batches, list(tops), record):
        raise SettingError("expected images; got none. Give a part of the data that has some.")
    fields = windows(net, tuple(tops))
    return {name: top.result(name, fields[name]) for name, top in tops.items()}


def as_json(by_layer: Mapping[str, Strongest]) -> list[dict[str, Any]]:
    """The strongest images for JSON: for each layer and unit a list of {id, order, value, place, box}."""
    rows = []
    for name, top in by_layer.items():
        units = []
        for u in range(len(top.values_Uk)):
            columns = (top.ids_Uk[u], top.order_Uk[u], top.values_Uk[u], top.places_Uk2[u], top.boxes_Uk4[u])
            keys = ("id", "order", "value", "place", "box")
            units.append(
                [dict(zip(keys, row, strict=True)) for row in zip(*(array.tolist() for array in columns), strict=True)]
            )
        rows.append({"name": name, "units": units})
    return rows
