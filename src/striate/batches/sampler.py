"""Which images an epoch shows: each once, or those of rare classes more often.

Legend: N places of a batch, M images of the stream, K classes that have images.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.hash_rng import words


class Picked(NamedTuple):
    """Images that are to be shown."""

    rows_N: NDArray[np.int64]  # where their pixels are
    # by what their changes are drawn: the image's id, or for a further copy of it in the epoch a hash of id and copy, so that
    # no two copies are changed alike
    draws_N: NDArray[np.uint64]


@dataclass(frozen=True)
class Balanced:
    """Epochs in which every class has as many places as the largest has images.

    The images of a class take whole turns; where that does not come out even, the places that are left go round: in each epoch
    to the images that follow those of the epoch before. So within an epoch two images of a class differ by one turn at most,
    and over the epochs they come equally often. Nothing is drawn.
    """

    rows_M: NDArray[np.int64]  # rows of the pixels, class by class
    begins_K: NDArray[np.int64]  # where each class begins in `rows_M`
    counts_K: NDArray[np.int64]  # its images

    @property
    def places(self) -> int:
        """Images that an epoch shows."""
        return len(self.counts_K) * int(self.counts_K.max(initial=0))

    def pick(self, places_N: NDArray[np.int64], ids: NDArray[np.uint64], epoch: int) -> Picked:
        """The images of these places of the epoch; `ids` has one for each row of the pixels."""
        most = self.counts_K.max()
        class_N, turn_N = np.divmod(places_N, most)
        count_N = self.counts_K[class_N]
        copy_N, within_N = np.divmod(turn_N, count_N)
        left_N = most % count_N  # places of the last turn, which is not whole
        within_N = np.where(copy_N == most // count_N, (within_N + epoch * left_N) % count_N, within_N)
        rows_N = self.rows_M[self.begins_K[class_N] + within_N]
        return Picked(rows_N, _distinguish_copies(ids[rows_N], copy_N))


def balanced(rows_M: NDArray[np.int64], labels_M: NDArray[np.int64]) -> Balanced:
    """The images of these rows, with these labels, class by class in the order given."""
    _, counts_K = np.unique(labels_M, return_counts=True)
    return Balanced(rows_M[np.argsort(labels_M, kind="stable")], np.cumsum(counts_K) - counts_K, counts_K)


def _distinguish_copies(ids_N: NDArray[np.uint64], copy_N: NDArray[np.int64]) -> NDArray[np.uint64]:
    further_N = words(ids_N ^ words(copy_N.astype(np.uint64), "copy"), "copy")
    return np.where(copy_N == 0, ids_N, further_N)
