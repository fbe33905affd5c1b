"""Findings on a classifier of several labels an image."""

from striate.base.phrases import join_names, percent, plural
from striate.metrics.multi_label import Summary
from striate.metrics.trust_findings import Finding, Level

_FEW = 10  # images with a label, below which its scores are little known
_NAMED = 5
_GOOD = 0.95


def of_summary(summary: Summary, tested: bool) -> list[Finding]:
    """Findings of the scores, on test images where `tested`, else on validation images, which chose epoch and thresholds."""
    mean, findings = summary.mean_average_precision, list[Finding]()
    ends = f"{percent(mean.value)} ({percent(mean.low)} to {percent(mean.high)}, {plural(mean.n, 'image')})"
    if mean.low <= summary.chance:
        findings.append(Finding("bad", f"mAP {ends} is no better than that of a random order, {percent(summary.chance)}."))
    else:
        level: Level = "good" if mean.low >= _GOOD else "note"
        findings.append(Finding(level, f"mAP {ends}; a random order has {percent(summary.chance)}."))
    if not tested:
        findings.append(Finding("warning", "There are no test images: the score is of the validation images, which chose it."))
    rows = dict(zip(summary.classes, summary.per_label, strict=True))
    if never := [name for name, row in rows.items() if row.support and not row.predicted]:
        findings.append(
            Finding("warning", f"Never predicted: {_named(never)}. Add images with {'it' if len(never) == 1 else 'them'}.")
        )
    if few := [name for name, row in rows.items() if row.support < _FEW]:
        images = "test" if tested else "validation"
        findings.append(
            Finding("note", f"Fewer than {_FEW} {images} images have {_named(few)}: those scores are little known.")
        )
    weak = [
        name
        for name, row in rows.items()
        if row.average_precision is not None and row.support >= _FEW and row.average_precision.low <= row.support / mean.n
    ]
    if weak:
        findings.append(Finding("warning", f"No better than a random order: {_named(weak)}."))
    return findings


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}" if more else join_names(names)
