"""Later: learning that grows: a new plane where all are silent, winners reinforced, at the top a new plane for each mistake.

The network of 1988 with its S-layers organized by what they are shown. us1 keeps its twelve edges. In us2 and us3 a place with
enough input where no cell responds gets a new plane, whose weights are the input there ("add if silent", Fukushima 2013, Neural
Networks 40:18); then the strongest cell of each S-column is reinforced. us4 gets the labels: where its strongest plane is of
another class, the pattern gets a plane of its own, else that plane is reinforced (supervised competitive learning, Fukushima
2003, Neurocomputing 51:161). The thresholds are this project's, chosen on MNIST's training images; the papers' numbers are of
other digits.

Legend: N images, B images of a batch, K planes before, P planes of S-cells, H x W cells, L = H W places, k x k of a window,
D = K k k.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from striate.base import hash_rng
from striate.base.events import Watch, quiet
from striate.history.neocognitron.layers import SLayer
from striate.history.neocognitron.net import DESIGN_1988, Design, Neocognitron
from striate.history.neocognitron.teacher import lessons

Progress = Callable[[int, int, int], None]  # images done, images, planes
_BATCH = 100
_COLUMN = 5
_LARGE = 1e5


class Growth(NamedTuple):
    """How the layers grow."""

    edge_q: float = 10.0  # of the edges of us1: so little that a faint gray excites less than ink
    threshold: tuple[float, float] = (0.55, 0.55)  # of us2, us3: where no similarity is above it, a new plane is added
    max_planes: tuple[int, int] = (40, 150)  # of us2, us3
    min_input: float = 0.1  # share of a layer's largest V-response from which on a place counts
    images: int = 3000  # at most, while us2 and us3 grow
    sweeps: int = 2  # of us4, through all images
    max_top_planes: int = 4000  # of us4


GROWTH = Growth()


def design(thresholds: tuple[float, float, float] = (0.55, 0.5, 0.5)) -> Design:
    """The table of 1988 with empty layers from us2 on, and these thresholds of similarity for their responses."""
    (edges, uc1), *above = DESIGN_1988.stages
    grown = [
        (s_row._replace(planes=0, r=theta / (1 - theta)), c_row._replace(groups=()))
        for (s_row, c_row), theta in zip(above, thresholds, strict=True)
    ]
    return DESIGN_1988._replace(stages=((edges, uc1), *grown))


def empty() -> Neocognitron:
    """A network whose edges have no weights yet, and that has no planes above them."""
    return Neocognitron(design(), strongest=True)


def shrunk(pixels_NHW: Tensor, size_px: int = 19, margin_px: int = 3) -> Tensor:
    """Square images cut by a margin and resized by area: each new pixel is the mean of what it covers, N x 1 x H x W."""
    side = pixels_NHW.shape[-1]
    edges = torch.linspace(margin_px, side - margin_px, size_px + 1)
    old = torch.arange(side)
    overlap_OI = (torch.minimum(edges[1:, None], old + 1.0) - torch.maximum(edges[:-1, None], old + 0.0)).clamp(min=0)
    mean_OI = overlap_OI / overlap_OI.sum(1, keepdim=True)
    return (mean_OI @ pixels_NHW @ mean_OI.T)[:, None]


@torch.no_grad()
def learn(
    net: Neocognitron, images_NCHW: Tensor, labels_N: Tensor, watch: Watch = quiet, growth: Growth = GROWTH
) -> Neocognitron:
    """Let a network of `empty` organize itself by 19 x 19 pixels in [0, 1], ink 1, in an order that mixes the classes.

    The last layer alone uses the labels. The events are {"event": "growing us2", "done": ..., "total": ..., "planes": ...} and
    the like. Gives the network back.
    """

    def progress(layer: str) -> Progress:
        return lambda done, total, planes: watch({"event": f"growing {layer}", "done": done, "total": total, "planes": planes})

    for plane, lesson in enumerate(lessons(1)):
        window_Kkk = net.s_layer(1).window_at(lesson.image_HW[None, None], 0, lesson.row, lesson.column)
        net.s_layer(1).reinforce(plane, window_Kkk, growth.edge_q)
    for stage, threshold, max_planes in zip((2, 3), growth.threshold, growth.max_planes, strict=True):
        batches = torch.split(images_NCHW[: growth.images], _BATCH)
        maps_NKHW = torch.cat([net.up_to(batch, stage - 1) for batch in batches])
        a_PKkk = grow(net.s_layer(stage), maps_NKHW, threshold, max_planes, growth.min_input, progress(f"us{stage}"))
        net.resize(stage, (1,) * len(a_PKkk))
        fill(net.s_layer(stage), a_PKkk)
    inputs_ND = _top_inputs(net, images_NCHW, progress("uc3"))
    top = compete(inputs_ND, labels_N, growth.sweeps, growth.max_top_planes, progress("us4"))
    order = top.labels_P.argsort(stable=True)
    net.resize(4, tuple(torch.bincount(top.labels_P).tolist()))
    layer = net.s_layer(4)
    fill(layer, top.sums_PD[order].view_as(layer.a_PKkk) * layer.c_kk.sqrt())
    return net


def fill(layer: SLayer, a_PKkk: Tensor) -> None:
    """Give the cells these weights, large, with the b that makes their response one to a cosine: b^2 = sum of a^2 / c."""
    b_P = (a_PKkk.square() / layer.c_kk).sum((1, 2, 3)).sqrt()
    layer.a_PKkk.copy_(a_PKkk * (_LARGE / b_P)[:, None, None, None])
    layer.b_P.fill_(_LARGE)


def grow(layer: SLayer, maps_NKHW: Tensor, threshold: float, max_planes: int, min_input: float, progress: Progress) -> Tensor:
    """Weights a of the planes that a layer gets from the responses before it, P x K x k x k; `Growth` has the meanings."""
    n, k_in = maps_NKHW.shape[:2]
    size = layer.row.window
    sums_PD = maps_NKHW.new_zeros(0, k_in * size * size)
    least = min_input * max(float(layer.v_cells(batch).max()) for batch in torch.split(maps_NKHW, _BATCH))
    root_D = layer.c_kk.sqrt().flatten().repeat(k_in)
    for first in range(0, n, _BATCH):
        batch = maps_NKHW[first : first + _BATCH]
        windows_BDL = functional.unfold(batch, size, padding=layer.padding) * root_D[None, :, None]
        v_BL = layer.v_cells(batch).flatten(1)
        generator = torch.Generator().manual_seed(hash_rng.seed_of(first, "neocognitron grow"))
        lots_BL = torch.where(v_BL >= least, torch.rand(v_BL.shape, generator=generator), -torch.ones(()))
        sums_PD = _add_planes(windows_BDL, v_BL, lots_BL, sums_PD, threshold, max_planes)
        _reinforce_winners(windows_BDL, v_BL, sums_PD, threshold, layer.row.side)
        progress(min(first + _BATCH, n), n, len(sums_PD))
    return sums_PD.view(-1, k_in, size, size) * layer.c_kk.sqrt()


def _add_planes(
    windows_BDL: Tensor, v_BL: Tensor, lots_BL: Tensor, sums_PD: Tensor, threshold: float, max_planes: int
) -> Tensor:
    """The planes with those that silent places add, the place with the largest lot first; lots below 0 do not take part."""
    best_BL = _similarity(windows_BDL, v_BL, sums_PD).amax(1) if len(sums_PD) else torch.full_like(v_BL, -1.0)
    while len(sums_PD) < max_planes:
        free_BL = torch.where(best_BL <= threshold, lots_BL, -torch.ones(()))
        image, place = divmod(int(free_BL.argmax()), v_BL.shape[1])
        if free_BL[image, place] < 0:
            break
        new_1D = windows_BDL[image, :, place][None]
        sums_PD = torch.cat([sums_PD, new_1D])
        best_BL = torch.maximum(best_BL, _similarity(windows_BDL, v_BL, new_1D)[:, 0])
    return sums_PD


def _similarity(windows_BDL: Tensor, v_BL: Tensor, sums_PD: Tensor) -> Tensor:
    """The cosine of each plane's weights and the input at each place, B x P x L."""
    return functional.normalize(sums_PD, dim=1) @ windows_BDL / v_BL.clamp(min=1e-9)[:, None]


def _reinforce_winners(windows_BDL: Tensor, v_BL: Tensor, sums_PD: Tensor, threshold: float, side: int) -> None:
    """Reinforce the strongest cell of each S-column, and so its plane."""
    similarity_BL, plane_BL = _similarity(windows_BDL, v_BL, sums_PD).max(1)
    response_BHW = torch.where(similarity_BL > threshold, similarity_BL, torch.zeros(())).view(len(v_BL), 1, side, side)
    peaks_BL = (response_BHW == functional.max_pool2d(response_BHW, _COLUMN, 1, _COLUMN // 2)) & (response_BHW > 0)
    images_M, places_M = peaks_BL.flatten(1).nonzero(as_tuple=True)
    sums_PD.index_add_(0, plane_BL[images_M, places_M], windows_BDL[images_M, :, places_M])


class Top(NamedTuple):
    """The planes of the last layer: the sum of the inputs that reinforced each, and its class."""

    sums_PD: Tensor
    labels_P: Tensor


def compete(inputs_ND: Tensor, labels_N: Tensor, sweeps: int, max_planes: int, progress: Progress) -> Top:
    """A plane for each pattern whose most similar plane is of another class; else that plane is reinforced.

    Within a batch the patterns meet the planes one after the other, but are reinforced together at its end.
    """
    sums_PD, labels_P, planes = inputs_ND.new_zeros(max_planes, inputs_ND.shape[1]), labels_N.new_zeros(max_planes), 0
    unit_PD = torch.zeros_like(sums_PD)
    total = sweeps * len(inputs_ND)
    for done in range(0, total, _BATCH):
        rows_B = torch.arange(done, min(done + _BATCH, total)) % len(inputs_ND)
        batch_BD, classes_B = functional.normalize(inputs_ND[rows_B], dim=1), labels_N[rows_B]
        within_BB = batch_BD @ batch_BD.T
        new: list[int] = []
        correct: list[tuple[int, int]] = []
        # a first column, which no plane has, wins where there are no planes
        similarity_B, column_B = functional.pad(batch_BD @ unit_PD[:planes].T, (1, 0), value=-1.0).max(1)
        best = zip(similarity_B.tolist(), (column_B - 1).tolist(), strict=True)
        for i, (label, old) in enumerate(zip(classes_B.tolist(), best, strict=True)):
            _, plane = max([old, *((float(within_BB[i, j]), planes + n) for n, j in enumerate(new))])
            if plane >= 0 and int(labels_P[plane]) == label:
                correct.append((i, plane))
            elif planes + len(new) < max_planes:
                labels_P[planes + len(new)] = label
                new.append(i)
        sums_PD[planes : planes + len(new)] = inputs_ND[rows_B[new]]
        planes += len(new)
        if correct:
            images_M, planes_M = (torch.tensor(numbers) for numbers in zip(*correct, strict=True))
            sums_PD.index_add_(0, planes_M, inputs_ND[rows_B[images_M]])
        changed = sorted({plane for _, plane in correct} | set(range(planes - len(new), planes)))
        unit_PD[changed] = functional.normalize(sums_PD[changed], dim=1)
        progress(min(done + _BATCH, total), total, planes)
    return Top(sums_PD[:planes], labels_P[:planes])


def _top_inputs(net: Neocognitron, images_NCHW: Tensor, progress: Progress) -> Tensor:
    """The input of the center cell of us4 for each image, weighted by the roots of c, N x D."""
    layer, inputs, done = net.s_layer(4), [], 0
    size = layer.row.window
    for batch in torch.split(images_NCHW, _BATCH):
        maps_BKHW = net.up_to(batch, 3)
        start = (maps_BKHW.shape[-1] - size) // 2
        inputs.append((maps_BKHW[:, :, start : start + size, start : start + size] * layer.c_kk.sqrt()).flatten(1))
        done += len(batch)
        progress(done, len(images_NCHW), 0)
    return torch.cat(inputs)
