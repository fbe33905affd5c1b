"""Later: learning that grows: a new plane where all are silent, winners reinforced, at the top a new plane for each mistake.

The network of 1988 with its S-layers organized by what they are shown. us1 keeps its twelve edges. In us2 and us3 a place where
there is something to see and no cell answers gets a new plane, whose weights are what is seen there ("add if silent",
Fukushima 2013, Neural Networks 40:18); then the strongest cell of each S-column is reinforced. us4 is told the classes: where
its strongest plane is of another class, the pattern gets a plane of its own, else that plane is reinforced (supervised
competitive learning, Fukushima 2003, Neurocomputing 51:161). The thresholds are this project's, chosen on MNIST's training
images; the papers' numbers are of other digits.

Legend: N images, B images of a batch, K planes before, P planes of S-cells, H x W cells, k x k of a window, D = K k k.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from striate.base import hash_rng
from striate.history.neocognitron.layers import SLayer
from striate.history.neocognitron.net import DESIGN_1988, Design, Neocognitron
from striate.history.neocognitron.teacher import lessons

Watch = Callable[[dict[str, Any]], None]
_BATCH = 100
_COLUMN = 5
_LARGE = 1e5


class Growth(NamedTuple):
    """How the layers grow.

    Attributes:
        edge_q: how much the edges of us1 are reinforced: so little that a faint gray answers less than ink.
        silent: for us2 and us3, the likeness that no cell must reach for a new plane; not below the threshold of recognition.
        most: planes that us2 and us3 may have.
        visible: share of a layer's largest V-output from which on there is something to see.
        images: at most so many are looked at while us2 and us3 grow.
        sweeps: how often us4 sees all images.
        most_top: planes that us4 may have.

    """

    edge_q: float = 10.0
    silent: tuple[float, float] = (0.55, 0.55)
    most: tuple[int, int] = (40, 150)
    visible: float = 0.1
    images: int = 3000
    sweeps: int = 2
    most_top: int = 4000


GROWTH = Growth()


def design(thresholds: tuple[float, float, float] = (0.55, 0.5, 0.5)) -> Design:
    """The table of 1988 with empty layers from us2 on, and these thresholds of recognition for them."""
    (edges, uc1), *above = DESIGN_1988.stages
    grown = [
        (s_row._replace(planes=0, r=theta / (1 - theta)), c_row._replace(groups=()))
        for (s_row, c_row), theta in zip(above, thresholds, strict=True)
    ]
    return DESIGN_1988._replace(stages=((edges, uc1), *grown))


def empty() -> Neocognitron:
    """A network that has its edges still to be given and no planes above them."""
    return Neocognitron(design(), strongest=True)


def shrunk(pixels_NHW: Tensor, size_px: int = 19, margin_px: int = 3) -> Tensor:
    """Images without their margin at another size, by area: each new pixel is the mean of what it covers, N x 1 x H x W.

    Args:
        pixels_NHW: in [0, 1], ink 1, square.
        size_px: new side.
        margin_px: what is cut off on each side first.

    """
    side = pixels_NHW.shape[-1]
    edges = torch.linspace(margin_px, side - margin_px, size_px + 1)
    old = torch.arange(side)
    overlap_OI = (torch.minimum(edges[1:, None], old + 1.0) - torch.maximum(edges[:-1, None], old + 0.0)).clamp(min=0)
    mean_OI = overlap_OI / overlap_OI.sum(1, keepdim=True)
    return (mean_OI @ pixels_NHW @ mean_OI.T)[:, None]


@torch.no_grad()
def learn(
    net: Neocognitron, images_NCHW: Tensor, labels_N: Tensor, watch: Watch = lambda _event: None, growth: Growth = GROWTH
) -> Neocognitron:
    """Let an empty network organize itself by labeled images; gives it back.

    Args:
        net: of `empty`.
        images_NCHW: 19 x 19 pixels in [0, 1], ink 1, in an order that mixes the classes.
        labels_N: classes from 0; only the last layer is told.
        watch: called with {"event": "growing us2", "done": ..., "total": ..., "planes": ...} and the like.
        growth: how.

    """
    for plane, lesson in enumerate(lessons(1)):
        seen = net.s_layer(1).seen_by(lesson.image_HW[None, None], 0, lesson.row, lesson.column)
        net.s_layer(1).reinforce(plane, seen, growth.edge_q)
    few_NCHW = images_NCHW[: growth.images]
    for stage in (2, 3):
        maps_NKHW = torch.cat([net.up_to(batch, stage - 1) for batch in torch.split(few_NCHW, _BATCH)])
        report = _told(watch, f"us{stage}")
        a_PKkk = grow(net.s_layer(stage), maps_NKHW, growth.silent[stage - 2], growth.most[stage - 2], growth.visible, report)
        net.resize(stage, (1,) * len(a_PKkk))
        fill(net.s_layer(stage), a_PKkk)
    seen_ND = torch.cat([_middles(net, batch) for batch in _watched(images_NCHW, _told(watch, "uc3"))])
    top = compete(seen_ND, labels_N, growth.sweeps, growth.most_top, _told(watch, "us4"))
    order = top.labels_P.argsort(stable=True)
    net.resize(4, tuple(torch.bincount(top.labels_P).tolist()))
    layer = net.s_layer(4)
    sizes = (len(order), layer.a_PKkk.shape[1], layer.row.window, layer.row.window)
    fill(layer, top.sums_PD[order].view(sizes) * layer.c_kk.sqrt())
    return net


def fill(layer: SLayer, a_PKkk: Tensor) -> None:
    """Give the cells their weights, large, with the b by which what they answer to is a cosine: b^2 = sum of a^2 / c."""
    b_P = (a_PKkk.square() / layer.c_kk).sum((1, 2, 3)).sqrt()
    layer.a_PKkk.copy_(a_PKkk * (_LARGE / b_P)[:, None, None, None])
    layer.b_P.fill_(_LARGE)


def grow(layer: SLayer, maps_NKHW: Tensor, silent: float, most: int, visible: float, report: Callable[..., None]) -> Tensor:
    """Weights a of the planes that a layer finds in what is before it, P x K x k x k.

    Args:
        layer: whose windows and fixed weights count.
        maps_NKHW: outputs of the C-cells before.
        silent: a place where no plane is more alike than this gets a new one.
        most: planes at most.
        visible: share of the largest V-output from which a place counts.
        report: called with images done, images and planes.

    """
    n, k_in = maps_NKHW.shape[:2]
    size = layer.row.window
    sums_PD = maps_NKHW.new_zeros(0, k_in * size * size)
    least = visible * max(float(layer.v_cells(batch).max()) for batch in torch.split(maps_NKHW, _BATCH))
    root_D = layer.c_kk.sqrt().flatten().repeat(k_in)
    for first in range(0, n, _BATCH):
        batch = maps_NKHW[first : first + _BATCH]
        seen_BDL = functional.unfold(batch, size, padding=layer.padding) * root_D[None, :, None]
        v_BL = layer.v_cells(batch).flatten(1)
        sums_PD = _added(seen_BDL, v_BL, sums_PD, silent, most, least, first)
        _reward(seen_BDL, v_BL, sums_PD, silent, layer.row.side)
        report(min(first + _BATCH, n), n, len(sums_PD))
    return sums_PD.view(-1, k_in, size, size) * layer.c_kk.sqrt()


def _added(seen_BDL: Tensor, v_BL: Tensor, sums_PD: Tensor, silent: float, most: int, least: float, first: int) -> Tensor:
    """The planes with those that silent places add; a place is drawn among all that are silent."""
    best_BL = _likeness(seen_BDL, v_BL, sums_PD)
    lot_BL = torch.rand(v_BL.shape, generator=torch.Generator().manual_seed(hash_rng.seed_of(first, "neocognitron grow")))
    while len(sums_PD) < most:
        free_BL = (v_BL >= least) & (best_BL <= silent)
        if not bool(free_BL.any()):
            break
        image, place = divmod(int(torch.where(free_BL, lot_BL, -torch.ones(())).argmax()), v_BL.shape[1])
        new_1D = seen_BDL[image, :, place][None]
        sums_PD = torch.cat([sums_PD, new_1D])
        best_BL = torch.maximum(best_BL, _likeness(seen_BDL, v_BL, new_1D))
    return sums_PD


def _likeness(seen_BDL: Tensor, v_BL: Tensor, sums_PD: Tensor) -> Tensor:
    """How alike the most alike plane is to what is seen at each place: a cosine, B x L."""
    if not len(sums_PD):
        return torch.full_like(v_BL, -1.0)
    e_BPL = functional.normalize(sums_PD, dim=1) @ seen_BDL
    return e_BPL.amax(1) / v_BL.clamp(min=1e-9)


def _reward(seen_BDL: Tensor, v_BL: Tensor, sums_PD: Tensor, silent: float, side: int) -> None:
    """Reinforce the strongest cell of each S-column, and so its plane."""
    e_BPL = functional.normalize(sums_PD, dim=1) @ seen_BDL
    likeness_BL, plane_BL = (e_BPL / v_BL.clamp(min=1e-9)[:, None]).max(1)
    strength_BHW = torch.where(likeness_BL > silent, likeness_BL, torch.zeros(())).view(len(v_BL), 1, side, side)
    peaks_BL = (strength_BHW == functional.max_pool2d(strength_BHW, _COLUMN, 1, _COLUMN // 2)) & (strength_BHW > 0)
    images_M, places_M = peaks_BL.flatten(1).nonzero(as_tuple=True)
    sums_PD.index_add_(0, plane_BL[images_M, places_M], seen_BDL[images_M, :, places_M])


class Top(NamedTuple):
    """The planes of the last layer: what each has seen, summed up, and its class."""

    sums_PD: Tensor
    labels_P: Tensor


def compete(seen_ND: Tensor, labels_N: Tensor, sweeps: int, most: int, report: Callable[..., None]) -> Top:
    """A plane for each pattern whose most alike plane is of another class; else that plane is reinforced.

    Within a batch the patterns meet the planes one after the other, but are reinforced together at its end.

    Args:
        seen_ND: what the cell in the middle of us4 sees, weighted.
        labels_N: classes.
        sweeps: how often all are shown.
        most: planes at most; when there are so many, winners of the right class are still reinforced.
        report: called with images done, images and planes.

    """
    sums_PD, labels_P, planes = seen_ND.new_zeros(most, seen_ND.shape[1]), labels_N.new_zeros(most), 0
    unit_PD = torch.zeros_like(sums_PD)
    total = sweeps * len(seen_ND)
    for done in range(0, total, _BATCH):
        rows_B = torch.arange(done, min(done + _BATCH, total)) % len(seen_ND)
        batch_BD, classes_B = functional.normalize(seen_ND[rows_B], dim=1), labels_N[rows_B]
        alike_BP, among_BB = batch_BD @ unit_PD[:planes].T, batch_BD @ batch_BD.T
        new: list[int] = []
        right: list[tuple[int, int]] = []
        best = _strongest(alike_BP)
        for i, label in enumerate(classes_B.tolist()):
            likeness, plane = best[i]
            fresh = max(((float(among_BB[i, j]), planes + n) for n, j in enumerate(new)), default=(-1.0, -1))
            likeness, plane = max((likeness, plane), fresh)
            if plane >= 0 and (int(labels_P[plane]) == label):
                right.append((i, plane))
            elif planes + len(new) < most:
                labels_P[planes + len(new)] = label
                new.append(i)
        sums_PD[planes : planes + len(new)] = seen_ND[rows_B[new]]
        planes += len(new)
        if right:
            images_M, planes_M = (torch.tensor(numbers) for numbers in zip(*right, strict=True))
            sums_PD.index_add_(0, planes_M, seen_ND[rows_B[images_M]])
        touched = sorted({plane for _, plane in right} | set(range(planes - len(new), planes)))
        unit_PD[touched] = functional.normalize(sums_PD[touched], dim=1)
        report(min(done + _BATCH, total), total, planes)
    return Top(sums_PD[:planes], labels_P[:planes])


def _strongest(alike_BP: Tensor) -> list[tuple[float, int]]:
    """The likeness and number of each pattern's most alike plane; -1 and -1 where there are no planes."""
    if not alike_BP.shape[1]:
        return [(-1.0, -1)] * len(alike_BP)
    likeness_B, plane_B = alike_BP.max(1)
    return list(zip(likeness_B.tolist(), plane_B.tolist(), strict=True))


def _middles(net: Neocognitron, images_BCHW: Tensor) -> Tensor:
    """What the middle cell of us4 sees of each image, weighted by the roots of c, B x D."""
    layer = net.s_layer(4)
    size = layer.row.window
    maps_BKHW = net.up_to(images_BCHW, 3)
    start = (maps_BKHW.shape[-1] - size) // 2
    return (maps_BKHW[:, :, start : start + size, start : start + size] * layer.c_kk.sqrt()).flatten(1)


def _watched(images_NCHW: Tensor, report: Callable[..., None]) -> Iterator[Tensor]:
    done = 0
    for batch in torch.split(images_NCHW, _BATCH):
        yield batch
        done += len(batch)
        report(done, len(images_NCHW), 0)


def _told(watch: Watch, layer: str) -> Callable[..., None]:
    return lambda done, total, planes: watch({"event": f"growing {layer}", "done": done, "total": total, "planes": planes})
