"""What a report says of the scores of several labels an image.

Legend: N images, K labels.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from striate.base import run_folder
from striate.base.events import Json
from striate.base.phrases import printable
from striate.metrics import label_set_findings, multi_label
from striate.metrics.trust_findings import Finding
from striate.workflows.report import label_set_plots

if TYPE_CHECKING:
    from striate.workflows.report.run_facts import ReportFacts

_PARTS = {"test": "test images", "val": "validation images"}


def add(facts: "ReportFacts", figures: Json, folder: Path) -> list[Finding]:
    """Add the scores and plots of a run that has ended, by its stored predictions; the findings."""
    part = next((part for part in _PARTS if (folder / f"predictions-{part}.npz").is_file()), None)
    described = run_folder.model_json(folder)
    if facts.state != "done" or part is None or described is None:
        return []
    _, labels_NK, logits_NK = run_folder.load_predictions(folder / f"predictions-{part}.npz")
    names, thresholds_K = tuple(printable(described["classes"])), multi_label.thresholds_of(described)
    assert thresholds_K is not None
    summary = multi_label.summary(logits_NK, labels_NK, names, thresholds_K)
    facts.label_scores = {"part": part, "what": _PARTS[part], **summary.as_json()}
    figures["labels"] = label_set_plots.labels(summary)
    figures["precision_recall"] = label_set_plots.precision_recall(logits_NK, labels_NK > 0, names)
    return label_set_findings.of_summary(summary, part == "test")
