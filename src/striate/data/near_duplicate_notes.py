"""Near-duplicates in a split: which pairs count, and what is said of those that lie on two sides.

Legend: N images, P pairs.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from striate.data.duplicates import NearDuplicates
from striate.data.examples import Examples

Positions = NDArray[np.int64]
_PARTS = ("training", "validation", "test")
_MOST_SHARE, _FEW_IMAGES = 0.25, 40  # of the images, which are alike by nature where more have a near-duplicate


def usable(near: NearDuplicates | None, pixel_hash_N: NDArray[np.uint64]) -> Positions:
    """The pairs that count, P x 2: those whose pixels are equal are found without, and where very many images have a
    near-duplicate, as drawings of a few kinds do, none counts: the parts could not be divided as asked for.
    """
    if near is None or alike_by_nature(near, len(pixel_hash_N)):
        return np.empty((0, 2), np.int64)
    different_P = pixel_hash_N[near.pairs_P2[:, 0]] != pixel_hash_N[near.pairs_P2[:, 1]]
    pairs_P2: Positions = near.pairs_P2[different_P]
    return pairs_P2


def alike_by_nature(near: NearDuplicates, count: int) -> bool:
    """Whether so many of the images have a near-duplicate that this says nothing, as of drawings of a few kinds."""
    paired = len(np.unique(near.pairs_P2))
    return paired > max(_FEW_IMAGES, _MOST_SHARE * count)


def named(examples: Examples, pairs_P2: Positions) -> tuple[tuple[str, str], ...]:
    """Pairs of names, sorted."""
    names = ((examples.names[first], examples.names[second]) for first, second in pairs_P2.tolist())
    return tuple(sorted((min(pair), max(pair)) for pair in names))


def sentences(
    examples: Examples, pairs_P2: Positions, near: NearDuplicates | None, parts: Sequence[NDArray[np.bool_]]
) -> list[str]:
    """What the user should know; `parts` are the images of training, validation and test."""
    notes = []
    if len(pairs_P2):
        first, second = named(examples, pairs_P2)[0]
        notes.append(
            f"{_count(len(pairs_P2), 'pair')} of images are nearly equal - stored anew, resized, mirrored, turned, lightly "
            f"cropped or brighter -, as {first} and {second}."
        )
        part_N = np.select(parts, [0, 1, 2], -1)
        sides_P2 = part_N[pairs_P2]
        apart = (sides_P2 >= 0).all(axis=1) & (sides_P2[:, 0] != sides_P2[:, 1])
        notes.append(_across(examples, pairs_P2[apart], part_N) if apart.any() else "Each pair stays on one side.")
    if near is not None and alike_by_nature(near, len(examples)):
        first, second = named(examples, near.pairs_P2)[0]
        notes.append(
            f"{len(np.unique(near.pairs_P2)):,} of {len(examples):,} images are nearly equal to another, as {first} and "
            f"{second}. So many are taken to be alike by nature, and are not kept on one side of the split. If they are "
            "copies, say what belongs together with --group."
        )
    elif near is not None and len(near.alike_M):
        notes.append(
            f"{_count(len(near.alike_M), 'image')}, as {examples.names[int(near.alike_M[0])]}, are nearly equal to more than 16"
            " others, as frames of one camera are; these are not kept on one side. If they were taken together, say so "
            "with --group."
        )
    return notes


def _across(examples: Examples, pairs_P2: Positions, part_N: NDArray[np.int64]) -> str:
    first, second = sorted(pairs_P2[0].tolist(), key=lambda position: int(part_N[position]))
    names = " and ".join(f"{examples.names[position]} ({_PARTS[part_N[position]]})" for position in (first, second))
    return (
        f"{_count(len(pairs_P2), 'pair')} of them lie on two sides of the split that the data come with, as {names}: accuracy "
        "on such images is too high. Remove one of each, or let the split be cut from all images."
    )


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
