"""A row of `striate predict`, and of the server: what is known of one image. Nothing here imports torch."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import html_repr
from striate.metrics.confidence import Prediction
from striate.metrics.multi_label import LabelSet


class Row(NamedTuple):
    """What is known of one file: a prediction, or the reason why there is none."""

    path: str
    prediction: Prediction | LabelSet | None
    error: str | None
    embedding: NDArray[np.float32] | None = None  # D numbers, where embeddings are written
    probabilities: Mapping[str, float] | None = None  # of every class, where they are asked for
    outage: bool = False  # the machine may be the reason for the error, and not the file

    def _repr_html_(self) -> str:
        return html_repr.of_mapping(self.as_json())

    def as_json(self) -> dict[str, Any]:
        """One line of JSON lines."""
        path = self.path.encode("utf-8", "backslashreplace").decode()
        if self.prediction is None:
            return {"path": path, "error": self.error}
        prediction = self.prediction
        if isinstance(prediction, LabelSet):
            return {"path": path, "labels": list(prediction.labels), "probabilities": _rounded(prediction.probabilities)}
        values = {
            "path": path, "label": prediction.label, "probability": round(prediction.probability, 6),
            "set": None if prediction.set is None else list(prediction.set), "abstained": prediction.abstained,
            "unknown": prediction.unknown, "top": [[name, round(share, 6)] for name, share in prediction.top],
        }  # fmt: skip
        if self.probabilities is not None:
            values["probabilities"] = _rounded(self.probabilities)
        return values


def _rounded(shares: Mapping[str, float]) -> dict[str, float]:
    return {name: round(share, 6) for name, share in shares.items()}
