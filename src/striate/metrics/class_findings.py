"""Findings on single classes: those that are never predicted, those with a low recall, those with few images.

Legend: K classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from striate.base.phrases import plural
from striate.metrics.intervals import Interval, wilson
from striate.metrics.trust_findings import Finding

_FEW = 10  # images of a class below which its recall says little


def of_classes(per_class: Mapping[str, Mapping[str, Any]], score: Interval) -> list[Finding]:
    """Classes whose recall is clearly below the accuracy on all images, and classes with too few images.

    `per_class` has `recall` and `support` by name, as in `classification.Summary.as_json`.
    """
    findings, weak, few = [], [], []
    for name, row in per_class.items():
        n = int(row["support"])
        if n < _FEW:
            few.append(f"{name} ({n})")
        if n:
            recall = wilson(round(row["recall"] * n), n, 1 - 0.05 / len(per_class))  # Bonferroni, since all are tested
            if recall.high < score.low:
                weak.append(f"{name} ({100 * recall.value:.0f} % of {n:,})")
    if weak:
        findings.append(Finding("warning", f"Recall clearly below the accuracy: {_some(weak)}."))
    if few:
        findings.append(Finding("note", f"Fewer than {_FEW} test images, so their recall is uncertain: {_some(few)}."))
    return findings


def never_predicted(confusion_KK: Sequence[Sequence[int]], classes: Sequence[str]) -> dict[str, int]:
    """The images of each class that has some and is the prediction of none."""
    images = {name: sum(row) for name, row in zip(classes, confusion_KK, strict=True)}
    predicted = [sum(row[k] for row in confusion_KK) for k in range(len(classes))]
    return {name: images[name] for name, count in zip(classes, predicted, strict=True) if images[name] and not count}


def of_never_predicted(missing: Mapping[str, int], present: int, balanced: str | None) -> list[Finding]:
    """Classes that are never predicted, of those `present`; `balanced` is the setting against imbalance that was on."""
    if not missing:
        return []
    names = _some([f"{name} ({images:,})" for name, images in missing.items()])
    verb = "is" if len(missing) == 1 else "are"
    text = f"{len(missing)} of {present} classes {verb} never predicted: {names}."
    if balanced is None:
        remedy = "Train with train.sampling=balanced or train.class_weights=balanced, or add images of these classes."
    else:
        remedy = f"{balanced}=balanced was on and did not mend that; more images of these classes or pretrained weights may."
    return [Finding("bad" if sum(missing.values()) >= _FEW else "warning", f"{text} {remedy}")]


def of_balancing(
    per_class: Mapping[str, Mapping[str, Any]], trained: Mapping[str, int], described: str | None, balanced: str | None,
    effect: str | None = None,
) -> list[Finding]:  # fmt: skip
    """That classes differ much in size, as `described`; what became of the smallest where a setting was on against that.

    `trained` are the training images of each class. `effect` says how a run without the setting differs, None without one.
    """
    if described is None:
        return []
    if balanced is None:
        return [Finding("note", described)]
    name = smallest(trained)
    row = per_class.get(name, {"recall": 0.0, "support": 0})
    n = int(row["support"])
    if not n:
        return [Finding("note", f"{balanced}=balanced was on; the smallest class, {name}, has no test images to judge by.")]
    recall = wilson(round(row["recall"] * n), n)
    text = (
        f"{balanced}=balanced was on: the recall of the smallest class, {name}, is {100 * recall.value:.0f} % of "
        f"{plural(n, 'image')} (95 % interval {100 * recall.low:.0f} to {100 * recall.high:.0f} %). "
        f"{effect or 'A run without it, and nothing else changed, shows whether it helped.'}"
    )
    return [Finding("note", text)]


def smallest(trained: Mapping[str, int]) -> str:
    """The class with the fewest training images, of those that have some."""
    return min((name for name in trained if trained[name]), key=lambda name: trained[name])


def _some(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
