"""The cells of the neocognitron: S-cells, which extract a feature, with their V-cells; C-cells, which tolerate its shift.

Sources: Fukushima 1980, Biol. Cybern. 36:193; Fukushima 1988, Neural Networks 1:119. The papers do not agree in all, so both
years are here; where they leave |v| open, the distance of a cell from the center of its window, it is the city-block distance,
by which every fixed weight is the product of one for the rows and one for the columns.

Legend: N images, K planes of the layer before, P planes of S-cells, G planes of C-cells, H x W cells of a plane, k x k of a
window, O x I cells after and before.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.base.errors import ShapeError

Year = Literal[1980, 1988]


class SRow(NamedTuple):
    """A row of the table for S-cells; sides are in cells, of a plane and of a window on each plane before."""

    side: int
    planes: int
    window: int
    r: float  # how strongly the V-cell inhibits, and so how selective a cell is
    gamma: float  # the fixed weights c fall by this factor with each step from the center


class CRow(NamedTuple):
    """A row of the table for C-cells."""

    side: int
    groups: tuple[int, ...]  # how many consecutive S-planes each C-plane collects
    window: int
    stride: int  # cells of the S-plane between neighbors
    delta: float  # the fixed weights d fall by this factor with each step from the center
    scale: float  # the weight in the center


def distance_weights(before: int, after: int, window: int, stride: int, factor: float) -> Tensor:
    """Weights factor^distance of the cells of a line on those of the line before, O x I; zero outside the window.

    The centers of both lines lie over each other; beyond the border a window reads zero.

    >>> distance_weights(5, 3, 3, 1, 0.5)
    tensor([[0.5000, 1.0000, 0.5000, 0.0000, 0.0000],
            [0.0000, 0.5000, 1.0000, 0.5000, 0.0000],
            [0.0000, 0.0000, 0.5000, 1.0000, 0.5000]])
    """
    centers_O = stride * (torch.arange(after) - (after - 1) / 2) + (before - 1) / 2
    distance_OI = (torch.arange(before)[None] - centers_O[:, None]).abs()
    return torch.where(distance_OI <= (window - 1) / 2, factor**distance_OI, torch.zeros(()))


class SLayer(nn.Module):
    """S-cells u = r phi[(1 + e) / (1 + G b v) - 1] with e = sum of a u_C, v = sqrt(sum of c u_C^2), phi = max(0, .).

    G is 2r/(1+r) in 1980 and r/(1+r) in 1988; c is scaled to a sum of 1 over window and planes in 1980. All cells of a plane
    share a and b. Where both are large, u nears r phi(s / theta - 1), with s = e / (b v) between 0 and 1, the cosine similarity
    of what a cell sees and what it has learned, whatever the contrast, and theta = r/(1+r). `before` is planes and side of the
    layer before.
    """

    weights_OI: Tensor
    c_kk: Tensor

    def __init__(self, before: tuple[int, int], row: SRow, year: Year) -> None:
        super().__init__()
        sources, side = before
        self.row, self.year = row, year
        self.padding = (row.side - side + row.window - 1) // 2
        self.inhibition = (2 if year == 1980 else 1) * row.r / (1 + row.r)
        self.a_PKkk = nn.Parameter(torch.zeros(row.planes, sources, row.window, row.window), requires_grad=False)
        self.b_P = nn.Parameter(torch.zeros(row.planes), requires_grad=False)
        c_k = row.gamma ** (torch.arange(row.window) - (row.window - 1) / 2).abs()
        c_kk = torch.outer(c_k, c_k)
        self.c_scale = 1 / (sources * float(c_kk.sum())) if year == 1980 else 1.0
        self.register_buffer("c_kk", c_kk * self.c_scale, persistent=False)
        self.register_buffer("weights_OI", distance_weights(side, row.side, row.window, 1, row.gamma), persistent=False)

    @property
    def theta(self) -> float:
        """The threshold of similarity above which a cell with large weights responds."""
        return self.inhibition / (2 if self.year == 1980 else 1)

    def v_cells(self, maps_NKHW: Tensor) -> Tensor:
        """The one plane of V-cells, the weighted root mean square of the input at each place, N x 1 x H x W."""
        power_NHW = maps_NKHW.square().sum(1)
        return (self.weights_OI @ power_NHW @ self.weights_OI.T).mul(self.c_scale).clamp(min=0).sqrt()[:, None]

    def forward(self, maps_NKHW: Tensor) -> Tensor:
        """Responses of at least 0, N x P x H x W."""
        e_NPHW = functional.conv2d(maps_NKHW, self.a_PKkk, padding=self.padding)
        inhibited_NPHW = 1 + self.inhibition * self.b_P[:, None, None] * self.v_cells(maps_NKHW)
        return self.row.r * ((1 + e_NPHW) / inhibited_NPHW - 1).clamp(min=0)

    def window_at(self, maps_NKHW: Tensor, image: int, row: int, column: int) -> Tensor:
        """The input of the cells of all planes at one place, K x k x k, zero beyond the border."""
        padded_KHW = functional.pad(maps_NKHW[image], (self.padding,) * 4)
        return padded_KHW[:, row : row + self.row.window, column : column + self.row.window]

    @torch.no_grad()
    def reinforce(self, plane: int, window_Kkk: Tensor, q: float) -> None:
        """Add q c u_C to the weights a of a plane and q v to its b (half of that in 1980), for a seed cell with this input."""
        v = (self.c_kk * window_Kkk.square()).sum().sqrt()
        self.a_PKkk[plane] += q * self.c_kk * window_Kkk
        self.b_P[plane] += q * v / (2 if self.year == 1980 else 1)


class CLayer(nn.Module):
    """C-cells, which respond where an S-cell of their group does near the center of their window.

    1988: u = psi[sum of d u_S over group and window], psi(x) = x / (1 + x). 1980: u = psi[(1 + sum of d u_S) / (1 + v_S) - 1],
    psi(x) = phi(x) / (alpha + phi(x)), alpha = 0.5, v_S the mean over the planes of their sums of d u_S.

    `before` is the side of the S-planes. `strongest`: the strongest S-cell of a group counts in place of the sum, where groups
    differ much in size, for a last layer whose window covers the whole layer. `flat`: the output is N x G, for the last layer,
    whose planes are single cells; else a ShapeError.
    """

    weights_OI: Tensor
    group_P: Tensor

    def __init__(self, before: int, row: CRow, year: Year, strongest: bool = False, flat: bool = False) -> None:
        super().__init__()
        if flat and row.side != 1:
            raise ShapeError(f"the last layer of C-cells has one cell a plane; got {row.side} x {row.side}. Set its side to 1.")
        self.row, self.year, self.strongest, self.flat = row, year, strongest, flat
        weights_OI = distance_weights(before, row.side, row.window, row.stride, row.delta)
        self.register_buffer("weights_OI", weights_OI, persistent=False)
        group_P = torch.arange(len(row.groups)).repeat_interleave(torch.tensor(row.groups, dtype=torch.int64))
        self.register_buffer("group_P", group_P, persistent=False)

    @property
    def out_features(self) -> int:
        """G, the number of planes."""
        return len(self.row.groups)

    def forward(self, maps_NPHW: Tensor) -> Tensor:
        """Responses from 0 to below 1, N x G x H x W; N x G where flat."""
        if self.strongest:
            groups = torch.split(maps_NPHW, list(self.row.groups), 1)
            spread_NGHW = torch.stack([_strongest(group) for group in groups], 1) * self.row.scale
        else:
            spread_NGHW = self.weights_OI @ self._group_sums(maps_NPHW) @ self.weights_OI.T * self.row.scale
        if self.year == 1980:
            excess_NGHW = ((1 + spread_NGHW) / (1 + spread_NGHW.mean(1, keepdim=True)) - 1).clamp(min=0)
            out_NGHW = excess_NGHW / (0.5 + excess_NGHW)
        else:
            out_NGHW = spread_NGHW / (1 + spread_NGHW)
        return out_NGHW.flatten(1) if self.flat else out_NGHW

    def _group_sums(self, maps_NPHW: Tensor) -> Tensor:
        n, p, h, w = maps_NPHW.shape
        if p == self.out_features:
            return maps_NPHW
        return maps_NPHW.new_zeros(n, self.out_features, h, w).index_add_(1, self.group_P, maps_NPHW)


def _strongest(maps_NPHW: Tensor) -> Tensor:
    """The largest response of planes, N x 1 x 1; zero of none."""
    if not maps_NPHW.shape[1]:
        return maps_NPHW.new_zeros(len(maps_NPHW), 1, 1)
    return maps_NPHW.amax((1, 2, 3))[:, None, None]
