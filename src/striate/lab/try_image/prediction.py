"""The prediction for an image, as `striate predict` gives it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.lab.layers.outline import rows_of
from striate.lab.models import Loaded
from striate.lab.views import Json

_QUICK_MACS = 5_000_000  # of a network whose evidence is tested within seconds


def predict(loaded: Loaded, pixels_HWC: NDArray[np.uint8]) -> Json:
    """A row of `striate predict`, and what the page needs beside it."""
    from striate.workflows.prediction_rows import Row

    model = loaded.model
    row = Row("", model.classify(pixels_HWC[None])[0], None).as_json()
    confidence: Any = model.confidence
    return {
        "row": row, "pixels": pixels_HWC, "source": loaded.source, "threshold": confidence.threshold,
        "coverage": confidence.coverage, "quick": sum(each.macs for each in rows_of(loaded)) <= _QUICK_MACS,
        "neighbors": loaded.choice.kind == "run",
    }  # fmt: skip
