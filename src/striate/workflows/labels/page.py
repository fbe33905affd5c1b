"""The suspects as images on a page: each beside the nearest images of the class suggested and of its label.

Legend: N images, S suspects, D features, k neighbors.
"""

import numpy as np
from numpy.typing import NDArray

from striate.base.events import Json
from striate.interpret import nearest_images
from striate.metrics.label_errors import LabelErrors
from striate.training.transfer.feature_scaling_and_folds import standard
from striate.workflows.labels.features import ImageFeatures
from striate.workflows.report import page

SHOWN = 60  # suspects
_NEAR = 4


def render(images: ImageFeatures, errors: LabelErrors, places_S: NDArray[np.int64], result: Json) -> str:
    """The page as text; `places_S` are the suspects' places among the images with features, as `result` lists them."""
    places_S = places_S[:SHOWN]
    shift_D, factor_D = standard(images.values_ND)
    ready_ND = (images.values_ND - shift_D) * factor_D
    labels_N = images.dataset.examples.labels_N[images.rows_N]
    cards = []
    for suspect, place, suggested in zip(result["suspects"], places_S.tolist(), errors.suggested_S.tolist(), strict=False):
        near = [
            (name, [_drawn(images, other) for other in _nearest(ready_ND, place, np.flatnonzero(labels_N == label))])
            for name, label in ((suspect["suggested"], suggested), (suspect["label"], int(labels_N[place])))
        ]
        cards.append({**suspect, **_drawn(images, place), "near": near})
    return page.render_template("labels.html", result=result, cards=cards)


def _nearest(ready_ND: NDArray[np.float32], place: int, bank_B: NDArray[np.int64]) -> list[int]:
    """The images of a class whose features are nearest to those of one, but for itself."""
    bank_B = bank_B[bank_B != place]
    near_k = nearest_images.nearest(ready_ND[[place]], ready_ND[bank_B], _NEAR).rows_Qk[0]
    return [int(other) for other in bank_B[near_k]]


def _drawn(images: ImageFeatures, place: int) -> Json:
    dataset, row = images.dataset, images.rows_N[place]
    pixels_HWC = dataset.stored.pixels_NHWC[np.array([row])][0]
    return {
        "name": dataset.examples.names[row], "image": page.data_uri(pixels_HWC), "kind": page.kind_of(pixels_HWC),
    }  # fmt: skip
