"""Dividing images of several labels each so that every part has its share of each label: iterative stratification.

The rarest label is dealt out first, each image to the part that lacks most images of that label (Sechidis, Tsoumakas & Vlahavas
2011, algorithm 1). Images of one cluster stay together; one that is more than half again as large as the share of a part, of
all images or of a label, goes to the largest part, which is trained on, as with one label an image (`clusters.that_fit`). Where
the paper draws lots, the order of the hashes decides.

Legend: N images, C clusters of them, K labels, P parts.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
Floats = NDArray[np.float64]


class _Clusters(NamedTuple):
    """Clusters in the order of the hashes of their first images."""

    of_N: Positions  # the number of each image's cluster
    labels_CK: NDArray[np.int64]  # images of the cluster that have each label
    images_C: NDArray[np.int64]


def deal(labels_NK: NDArray[np.int64], first_N: Positions, hash_N: NDArray[np.uint64], shares_P: Sequence[float]) -> Positions:
    """The part of each image.

    Args:
        labels_NK: 0 or 1.
        first_N: the position of the first image of each image's cluster, by the hashes.
        hash_N: a hash of each image.
        shares_P: of the images, for each part; they add up to 1. Each part is to have an image of each label where there are
            that many.

    """
    clusters = _cluster(labels_NK, first_N, hash_N)
    wanted_PK = _wanted(clusters.labels_CK.sum(axis=0), np.array(shares_P))
    room_P = np.array(shares_P) * len(first_N)
    fits_PC = _fitting(clusters, wanted_PK, room_P)
    part_C = np.full(len(clusters.images_C), -1, np.int64)

    def put(cluster: int, part: int) -> None:
        part_C[cluster] = part
        wanted_PK[part] -= clusters.labels_CK[cluster]
        room_P[part] -= clusters.images_C[cluster]

    for cluster in np.flatnonzero(fits_PC.sum(axis=0) == 1).tolist():  # first, so that the others fill what is left
        put(cluster, int(fits_PC[:, cluster].argmax()))
    left_K = np.count_nonzero(clusters.labels_CK[part_C < 0], axis=0)
    while left_K.any():
        rarest = int(np.where(left_K > 0, left_K, np.iinfo(np.int64).max).argmin())
        for cluster in np.flatnonzero((part_C < 0) & (clusters.labels_CK[:, rarest] > 0)).tolist():
            fitting = np.flatnonzero(fits_PC[:, cluster])
            put(cluster, int(fitting[_neediest(wanted_PK[fitting, rarest], room_P[fitting])]))
            left_K -= clusters.labels_CK[cluster] > 0
    for cluster in np.flatnonzero(part_C < 0).tolist():
        put(cluster, int(np.where(fits_PC[:, cluster], room_P, -np.inf).argmax()))
    return part_C[clusters.of_N]


def _cluster(labels_NK: NDArray[np.int64], first_N: Positions, hash_N: NDArray[np.uint64]) -> _Clusters:
    firsts = np.unique(first_N)
    firsts = firsts[np.argsort(hash_N[firsts], kind="stable")]
    place = np.empty(len(first_N), np.int64)
    place[firsts] = np.arange(len(firsts))
    of_N = place[first_N]
    labels_CK = np.zeros((len(firsts), labels_NK.shape[1]), np.int64)
    np.add.at(labels_CK, of_N, labels_NK)
    return _Clusters(of_N, labels_CK, np.bincount(of_N, minlength=len(firsts)))


def _wanted(images_K: NDArray[np.int64], shares_P: Floats) -> Floats:
    """Images of each label that each part is to have: its share, and one at least where each part can have one."""
    wanted_PK = shares_P[:, None] * images_K
    short_PK = np.where((wanted_PK < 1) & (images_K >= len(shares_P)), 1 - wanted_PK, 0.0)
    wanted_PK += short_PK
    wanted_PK[int(shares_P.argmax())] -= short_PK.sum(axis=0)
    return wanted_PK


def _fitting(clusters: _Clusters, wanted_PK: Floats, room_P: Floats) -> NDArray[np.bool_]:
    """Which clusters each part may get, P x C; where none with a label fits into a part, the smallest of them may."""
    most_PK, most_P = (shares + np.maximum(1, shares // 2) for shares in (wanted_PK.round(), room_P.round()))
    fits_PC = np.stack([(clusters.labels_CK <= most_K).all(axis=1) for most_K in most_PK]) & (
        clusters.images_C <= most_P[:, None]
    )
    for label_C in (clusters.labels_CK > 0).T:
        own = np.flatnonzero(label_C)
        if len(own):
            fits_PC[~fits_PC[:, own].any(axis=1), own[clusters.images_C[own].argmin()]] = True
    fits_PC[int(room_P.argmax())] = True
    return fits_PC


def _neediest(wanted_P: Floats, room_P: Floats) -> int:
    """The part that lacks most images of a label; of equal ones that with most room, then the first."""
    return int(np.lexsort((-np.arange(len(room_P)), room_P, wanted_P))[-1])
