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

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.data import duplicate_candidates
from striate.data.duplicate_candidates import CHUNK, Floats, Poses, Positions
from striate.data.image_alignment import correlation
from striate.data.image_facts import THUMB_PX
from striate.data.small_copies import SmallCopies, color_difference, have_color

_CLOSE = 0.13  # images that differ by no more without it need only the lower of the two correlations ...
_CLOSE_COLOR = 0.7  # ... and by no more of the most difference in color
_LOW, _HIGH = 0.94, 0.97
_DETAIL = 0.88  # least correlation of what is neither fine nor broad: two seascapes agree in the broad alone
_BROAD = 8  # times blurred again, which leaves what is broad
_WORTH_A_BLUR = 0.85  # of the correlation as they are: below it the two are not compared at equal sharpness
_LEAST_PX, _SMALLEST_PX = 32, 16  # short side of the larger and of the smaller image of a pair
_LEAST_STD = 4.0  # of 256 levels: an image with less is flat
_DRAWN, _MOST_FLAT = 0.6, 0.85  # shares of a gray copy with one level, as paper behind a drawing: from the first on it must ...
_DRAWING = 0.985  # ... agree so well, since drawings of one kind are alike, and from the second on it is not compared
_HALF_STEPS, _HALF_MARGIN = 2, 0.015  # at half the size, pairs that miss their bar by more are not looked at any more
_MOST_COPIES = 16  # an image with more near-duplicates is one of a set that is alike by nature
_CONFIRMED_AT_ONCE = 2**16  # pairs
_CHUNKS_OF_A_PART = 64  # of positions, of which an image has two to three


class NearDuplicates(NamedTuple):
    """What was found: pairs of positions, the first smaller, and images that are like too many others."""

    pairs_P2: Positions
    alike_M: Positions  # images with more than 16 near-duplicates, whose pairs are left out


def near_duplicates(copies: SmallCopies, scratch: Path | None = None) -> NearDuplicates:
    """Pairs of images that are one photograph, by their small copies.

    Copies may be mapped from files: some are read at a time. `scratch` is a folder for what else is too large for memory.
    """
    search, confirmed = Search(copies, scratch), _Confirmed(len(copies.sizes_N2))
    for chunks in search.parts:
        search.confirm(chunks, confirmed)
    return confirmed.pairs()


class Search:
    """A search in parts: each has so many of the positions in which images are compared with all canonical ones."""

    def __init__(self, copies: SmallCopies, scratch: Path | None = None) -> None:
        level_share_N = _level_share(copies.thumbs_NSS)
        self.copies, self.drawn_N = copies, level_share_N >= _DRAWN
        self.short_N: NDArray[np.int32] = copies.sizes_N2.min(axis=1)
        self.parts = list[list[range]]()
        mine_M = np.flatnonzero(_comparable(copies, level_share_N))
        if len(mine_M) < 2 or self.short_N[mine_M].max() < _LEAST_PX:
            return
        self.poses = duplicate_candidates.poses_of(copies.thumbs_NSS, mine_M)
        self.cells = duplicate_candidates.cells_of(copies.thumbs_NSS, self.poses.of(slice(len(mine_M))), scratch)
        chunks = duplicate_candidates.searchers(self.poses, len(mine_M))
        self.parts = [chunks[first : first + _CHUNKS_OF_A_PART] for first in range(0, len(chunks), _CHUNKS_OF_A_PART)]

    def part(self, number: int) -> NearDuplicates:
        """What one part finds, for `join_parts`."""
        confirmed = _Confirmed(len(self.copies.sizes_N2))
        self.confirm(self.parts[number], confirmed)
        return confirmed.part()

    def confirm(self, chunks: list[range], confirmed: "_Confirmed") -> None:
        """Add the pairs that these chunks of positions are in."""
        copies, poses = self.copies, self.poses
        for pairs, apart_P in _joined(duplicate_candidates.close(self.cells, copies.thumbs_NSS, poses, chunks)):
            images_P2 = poses.row_V[pairs]
            possible_P = confirmed.matter(images_P2) & (self.short_N[images_P2].max(axis=1) >= _LEAST_PX)
            pairs, apart_P, images_P2 = pairs[possible_P], apart_P[possible_P], images_P2[possible_P]
            color_P = _color_difference(copies, poses, pairs)
            drawn_P = self.drawn_N[images_P2].any(axis=1)
            bars = _Bars(
                np.where(drawn_P, _DRAWING, np.where((apart_P < _CLOSE) & (color_P < _CLOSE_COLOR), _LOW, _HIGH)),
                np.where(drawn_P, _DRAWING, _DETAIL),
            )
            pairs, bars = pairs[color_P < 1], _Bars(*(bar_P[color_P < 1] for bar_P in bars))
            confirmed.add(poses.row_V[pairs[_confirm(copies.thumbs_NSS, poses, pairs, bars)]])


def join_parts(parts: Sequence[NearDuplicates], count: int) -> NearDuplicates:
    """The pairs of so many images of what each part of a `Search` has found, whoever searched it, in any order.

    An image with too many others either has them in one part, which says so, or all of its pairs are there to be counted.
    """
    confirmed = _Confirmed(count)
    for part in parts:
        confirmed.others_N[part.alike_M] = _MOST_COPIES + 1
    for part in parts:
        confirmed.add(part.pairs_P2)
    return confirmed.pairs()


def _joined(batches: Iterator[duplicate_candidates.Close]) -> Iterator[duplicate_candidates.Close]:
    """The same pairs, many at a time."""
    held, count = list[duplicate_candidates.Close](), 0
    for some in batches:
        if len(some.pairs_P2):
            held.append(some)
            count += len(some.pairs_P2)
        if count >= _CONFIRMED_AT_ONCE:
            yield duplicate_candidates.Close(*map(np.concatenate, zip(*held, strict=True)))
            held, count = [], 0
    if held:
        yield duplicate_candidates.Close(*map(np.concatenate, zip(*held, strict=True)))


class _Confirmed:
    """Pairs of N images that were confirmed, each once, and with how many others each image is in one.

    Of images that are alike by nature there are as many pairs as the square of their number. All pairs of an image with more
    than 16 are left out, so one of two such images need not be looked at, nor be kept.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.keys = np.empty(0, np.int64)  # sorted: the smaller position times N, plus the larger
        self.others_N = np.zeros(count, np.int32)  # exact as long as they are few

    def matter(self, images_P2: Positions) -> NDArray[np.bool_]:
        """Which pairs of positions have an image that may yet be none of too many."""
        few_P2 = self.others_N[images_P2] <= _MOST_COPIES
        few_P: NDArray[np.bool_] = few_P2[:, 0] | few_P2[:, 1]
        return few_P

    def add(self, images_P2: Positions) -> None:
        """More pairs, of which some may be known."""
        first_P, second_P = images_P2.min(axis=1), images_P2.max(axis=1)
        new = np.setdiff1d(first_P * self.count + second_P, self.keys)
        np.add.at(self.others_N, np.stack(np.divmod(new, self.count)), 1)
        keys = np.union1d(self.keys, new)
        self.keys = keys[self.matter(np.stack(np.divmod(keys, self.count), axis=1))]

    def part(self) -> NearDuplicates:
        """What is known when not all are there yet: also the pairs of an image that is alike, with one that may not be."""
        return NearDuplicates(np.stack(np.divmod(self.keys, self.count), axis=1), np.flatnonzero(self.others_N > _MOST_COPIES))

    def pairs(self) -> NearDuplicates:
        """Those of images that are not alike by nature."""
        pairs_P2, alike_N = np.stack(np.divmod(self.keys, self.count), axis=1), self.others_N > _MOST_COPIES
        return NearDuplicates(pairs_P2[~alike_N[pairs_P2].any(axis=1)], np.flatnonzero(alike_N))


def comparable(copies: SmallCopies) -> NDArray[np.bool_]:
    """Which images show enough to be told apart."""
    return _comparable(copies, _level_share(copies.thumbs_NSS))


def _comparable(copies: SmallCopies, level_share_N: NDArray[np.float64]) -> NDArray[np.bool_]:
    std_N = np.concatenate([np.empty(0), *(thumbs.std(axis=(1, 2)) for thumbs in _chunks(copies.thumbs_NSS))])
    large_N = copies.sizes_N2.min(axis=1) >= _SMALLEST_PX
    comparable_N: NDArray[np.bool_] = large_N & (std_N >= _LEAST_STD) & (level_share_N < _MOST_FLAT)
    return comparable_N


def _chunks(rows_N: NDArray[Any]) -> Iterator[NDArray[Any]]:
    yield from (rows_N[start : start + CHUNK] for start in range(0, len(rows_N), CHUNK))


def _level_share(thumbs_NSS: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The share of each gray copy that has one level, of 64."""
    shares = [np.empty(0)]
    for thumbs in _chunks(thumbs_NSS):
        bins = (thumbs.reshape(-1, THUMB_PX**2) >> 2).astype(np.int64) + 64 * np.arange(len(thumbs))[:, None]
        most = np.bincount(bins.ravel(), minlength=64 * len(thumbs)).reshape(-1, 64).max(axis=1)
        shares.append(most / THUMB_PX**2)
    return np.concatenate(shares)


def _color_difference(copies: SmallCopies, poses: Poses, pairs: Positions) -> Floats:
    """How far pairs of positions differ in color; 0 where one of the images shows none."""
    difference_P = np.zeros(len(pairs), np.float32)
    for some in _chunks(np.arange(len(pairs))):
        colored_P2 = np.stack([have_color(copies.chroma_NQQ2[images_P]) for images_P in poses.row_V[pairs[some]].T], axis=1)
        if not len(rows := some[colored_P2.all(axis=1)]):
            continue
        first, second = (poses.of(pairs[rows, side]) for side in (0, 1))
        in_order = np.arange(len(rows))
        cells = (each._replace(row_V=in_order).turned(copies.of(each.row_V).cells_NQQ3()) for each in (first, second))
        difference_P[rows] = color_difference(*cells)
    return difference_P


class _Bars(NamedTuple):
    """What the correlation of each pair must reach, of the gray copies and of their detail."""

    whole_P: NDArray[np.float64]
    detail_P: NDArray[np.float64]


def _confirm(thumbs_NSS: NDArray[np.uint8], poses: Poses, pairs: Positions, bars: _Bars) -> NDArray[np.bool_]:
    """Which pairs of positions agree in their gray copies: at half the size, where that is clear, then whole, then in detail.

    Detail is what is left without what is broad, as a sky, and without what is fine, as noise.
    """
    same_P = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(pairs)))
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
