"""What a report says of the scores of several labels an image.

Legend: N images, K labels.
"""

from pathlib import Path
from typing import NamedTuple

from striate.base import run_folder
from striate.base.events import Json
from striate.base.phrases import printable
from striate.metrics import label_set_findings, multi_label
from striate.metrics.trust_findings import Finding
from striate.training.inference import Predictions

_PARTS = {"test": "test images", "val": "validation images"}


class LabelSetScores(NamedTuple):
    """The scores of a run that has ended, of its test images, or where it has none of its validation images."""

    part: str  # test or val
    summary: multi_label.Summary
    predictions: Predictions

    def as_json(self) -> Json:
        """As report.json has them."""
        return {"part": self.part, "what": _PARTS[self.part], **self.summary.as_json()}

    def findings(self) -> list[Finding]:
        """The findings of these scores."""
        return label_set_findings.of_summary(self.summary, self.part == "test")


def read(folder: Path) -> LabelSetScores | None:
    """The scores by the stored predictions of a run; None where it has none, or no model."""
    part = next((part for part in _PARTS if (folder / f"predictions-{part}.npz").is_file()), None)
    described = run_folder.model_json(folder)
    if part is None or described is None:
        return None
    predictions = Predictions(*run_folder.load_predictions(folder / f"predictions-{part}.npz"))
    names, thresholds_K = tuple(printable(described["classes"])), multi_label.thresholds_of(described)
    assert thresholds_K is not None
    summary = multi_label.summary(predictions.logits_NK, predictions.labels_N, names, thresholds_K)
    return LabelSetScores(part, summary, predictions)
