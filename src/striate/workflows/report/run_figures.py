"""The figures of a report that need neither the network nor the images, drawn from the facts of its run.

Legend: K classes.
"""

from pathlib import Path

import numpy as np

from striate.base.events import Json
from striate.metrics.intervals import wilson
from striate.plots import save_figure
from striate.plots.training import weight_histograms as weights_drawing
from striate.training import weight_histograms
from striate.workflows.report import label_set_plots, plots
from striate.workflows.report.run_facts import ReportFacts, RunFacts, weights_journal


def draw(known: RunFacts, folder: Path) -> Json:
    """<svg> text by the names of `page.FIGURES`; what the run does not have is left out."""
    facts, figures = known.facts, dict[str, object]()
    if facts.curves:
        figures["curves"] = plots.curves(facts.curves, facts.best_epoch if facts.state == "done" else None)
        figures["gradients"] = plots.gradients(facts.health)
    if facts.weights["start"]:
        figures["weights"] = _weights(facts, folder)
    if known.label_sets is not None:
        summary, predictions = known.label_sets.summary, known.label_sets.predictions
        figures["labels"] = label_set_plots.labels(summary)
        figures["precision_recall"] = label_set_plots.precision_recall(
            predictions.logits_NK, predictions.labels_N > 0, summary.classes
        )
    if facts.score is not None:
        figures |= _score(facts, facts.score)
    return figures


def _weights(facts: ReportFacts, folder: Path) -> str:
    spreads = weight_histograms.read(weights_journal(facts, folder))
    with save_figure.for_page():
        drawn = weights_drawing.histograms(
            facts.run, spreads["start"], spreads["end"], weight_histograms.BIN, weight_histograms.NEAR
        )
        alternative = f"Histograms of the weights of {len(spreads['start'])} layers before the first step and at the end."
        return save_figure.inline(drawn, "weights", alternative)


def _score(facts: ReportFacts, score: Json) -> Json:
    recalls = [
        {"name": name, **wilson(round(row["recall"] * row["support"]), row["support"])._asdict()} if row["support"] else
        {"name": name, "value": 0.0, "low": 0.0, "high": 1.0, "n": 0}
        for name, row in score["per_class"].items()
    ]  # fmt: skip
    assert facts.risk_coverage is not None
    return {
        "classes": plots.classes(recalls, score["accuracy"]),
        "confusion": plots.confusion(np.array(score["confusion"]), tuple(score["per_class"])),
        "reliability": plots.reliability(facts.reliability, facts.reliability_unscaled if facts.temperature != 1 else []),
        "risk_coverage": plots.risk_coverage(facts.risk_coverage["points"], facts.abstention),
    }
