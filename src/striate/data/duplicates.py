"""Near-duplicates: the same photograph stored anew, in another size, mirrored, turned, lightly cropped, or brighter.

Each image has a gray copy of 32 x 32 pixels, made when it is decoded. Its low frequencies - 35 coefficients of the discrete
cosine transform, without the mean and brought to length one - do not change with brightness and contrast, and mirroring or
turning the image changes signs or swaps axes alone. So each image is described in one of its eight positions, the canonical
one, and also in those that are nearly as canonical. Descriptions are kept in about 3 sqrt(N) cells, each around an image that
serves as pivot, and compared within the cells near them. A crop moves the description along four directions (shift and scale,
across and down), which are left out of the comparison. What is close then is confirmed on the pixels: the shift and scale of
each axis are fitted by least squares (Lucas & Kanade 1981), and the correlation of the gray copies must be high.
Before that the colors of 8 x 8 cells are compared, in which drawings of one shape differ.

Images under 32 px are told apart by too little: there only equal pixels count. So it is with images that are flat.

Legend: N images, S = 32 pixels, D = 35 coefficients, V positions of images, P pairs.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.data.image_alignment import correlation, slopes
from striate.data.image_facts import THUMB_PX
from striate.data.small_copies import SmallCopies, color_difference, have_color

Floats = NDArray[np.float32]
Positions = NDArray[np.int64]

_ORDER = 8  # coefficients of each axis; those whose orders sum to less are used, without the mean
_REACH = 0.45  # largest distance of two descriptions that are compared further
_MARGIN = 0.12  # a cell is searched where its pivot is at most so much farther than the nearest one
_TANGENT_REACH = 0.21  # the same without what a crop changes
_CLOSE = 0.13  # images that differ by no more without it need only the lower of the two correlations ...
_CLOSE_COLOR = 0.7  # ... and by no more of the most difference in color
_LOW, _HIGH = 0.94, 0.97
_DETAIL = 0.88  # least correlation of what is neither fine nor broad: two seascapes agree in the broad alone
_BROAD = 8  # times blurred again, which leaves what is broad
_WORTH_A_BLUR = 0.85  # of the correlation as they are: below it the two are not compared at equal sharpness
_UNSURE = 0.12  # of a coefficient, 0 to 1: so close to the border the other position is tried too
_LEAST_PX, _SMALLEST_PX = 32, 16  # short side of the larger and of the smaller image of a pair
_LEAST_STD = 4.0  # of 256 levels: an image with less is flat
_DRAWN, _MOST_FLAT = 0.6, 0.85  # shares of a gray copy with one level, as paper behind a drawing: from the first on it must ...
_DRAWING = 0.985  # ... agree so well, since drawings of one kind are alike, and from the second on it is not compared
_HALF_STEPS, _HALF_MARGIN = 2, 0.015  # at half the size, pairs that miss their bar by more are not looked at any more
_MOST_COPIES = 16  # an image with more near-duplicates is one of a set that is alike by nature
_CHUNK = 1024
_COSINES_AT_ONCE = 2**20


class NearDuplicates(NamedTuple):
    """What was found: pairs of positions, the first smaller, and images that are like too many others."""

    pairs_P2: Positions
    alike_M: Positions  # images with more than 16 near-duplicates, whose pairs are left out


class _Poses(NamedTuple):
    """Images in some of their eight positions: the axes are swapped after the flips."""

    row_V: Positions
    swap_V: NDArray[np.bool_]
    flip_x_V: NDArray[np.bool_]
    flip_y_V: NDArray[np.bool_]

    def of(self, chosen: Any) -> "_Poses":
        return _Poses(*(column[chosen] for column in self))

    def turned(self, maps_NSS: NDArray[Any], odd: NDArray[Any] | None = None) -> NDArray[Any]:
        """Copies, gray or in color, in these positions; or coefficients, where `odd` are the signs that a flip gives them."""
        maps_VSS = maps_NSS[self.row_V]
        axes = (-1, *[1] * (maps_VSS.ndim - 1))
        flip_x_V, flip_y_V, swap_V = (each.reshape(axes) for each in (self.flip_x_V, self.flip_y_V, self.swap_V))
        across = maps_VSS[:, :, ::-1] if odd is None else maps_VSS * odd
        maps_VSS = np.where(flip_x_V, across, maps_VSS)
        down = maps_VSS[:, ::-1] if odd is None else maps_VSS * odd[:, None]
        maps_VSS = np.where(flip_y_V, down, maps_VSS)
        return np.where(swap_V, maps_VSS.swapaxes(1, 2), maps_VSS)


def near_duplicates(copies: SmallCopies) -> NearDuplicates:
    """Pairs of images that are one photograph, by their small copies."""
    level_share_N = _level_share(copies.thumbs_NSS)
    mine_M = np.flatnonzero(_comparable(copies, level_share_N))
    mine = copies.of(mine_M)
    short_M = mine.sizes_N2.min(axis=1)
    if len(mine_M) < 2 or short_M.max() < _LEAST_PX:
        return NearDuplicates(np.empty((0, 2), np.int64), np.empty(0, np.int64))
    poses, pairs, apart_P = _candidates(mine.thumbs_NSS)
    images_P2 = poses.row_V[pairs]
    possible_P = short_M[images_P2].max(axis=1) >= _LEAST_PX
    color_P = _color_difference(mine, poses, pairs)
    possible_P &= color_P < 1
    drawn_P = (level_share_N[mine_M] >= _DRAWN)[images_P2].any(axis=1)
    bars = _Bars(
        np.where(drawn_P, _DRAWING, np.where((apart_P < _CLOSE) & (color_P < _CLOSE_COLOR), _LOW, _HIGH)),
        np.where(drawn_P, _DRAWING, _DETAIL),
    )
    pairs, bars = pairs[possible_P], _Bars(*(bar_P[possible_P] for bar_P in bars))
    confirmed = pairs[_confirm(mine.thumbs_NSS, poses, pairs, bars)]
    positions_P2 = np.sort(mine_M[poses.row_V[confirmed]], axis=1)
    return _without_alike(np.unique(positions_P2, axis=0), len(copies.sizes_N2))


def comparable(copies: SmallCopies) -> NDArray[np.bool_]:
    """Which images show enough to be told apart."""
    return _comparable(copies, _level_share(copies.thumbs_NSS))


def _comparable(copies: SmallCopies, level_share_N: NDArray[np.float64]) -> NDArray[np.bool_]:
    std_N = np.concatenate([np.empty(0), *(thumbs.std(axis=(1, 2)) for thumbs in _chunks(copies.thumbs_NSS))])
    large_N = copies.sizes_N2.min(axis=1) >= _SMALLEST_PX
    comparable_N: NDArray[np.bool_] = large_N & (std_N >= _LEAST_STD) & (level_share_N < _MOST_FLAT)
    return comparable_N


def _chunks(rows_N: NDArray[Any]) -> Iterator[NDArray[Any]]:
    yield from (rows_N[start : start + _CHUNK] for start in range(0, len(rows_N), _CHUNK))


def _level_share(thumbs_NSS: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The share of each gray copy that has one level, of 64."""
    shares = [np.empty(0)]
    for thumbs in _chunks(thumbs_NSS):
        bins = (thumbs.reshape(-1, THUMB_PX**2) >> 2).astype(np.int64) + 64 * np.arange(len(thumbs))[:, None]
        most = np.bincount(bins.ravel(), minlength=64 * len(thumbs)).reshape(-1, 64).max(axis=1)
        shares.append(most / THUMB_PX**2)
    return np.concatenate(shares)


def _without_alike(pairs_P2: Positions, count: int) -> NearDuplicates:
    alike_N = np.bincount(pairs_P2.ravel(), minlength=count) > _MOST_COPIES
    return NearDuplicates(pairs_P2[~alike_N[pairs_P2].any(axis=1)], np.flatnonzero(alike_N))


def _cosines() -> Floats:
    orders, places = np.arange(_ORDER)[:, None], np.arange(THUMB_PX)
    waves = np.cos(np.pi * (2 * places + 1) * orders / (2 * THUMB_PX))
    waves[0] /= np.sqrt(2)
    return waves.astype(np.float32)


_COSINES = _cosines()
_USED = (np.add.outer(np.arange(_ORDER), np.arange(_ORDER)) < _ORDER) & (np.arange(_ORDER**2).reshape(_ORDER, _ORDER) > 0)
_ODD = np.where(np.arange(_ORDER) % 2, -1, 1).astype(np.float32)


def _coefficients(maps_NSS: NDArray[Any]) -> Floats:
    """The low frequencies that are used, N x 8 x 8; others are zero."""
    chunks = [
        (_COSINES @ maps_NSS[start : start + _CHUNK].astype(np.float32) @ _COSINES.T) * _USED
        for start in range(0, len(maps_NSS), _CHUNK)
    ]
    return np.concatenate(chunks)


def _unit(rows: Floats) -> Floats:
    lengths = np.sqrt((rows**2).sum(axis=tuple(range(1, rows.ndim)), keepdims=True))
    scaled: Floats = rows / np.maximum(lengths, 1e-9)
    return scaled


def _poses(coefficients_N88: Floats) -> _Poses:
    """The canonical position of each image - more change across than down, and brighter at the left and at the top - and
    after these the positions that are nearly so.
    """
    across_N, down_N = coefficients_N88[:, 0, 1], coefficients_N88[:, 1, 0]
    unsure = (np.abs(np.abs(across_N) - np.abs(down_N)) < _UNSURE, np.abs(across_N) < _UNSURE, np.abs(down_N) < _UNSURE)
    usual = (np.abs(across_N) < np.abs(down_N), across_N < 0, down_N < 0)
    rows_and_turns = []
    for other in np.ndindex(2, 2, 2):
        possible_N = np.ones(len(across_N), bool)
        for is_other, close_N in zip(other, unsure, strict=True):
            if is_other:
                possible_N &= close_N
        rows = np.flatnonzero(possible_N)
        rows_and_turns.append([rows, *(each[rows] ^ bool(is_other) for each, is_other in zip(usual, other, strict=True))])
    return _Poses(*(np.concatenate(column) for column in zip(*rows_and_turns, strict=True)))


class _Candidates(NamedTuple):
    """Images that may be one photograph."""

    poses: _Poses  # positions of the images, the first N of them canonical
    pairs_P2: Positions  # of these, the second canonical
    apart_P: Floats  # distance of the descriptions, without what a crop changes


def _candidates(thumbs_NSS: NDArray[np.uint8]) -> _Candidates:
    """Images whose descriptions are close."""
    coefficients_N88 = _unit(_coefficients(thumbs_NSS))
    poses = _poses(coefficients_N88)
    described_VD = np.ascontiguousarray(poses.turned(coefficients_N88, _ODD)[:, _USED])
    canonical = poses.of(np.arange(len(thumbs_NSS)))
    directions_N4D = _directions(canonical.turned(thumbs_NSS), described_VD[: len(thumbs_NSS)])
    close, apart = [np.empty((0, 2), np.int64)], [np.empty(0, np.float32)]
    for pairs in _close_pairs(described_VD, len(thumbs_NSS)):
        near = pairs[poses.row_V[pairs[:, 0]] != pairs[:, 1]]
        differences = described_VD[near[:, 0]] - described_VD[near[:, 1]]
        crops = (directions_N4D[near[:, 1]] @ differences[:, :, None])[:, :, 0]
        left = np.sqrt(np.maximum((differences**2).sum(axis=1) - (crops**2).sum(axis=1), 0))
        close.append(near[left < _TANGENT_REACH])
        apart.append(left[left < _TANGENT_REACH])
    return _Candidates(poses, np.concatenate(close), np.concatenate(apart))


def _directions(thumbs_NSS: NDArray[np.uint8], described_ND: Floats) -> Floats:
    """How the description changes by shift and scale across and down: orthonormal, N x 4 x D."""
    directions = []
    for start in range(0, len(thumbs_NSS), _CHUNK):
        basis = [described_ND[start : start + _CHUNK]]
        for slope_NSS in slopes(thumbs_NSS[start : start + _CHUNK].astype(np.float32)):
            vector = _coefficients(slope_NSS)[:, _USED]
            for known in basis * 2:  # twice, against rounding
                vector = vector - (vector * known).sum(axis=1, keepdims=True) * known
            basis.append(_unit(vector))
        directions.append(np.stack(basis[1:], axis=1))
    return np.concatenate(directions)


def _close_pairs(described_VD: Floats, count: int) -> Iterator[Positions]:
    """Pairs of any description and one of the first `count`, P x 2, that are at most _REACH apart; a few may be missed."""
    cells = int(3 * count**0.5) if count > _CHUNK else 1
    own_ND = described_VD[:count]
    pivots_DC = np.ascontiguousarray(own_ND[np.linspace(0, count - 1, cells).astype(np.int64)].T)
    cell_N, wanted = np.empty(count, np.int64), []
    for start in range(0, len(described_VD), _CHUNK):
        cosines = described_VD[start : start + _CHUNK] @ pivots_DC
        if start < count:
            cell_N[start : start + _CHUNK] = cosines.argmax(axis=1)[: count - start]
        farthest = np.sqrt(np.maximum(2 - 2 * cosines.max(axis=1, keepdims=True), 0)) + _MARGIN
        places = np.flatnonzero(cosines >= 1 - farthest**2 / 2)  # faster than np.nonzero on two axes
        wanted.append(np.stack([places // cells + start, places % cells], axis=1))
    queries = np.concatenate(wanted)
    queries = queries[np.argsort(queries[:, 1], kind="stable")]
    members, query_ends = np.argsort(cell_N, kind="stable"), np.searchsorted(queries[:, 1], np.arange(cells + 1))
    ends = np.searchsorted(cell_N[members], np.arange(cells + 1))
    least = 1 - _REACH**2 / 2
    for cell in range(cells):
        inside = members[ends[cell] : ends[cell + 1]]
        searchers = queries[query_ends[cell] : query_ends[cell + 1], 0]
        inside_DM = np.ascontiguousarray(own_ND[inside].T)
        step = max(_CHUNK, _COSINES_AT_ONCE // max(len(inside), 1))
        for start in range(0, len(searchers) if len(inside) else 0, step):
            some = searchers[start : start + step]
            places = np.flatnonzero(described_VD[some] @ inside_DM >= least)
            yield np.stack([some[places // len(inside)], inside[places % len(inside)]], axis=1)


def _color_difference(copies: SmallCopies, poses: _Poses, pairs: Positions) -> Floats:
    """How far pairs of positions differ in color; 0 where one of the images shows none."""
    colored_P2 = have_color(copies.chroma_NQQ2)[poses.row_V[pairs]]
    colored_P: NDArray[np.bool_] = colored_P2[:, 0] & colored_P2[:, 1]
    difference_P = np.zeros(len(pairs), np.float32)
    for rows in _chunks(np.flatnonzero(colored_P)):
        first, second = (poses.of(pairs[rows, side]) for side in (0, 1))
        in_order = np.arange(len(rows))
        cells = (each._replace(row_V=in_order).turned(copies.of(each.row_V).cells_NQQ3()) for each in (first, second))
        difference_P[rows] = color_difference(*cells)
    return difference_P


class _Bars(NamedTuple):
    """What the correlation of each pair must reach, of the gray copies and of their detail."""

    whole_P: NDArray[np.float64]
    detail_P: NDArray[np.float64]


def _confirm(thumbs_NSS: NDArray[np.uint8], poses: _Poses, pairs: Positions, bars: _Bars) -> NDArray[np.bool_]:
    """Which pairs of positions agree in their gray copies: at half the size, where that is clear, then whole, then in detail.

    Detail is what is left without what is broad, as a sky, and without what is fine, as noise.
    """
    same_P = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(pairs)))
        first, second = (poses.of(pairs[rows, side]).turned(thumbs_NSS).astype(np.float32) for side in (0, 1))
        for agrees in (_agree_at_half, _agree, _agree_in_detail):
            bar_P = bars.detail_P[rows] if agrees is _agree_in_detail else bars.whole_P[rows]
            left = agrees(first, second, bar_P)
            rows, first, second = rows[left], first[left], second[left]
        same_P[rows] = True
    return same_P


def _agree_at_half(first_PSS: Floats, second_PSS: Floats, bar_P: NDArray[np.float64]) -> NDArray[np.bool_]:
    first, second = (
        gray_PSS.reshape(-1, THUMB_PX // 2, 2, THUMB_PX // 2, 2).mean(axis=(2, 4)) for gray_PSS in (first_PSS, second_PSS)
    )
    return correlation(first, second, steps=_HALF_STEPS) >= bar_P - _HALF_MARGIN


def _agree(first_PSS: Floats, second_PSS: Floats, bar_P: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether they agree as they are, or where either is blurred, as one is that was stored smaller."""
    agreement_P = correlation(first_PSS, second_PSS, _HIGH)
    for blurs_first in (True, False):
        rows = np.flatnonzero((agreement_P > _WORTH_A_BLUR) & (agreement_P < bar_P))
        if len(rows):
            pair = first_PSS[rows], second_PSS[rows]
            pair = (_blurred(pair[0]), pair[1]) if blurs_first else (pair[0], _blurred(pair[1]))
            agreement_P[rows] = np.maximum(agreement_P[rows], correlation(*pair, _HIGH))
    return agreement_P >= bar_P


def _agree_in_detail(first_PSS: Floats, second_PSS: Floats, bar_P: NDArray[np.float64]) -> NDArray[np.bool_]:
    enough = float(bar_P.max(initial=_DETAIL))
    return correlation(_without_broad(first_PSS), _without_broad(second_PSS), enough) >= bar_P


def _without_broad(images_PSS: Floats) -> Floats:
    smooth_PSS = broad_PSS = _blurred(images_PSS)
    for _ in range(_BROAD):
        broad_PSS = _blurred(broad_PSS)
    return smooth_PSS - broad_PSS


def _blurred(images_PSS: Floats) -> Floats:
    """Each pixel with its neighbors, by weights 1, 2, 1 across and down."""
    padded = np.pad(images_PSS, ((0, 0), (1, 1), (1, 1)), "edge")
    rows = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
    blurred = (rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 4
    return blurred.astype(np.float32, copy=False)
