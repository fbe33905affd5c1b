"""How much too good the score of the best of several looks on the images that it was chosen by.

Legend: T trials, N images, B bootstrap samples.
"""

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError

_SAMPLES, _MOST = 1000, 20_000_000  # bootstrap samples; and numbers in them


def corrected_best(right_TN: NDArray[np.bool_], seed: int = 0) -> float:
    """Accuracy to expect on other images of the trial that is best on these: bootstrap bias correction.

    In each bootstrap sample of the images the best trial is chosen by those drawn, and scored by those left out; the mean of
    these scores is returned (Tsamardinos, Greasidou & Borboudakis 2018, section 3.3). It is a little too low, since a choice
    by fewer images is a worse one.

    >>> bool(corrected_best(np.ones((3, 40), bool)) == 1)
    True

    Raises:
        DataError: there is no trial, or fewer than two images.

    """
    if right_TN.ndim != 2 or not len(right_TN) or right_TN.shape[1] < 2:
        raise DataError(f"expected trials x images, at least one and two; got {right_TN.shape}.")
    count = right_TN.shape[1]
    draws, rng = max(50, min(_SAMPLES, _MOST // count)), np.random.default_rng(seed)
    scores = []
    for _ in range(draws):
        times_N = np.bincount(rng.integers(0, count, count), minlength=count)
        if (left_out_N := times_N == 0).any():
            best = int((right_TN @ times_N).argmax())
            scores.append(right_TN[best, left_out_N].mean())
    return float(np.mean(scores))
