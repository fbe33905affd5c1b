"""Facts of images beside what they show, of which `striate.metrics.shortcuts` asks whether they predict the class.

Legend: N images, D values of a fact.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R 601


def facts(columns: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Each fact as N x D values, by how a sentence names it; `columns` are those of `CachedPixels`.

    Codes of formats and cameras are numbers whose order means nothing.
    """
    sizes_N2 = columns["sizes_N2"].astype(np.float64)
    return {
        "the size of the image": sizes_N2,
        "the aspect ratio": sizes_N2[:, 1:] / sizes_N2[:, :1],
        "the mean brightness": (columns["means_N3"] @ _LUMA)[:, None],
        "the color of the border": columns["borders_N3"],
        "whether there is color": columns["gray_N"].astype(np.float64)[:, None],
        "the type of the file": _codes(columns["format_N"]),
        "the camera (EXIF)": _codes(columns["camera_N"]),
        "the time of the exposure (EXIF)": columns["taken_N"][:, None],
    }


def _codes(values_N: NDArray[Any]) -> NDArray[np.float64]:
    return np.unique(values_N, return_inverse=True)[1].reshape(-1, 1).astype(np.float64)
