"""The attribution map of a method over an image, with the test of its faithfulness."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import SettingError
from striate.lab.models import Loaded
from striate.lab.views import Json


def evidence(loaded: Loaded, pixels_HWC: NDArray[np.uint8], method: Any, target: Any) -> Json:
    """The map over the image, whether it is faithful, and by how much; `refused` where the method does not work here."""
    import torch

    from striate.interpret import attribution
    from striate.plots.interpret.heatmap import overlay

    if method not in attribution.METHODS:
        raise SettingError(f"expected a method: {', '.join(attribution.METHODS)}; got {str(method)[:40]!r}.")
    if target not in loaded.model.classes:
        raise SettingError(f"There is no class {str(target)[:60]!r}.")
    images_1CHW = loaded.model.preprocess.images(torch.from_numpy(pixels_HWC[None]))  # they have been brought to its size
    explanations, refused = attribution.explain_all(loaded.model, images_1CHW, [method], target=target)
    if method not in explanations:
        return {"refused": refused[method]}
    explanation = explanations[method]
    (test,) = explanation.faithfulness
    return {
        "refused": None, "layer": explanation.layer, "overlay": overlay(pixels_HWC, explanation.heat_NHW[0].cpu().numpy()),
        "faithful": test.faithful, "gain": test.gain, "p_value": test.p_value, "rank_correlation": test.rank_correlation,
    }  # fmt: skip
