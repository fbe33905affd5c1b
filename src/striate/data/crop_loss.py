"""What is lost where pictures are made square: a centre crop hides the ends of the longer side, squashing bends shapes.

It is measured from the sizes that are known after decoding, and said once. More than 10 % of a picture's area hidden, or a
shape bent by more than a quarter, is worth saying.

Legend: N pictures.
"""

import numpy as np
from numpy.typing import NDArray

from striate.data.decode import Look

_HIDDEN, _BENT = 0.10, 1.25


def hidden(sizes_N2: NDArray[np.int32], share: float = 1.0) -> NDArray[np.float64]:
    """The part of each picture's area that a centre crop hides, 0..1; `share` as in `Look`."""
    short_N, long_N = sizes_N2.min(axis=1), sizes_N2.max(axis=1)
    found: NDArray[np.float64] = 1 - share**2 * short_N / long_N
    return found


def sentences(sizes_N2: NDArray[np.int32], look: Look) -> tuple[str, ...]:
    """What this look hides or bends in pictures of these heights and widths, with what to do; none where it is little."""
    if look.fit == "crop":
        return _said(
            hidden(sizes_N2, look.share), _HIDDEN, "{median:.0%} of the picture in {some} of {all} images (the median of those "
            "that lose more than 10 %) is cut off by the centre crop: prepare.fit=pad shows them whole.",
        )  # fmt: skip
    if look.fit == "squash":
        bent_N = sizes_N2.max(axis=1) / sizes_N2.min(axis=1)
        return _said(
            bent_N, _BENT, "{some} of {all} images are squashed {median:.2f}-fold (the median of those above 1.25-fold), which "
            "bends what they show: prepare.fit=pad keeps its shape.",
        )  # fmt: skip
    return ()


def of_survey(sizes_N2: NDArray[np.int32]) -> tuple[str, ...]:
    """What a centre crop would hide."""
    return _said(
        hidden(sizes_N2), _HIDDEN, "A centre crop would cut off {median:.0%} of the picture in {some} of {all} images (the "
        "median of those that would lose more than 10 %); prepare.fit=pad shows them whole.",
    )  # fmt: skip


def _said(lost_N: NDArray[np.float64], more_than: float, sentence: str) -> tuple[str, ...]:
    much = lost_N[lost_N > more_than]
    if not len(much):
        return ()
    return (sentence.format(median=float(np.median(much)), some=f"{len(much):,}", all=f"{len(lost_N):,}"),)
