"""Images that stay on one side of a split, as clusters: those with equal pixels, near-duplicates, and those of one group.

Legend: N images, M of them in some positions, P pairs.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.hash_rng import words
from striate.data.examples import Examples

Positions = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Order(NamedTuple):
    """Images in the order in which parts are filled: by class, then cluster, then hash."""

    cluster_N: Positions
    hash_N: NDArray[np.uint64]


def order_by_hash(examples: Examples, pixel_hash_N: NDArray[np.uint64], open_N: Mask, near_P2: Positions, seed: int) -> Order:
    """Clusters as the position of their first member in hash order; most images are alone in theirs."""
    hash_N = words(examples.ids_N, "split", seed)
    cluster_N = np.arange(len(examples), dtype=np.int64)
    where = np.flatnonzero(open_N)
    links = [equal_pairs(pixel_hash_N[where], where), near_P2]
    if examples.groups_N is not None:
        links.append(equal_pairs(examples.groups_N[where], where))
    pairs = np.concatenate(links)
    if len(pairs):
        _merge_clusters(cluster_N, pairs)
        first: dict[int, int] = {}
        together = np.flatnonzero(np.isin(cluster_N, np.unique(cluster_N[pairs.ravel()])))
        for position in together[np.argsort(hash_N[together], kind="stable")]:
            first.setdefault(int(cluster_N[position]), int(position))
        cluster_N[together] = [first[int(root)] for root in cluster_N[together]]
    return Order(cluster_N, hash_N)


def equal_pairs(keys_M: NDArray[np.generic], where_M: Positions) -> Positions:
    """Pairs of neighbors among the positions whose keys are equal, P x 2."""
    order = np.argsort(keys_M, kind="stable")
    equal = keys_M[order][1:] == keys_M[order][:-1]
    return np.stack([where_M[order][:-1][equal], where_M[order][1:][equal]], axis=1)


def _merge_clusters(root_N: Positions, pairs: Positions) -> None:
    def find(position: int) -> int:
        while root_N[position] != position:
            root_N[position] = root_N[root_N[position]]
            position = int(root_N[position])
        return position

    for first, second in pairs.tolist():
        a, b = find(first), find(second)
        root_N[max(a, b)] = min(a, b)
    for position in np.unique(pairs):
        root_N[position] = find(int(position))


def that_fit(cluster_N: Positions, line_M: Positions, wanted: int) -> Positions:
    """Of a class's line the clusters up to half again as large as the share: larger ones are trained on. Else the smallest.

    A chain of near-duplicates may hold half of a class: as a part of its own it would leave little to learn from.
    """
    _, first_M, count_M = np.unique(cluster_N[line_M], return_inverse=True, return_counts=True)
    size_M = count_M[first_M]
    chosen_M = size_M <= wanted + max(1, wanted // 2)
    if not chosen_M.any():
        chosen_M = first_M == first_M[int(np.argmin(size_M))]
    return line_M[chosen_M]
