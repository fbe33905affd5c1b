"""Candidates for near-duplicates: images whose descriptions by low frequencies are close.

Descriptions are compared within cells, as `duplicates` says. What is kept of each image is its cell and its positions; its
description, and how a crop moves that, lie in a file without a name, where the images are many. Searchers come in blocks, whose
cells are noted and then gone through. Whether a pair is close depends on the two alone, and not on the block that it is met in.

Legend: N images, M of them compared, S = 32 pixels, D = 35 coefficients, C cells, V positions of images, P pairs.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import nameless_files
from striate.data.image_alignment import slopes
from striate.data.image_facts import THUMB_PX

Floats = NDArray[np.float32]
Positions = NDArray[np.int64]

CHUNK = 1024
_ORDER = 8  # coefficients of each axis; those whose orders sum to less are used, without the mean
_REACH = 0.45  # largest distance of two descriptions that are compared further
_ROUNDING = 1e-5  # of a cosine, whose last bits are those of the block that it is computed in
_MARGIN = 0.12  # a cell is searched where its pivot is at most so much farther than the nearest one
_TANGENT_REACH = 0.21  # the same without what a crop changes
_UNSURE = 0.12  # of a coefficient, 0 to 1: so close to the border the other position is tried too
_COSINES_AT_ONCE = 2**20
_NOTED_AT_ONCE = 2**21  # cells of searchers that are noted before they are gone through
_PAIRS_AT_ONCE = 2**14
_HELD_BYTES = 2**26  # of descriptions; more are kept in a file


class Poses(NamedTuple):
    """Images in some of their eight positions: the axes are swapped after the flips."""

    row_V: Positions
    swap_V: NDArray[np.bool_]
    flip_x_V: NDArray[np.bool_]
    flip_y_V: NDArray[np.bool_]

    def of(self, chosen: Any) -> "Poses":
        """Some of them."""
        return Poses(*(column[chosen] for column in self))

    def turned(self, maps_NSS: NDArray[Any]) -> NDArray[Any]:
        """Copies, gray or in color, in these positions."""
        return self._turned(maps_NSS[self.row_V], None)

    def turned_coefficients(self, coefficients_V88: Floats) -> Floats:
        """The coefficients of each, in its position."""
        return self._turned(coefficients_V88, _ODD)

    def _turned(self, maps_VSS: NDArray[Any], odd: NDArray[Any] | None) -> NDArray[Any]:
        axes = (-1, *[1] * (maps_VSS.ndim - 1))
        flip_x_V, flip_y_V, swap_V = (each.reshape(axes) for each in (self.flip_x_V, self.flip_y_V, self.swap_V))
        across = maps_VSS[:, :, ::-1] if odd is None else maps_VSS * odd
        maps_VSS = np.where(flip_x_V, across, maps_VSS)
        down = maps_VSS[:, ::-1] if odd is None else maps_VSS * odd[:, None]
        maps_VSS = np.where(flip_y_V, down, maps_VSS)
        return np.where(swap_V, maps_VSS.swapaxes(1, 2), maps_VSS)


class Close(NamedTuple):
    """Images that may be one photograph."""

    pairs_P2: Positions  # of positions in `Poses`, the second canonical
    apart_P: Floats  # distance of the descriptions, without what a crop changes


def _cosines() -> Floats:
    orders, places = np.arange(_ORDER)[:, None], np.arange(THUMB_PX)
    waves = np.cos(np.pi * (2 * places + 1) * orders / (2 * THUMB_PX))
    waves[0] /= np.sqrt(2)
    return waves.astype(np.float32)


_COSINES = _cosines()
_USED = (np.add.outer(np.arange(_ORDER), np.arange(_ORDER)) < _ORDER) & (np.arange(_ORDER**2).reshape(_ORDER, _ORDER) > 0)
_ODD = np.where(np.arange(_ORDER) % 2, -1, 1).astype(np.float32)
_D = int(_USED.sum())


def _coefficients(maps_NSS: NDArray[Any]) -> Floats:
    """The low frequencies that are used, N x 8 x 8; others are zero."""
    coefficients_N88: Floats = (_COSINES @ maps_NSS.astype(np.float32) @ _COSINES.T) * _USED
    return coefficients_N88


def _unit(rows: Floats) -> Floats:
    lengths = np.sqrt((rows**2).sum(axis=tuple(range(1, rows.ndim)), keepdims=True))
    scaled: Floats = rows / np.maximum(lengths, 1e-9)
    return scaled


def poses_of(thumbs_NSS: NDArray[np.uint8], mine_M: Positions) -> Poses:
    """The canonical position of each of these images - more change across than down, and brighter at the left and at the top -
    and after these the positions that are nearly so.
    """
    across_M, down_M = np.empty(len(mine_M), np.float32), np.empty(len(mine_M), np.float32)
    for start in range(0, len(mine_M), CHUNK):
        coefficients = _unit(_coefficients(thumbs_NSS[mine_M[start : start + CHUNK]]))
        across_M[start : start + CHUNK], down_M[start : start + CHUNK] = coefficients[:, 0, 1], coefficients[:, 1, 0]
    unsure = (np.abs(np.abs(across_M) - np.abs(down_M)) < _UNSURE, np.abs(across_M) < _UNSURE, np.abs(down_M) < _UNSURE)
    usual = (np.abs(across_M) < np.abs(down_M), across_M < 0, down_M < 0)
    rows_and_turns = []
    for other in np.ndindex(2, 2, 2):
        possible_M = np.ones(len(across_M), bool)
        for is_other, close_M in zip(other, unsure, strict=True):
            if is_other:
                possible_M &= close_M
        rows = np.flatnonzero(possible_M)
        turns = [each[rows] ^ bool(is_other) for each, is_other in zip(usual, other, strict=True)]
        rows_and_turns.append([mine_M[rows], *turns])
    return Poses(*(np.concatenate(column) for column in zip(*rows_and_turns, strict=True)))


def _described(thumbs_NSS: NDArray[np.uint8], poses: Poses) -> Floats:
    """The description of each image in its position, V x D."""
    coefficients_V88 = _unit(_coefficients(thumbs_NSS[poses.row_V]))
    return np.ascontiguousarray(poses.turned_coefficients(coefficients_V88)[:, _USED])


def _directions(thumbs_NSS: NDArray[np.uint8], described_ND: Floats) -> Floats:
    """How the description changes by shift and scale across and down: orthonormal, N x 4 x D."""
    basis = [described_ND]
    for slope_NSS in slopes(thumbs_NSS.astype(np.float32)):
        vector = _coefficients(slope_NSS)[:, _USED]
        for known in basis * 2:  # twice, against rounding
            vector = vector - (vector * known).sum(axis=1, keepdims=True) * known
        basis.append(_unit(vector))
    return np.stack(basis[1:], axis=1)


class Cells(NamedTuple):
    """The canonical positions, by cells, each of which has a pivot."""

    pivots_DC: Floats
    members_M: Positions  # in the order of their cells
    ends_C: Positions
    described_MD: Floats
    directions_M4D: Floats


def cells_of(thumbs_NSS: NDArray[np.uint8], canonical: Poses, scratch: Path | None = None) -> Cells:
    """The cells of these positions. `scratch` is a folder for what is too large for memory, where there is one."""
    count = len(canonical.row_V)
    cells = int(3 * count**0.5) if count > CHUNK else 1
    pivots_DC = np.ascontiguousarray(_described(thumbs_NSS, canonical.of(np.linspace(0, count - 1, cells).astype(np.int64))).T)
    described_MD, directions_M4D = (
        nameless_files.room(shape, np.float32, scratch, _HELD_BYTES) for shape in ((count, _D), (count, 4, _D))
    )
    cell_M = np.empty(count, np.int32)
    for start in range(0, count, CHUNK):
        some = canonical.of(slice(start, start + CHUNK))
        described = described_MD[start : start + CHUNK] = _described(thumbs_NSS, some)
        directions_M4D[start : start + CHUNK] = _directions(some.turned(thumbs_NSS), described)
        cell_M[start : start + CHUNK] = (described @ pivots_DC).argmax(axis=1)
    members_M = np.argsort(cell_M, kind="stable")
    return Cells(pivots_DC, members_M, np.searchsorted(cell_M[members_M], np.arange(cells + 1)), described_MD, directions_M4D)


def searchers(poses: Poses, count: int) -> list[range]:
    """All positions, of which the first `count` are the canonical ones, in chunks that have none of both."""
    starts = [*range(0, count, CHUNK), *range(count, len(poses.row_V), CHUNK)]
    return [range(*each) for each in zip(starts, [*starts[1:], len(poses.row_V)], strict=True)]


def close(cells: Cells, thumbs_NSS: NDArray[np.uint8], poses: Poses, chunks: Sequence[range]) -> Iterator[Close]:
    """Pairs of a position in these chunks of `searchers`, in their order, and a canonical one, of two images that are close.

    A few may be missed.
    """
    described, noted, first, entries = [np.empty((0, _D), np.float32)], [np.empty((0, 2), np.int64)], chunks[0].start, 0
    for chunk in chunks:
        some = slice(chunk.start, chunk.stop)
        known = chunk.start < len(cells.described_MD)
        described.append(cells.described_MD[some] if known else _described(thumbs_NSS, poses.of(some)))
        near_Q2 = _near_cells(cells.pivots_DC, described[-1])
        near_Q2[:, 0] += chunk.start - first
        noted.append(near_Q2)
        entries += len(near_Q2)
        if entries >= _NOTED_AT_ONCE or chunk is chunks[-1]:
            yield from _searched(cells, poses, np.concatenate(described), np.concatenate(noted), first)
            described, noted, first, entries = described[:1], noted[:1], chunk.stop, 0


def _near_cells(pivots_DC: Floats, described_VD: Floats) -> Positions:
    """The cells that each searcher looks into, as pairs of it and a cell."""
    cosines = described_VD @ pivots_DC
    farthest = np.sqrt(np.maximum(2 - 2 * cosines.max(axis=1, keepdims=True), 0)) + _MARGIN
    places = np.flatnonzero(cosines >= 1 - farthest**2 / 2)  # faster than np.nonzero on two axes
    return np.stack([places // cosines.shape[1], places % cosines.shape[1]], axis=1)


def _searched(cells: Cells, poses: Poses, described_VD: Floats, noted_Q2: Positions, first: int) -> Iterator[Close]:
    """What a block of searchers, which begins at the position `first`, finds in the cells noted for each."""
    noted_Q2 = noted_Q2[np.argsort(noted_Q2[:, 1], kind="stable")]
    query_ends = np.searchsorted(noted_Q2[:, 1], np.arange(len(cells.ends_C)))
    least = 1 - _REACH**2 / 2 - _ROUNDING
    for cell, (begin, end) in enumerate(zip(cells.ends_C[:-1], cells.ends_C[1:], strict=True)):
        searchers, inside = noted_Q2[query_ends[cell] : query_ends[cell + 1], 0], cells.members_M[begin:end]
        if not len(inside) or not len(searchers):
            continue
        inside_DM = np.ascontiguousarray(cells.described_MD[inside].T)
        step = max(CHUNK, _COSINES_AT_ONCE // len(inside))
        for start in range(0, len(searchers), step):
            some = searchers[start : start + step]
            places = np.flatnonzero(described_VD[some] @ inside_DM >= least)
            for at in range(0, len(places), _PAIRS_AT_ONCE):
                searcher_P, inside_P = np.divmod(places[at : at + _PAIRS_AT_ONCE], len(inside))
                pairs = np.stack([some[searcher_P] + first, inside[inside_P]], axis=1)
                two_P = poses.row_V[pairs[:, 0]] != poses.row_V[pairs[:, 1]]
                yield _without_crops(cells, described_VD[pairs[two_P, 0] - first], pairs[two_P])


def _without_crops(cells: Cells, described_PD: Floats, pairs: Positions) -> Close:
    """Those of these pairs that are close without what a crop changes; `described_PD` are of the first of each."""
    differences = described_PD - cells.described_MD[pairs[:, 1]]
    crops = (cells.directions_M4D[pairs[:, 1]] @ differences[:, :, None])[:, :, 0]
    squares_P = (differences**2).sum(axis=1)
    apart_P = np.sqrt(np.maximum(squares_P - (crops**2).sum(axis=1), 0))
    near_P = (squares_P <= _REACH**2) & (apart_P < _TANGENT_REACH)
    return Close(pairs[near_P], apart_P[near_P])
