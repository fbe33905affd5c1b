"""What is lost where images are made square: a center crop hides the ends of the longer side, squashing bends shapes.

It is measured from the sizes that are known after decoding, and said once. More than 10 % of an image's area hidden, or a
shape bent by more than a quarter, is worth saying.

Legend: N images.
"""

import numpy as np
from numpy.typing import NDArray

from striate.data.decode import InputSpec

_HIDDEN, _BENT = 0.10, 1.25


def hidden(sizes_N2: NDArray[np.int32], share: float = 1.0) -> NDArray[np.float64]:
    """The part of each image's area that a center crop hides, 0..1; `share` as in `InputSpec`."""
    short_N, long_N = sizes_N2.min(axis=1), sizes_N2.max(axis=1)
    hidden_N: NDArray[np.float64] = 1 - share**2 * short_N / long_N
    return hidden_N


def describe(sizes_N2: NDArray[np.int32], input_spec: InputSpec) -> tuple[str, ...]:
    """What this spec hides or bends in images of these heights and widths, with what to do; none where it is little."""
    if input_spec.resize_mode == "crop":
        return _describe(
            hidden(sizes_N2, input_spec.share), _HIDDEN,
            "{median:.0%} of the image in {some} of {all} images (the median of those "
            "that lose more than 10 %) is cut off by the center crop: preprocess.resize_mode=pad shows them whole.",
        )  # fmt: skip
    if input_spec.resize_mode == "squash":
        bent_N = sizes_N2.max(axis=1) / sizes_N2.min(axis=1)
        return _describe(
            bent_N, _BENT, "{some} of {all} images are squashed {median:.2f}-fold (the median of those above 1.25-fold), which "
            "bends what they show: preprocess.resize_mode=pad keeps its shape.",
        )  # fmt: skip
    return ()


def describe_center_crop(sizes_N2: NDArray[np.int32]) -> tuple[str, ...]:
    """What a center crop would hide."""
    return _describe(
        hidden(sizes_N2), _HIDDEN, "A center crop would cut off {median:.0%} of the image in {some} of {all} images (the "
        "median of those that would lose more than 10 %); preprocess.resize_mode=pad shows them whole.",
    )  # fmt: skip


def _describe(lost_N: NDArray[np.float64], more_than: float, sentence: str) -> tuple[str, ...]:
    much = lost_N[lost_N > more_than]
    if not len(much):
        return ()
    return (sentence.format(median=float(np.median(much)), some=f"{len(much):,}", all=f"{len(lost_N):,}"),)
