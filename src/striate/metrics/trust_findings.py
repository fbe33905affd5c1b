"""Whether to trust a classifier, at a glance: each finding as a sentence that says what was measured, the gravest first.

Legend: K classes.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any, Literal, NamedTuple

from striate.base.phrases import counted
from striate.metrics.intervals import Interval, wilson

Level = Literal["good", "note", "warning", "bad"]
_GRAVE: tuple[Level, ...] = ("bad", "warning", "note", "good")
_WIDE = 0.05  # half an interval from which on a score is called uncertain
_FEW = 10  # images of a class below which its share says little
_TRUSTED = 0.9  # accuracy from which on a classifier may doubt a label


class Finding(NamedTuple):
    """One thing that speaks for or against a classifier."""

    level: Level
    sentence: str


class Trust(NamedTuple):
    """The verdict.

    Attributes:
        level: the gravest of the findings.
        sentence: in one line.
        findings: the gravest first.

    """

    level: Level
    sentence: str
    findings: tuple[Finding, ...]


_SENTENCES: Mapping[Level, str] = {
    "bad": "Do not rely on this classifier yet.",
    "warning": "Read the warnings before you rely on this classifier.",
    "note": "Nothing here speaks against this classifier; read the notes.",
    "good": "Nothing here speaks against this classifier.",
}


def judge(findings: Sequence[Finding]) -> Trust:
    """The verdict of all findings together."""
    ordered = tuple(sorted(findings, key=lambda finding: _GRAVE.index(finding.level)))
    level = ordered[0].level if ordered else "note"
    return Trust(level, _SENTENCES[level], ordered)


def of_score(test: Interval | None, val: Interval | None, majority: float | None, classes: int) -> list[Finding]:
    """What the accuracy itself says, against its interval, the largest class and the validation images.

    Args:
        test: accuracy on the test images; None where there are none.
        val: accuracy on the validation images, which chose the epoch.
        majority: accuracy of always answering the largest class, on the same images as the score.
        classes: K.

    """
    score, found = test or val, []
    if score is None:
        return [Finding("bad", "There is no score: no image was kept aside to test on.")]
    if test is None:
        found.append(
            Finding("warning", "There is no test image: the score is that of the images which chose the epoch, so it flatters.")
        )
    base = max(majority or 0.0, 1 / classes)
    if score.low <= base:
        found.append(
            Finding(
                "bad",
                f"The score may be no better than always answering the largest class: {score.value:.1%} with an interval from "
                f"{score.low:.1%}, against {base:.1%}.",
            )
        )
    else:
        found.append(
            Finding(
                "good", f"The score is clearly above always answering the largest class ({score.low:.1%} against {base:.1%})."
            )
        )
    if (score.high - score.low) / 2 > _WIDE:
        found.append(
            Finding(
                "warning",
                f"The score is uncertain: {score.n:,} images put it anywhere from {score.low:.1%} to {score.high:.1%}. More "
                "test images, or --folds, narrow that.",
            )
        )
    if test is not None and val is not None and (gap := _gap(val, test)) > 0:
        found.append(
            Finding(
                "warning",
                f"The test images are answered worse than the validation images ({test.value:.1%} against {val.value:.1%}, "
                f"more than chance): by {gap:.1%} at least. They may come from another source.",
            )
        )
    return found


def _gap(val: Interval, test: Interval) -> float:
    """How far validation lies above test beyond the 95 % interval of their difference (Newcombe 1998, method 10); 0 if not."""
    least = val.value - test.value - sqrt((val.value - val.low) ** 2 + (test.high - test.value) ** 2)
    return max(0.0, least)


def of_classes(per_class: Mapping[str, Mapping[str, Any]], score: Interval) -> list[Finding]:
    """Classes that are found clearly less often than all images are answered rightly, and classes with too few images.

    Args:
        per_class: by name `recall` and `support`, as `metrics.Summary.as_json` has them.
        score: of all images.

    """
    found, weak, few = [], [], []
    for name, row in per_class.items():
        n = int(row["support"])
        if n < _FEW:
            few.append(f"{name} ({n})")
        if n:
            share = wilson(round(row["recall"] * n), n, 1 - 0.05 / len(per_class))  # Bonferroni, since all are looked at
            if share.high < score.low:
                weak.append(f"{name} ({share.value:.0%} of {n:,})")
    if weak:
        found.append(Finding("warning", f"Found clearly less often than the rest: {_some(weak)}."))
    if few:
        found.append(Finding("note", f"Fewer than {_FEW} test images, so their own shares say little: {_some(few)}."))
    return found


def _some(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def of_calibration(error: float, by_chance: float, confidence: float, accuracy: float) -> list[Finding]:
    """Whether the probabilities can be taken at their word.

    Args:
        error: calibration error.
        by_chance: what true probabilities would stay below.
        confidence: mean probability of the answers.
        accuracy: share of them that is right.

    """
    if error <= by_chance:
        return [
            Finding("good", f"Probabilities mean what they say: calibration error {error:.3f}, chance alone {by_chance:.3f}.")
        ]
    way = "too high" if confidence > accuracy else "too low"
    level: Level = "warning" if error > 0.05 else "note"
    return [
        Finding(
            level,
            f"Probabilities are {way}: they average {confidence:.1%} where {accuracy:.1%} is right (calibration error "
            f"{error:.3f}, chance alone {by_chance:.3f}).",
        )
    ]


def of_training(epochs: Sequence[Mapping[str, Any]], best_epoch: int | None) -> list[Finding]:
    """What the curves say.

    Args:
        epochs: each with `train_loss` and `loss`, of the validation images, in order.
        best_epoch: whose weights were kept, counted as `epochs` are; None where that is not known.

    """
    if len(epochs) < 3:
        return []
    losses = [float(row["loss"]) for row in epochs]
    if losses[-1] > 1.2 * min(losses):
        return [
            Finding(
                "note",
                f"The validation loss rose from {min(losses):.3f} to {losses[-1]:.3f} by the end: the network began to learn "
                "its images by heart. More images, augmentation or weight decay help.",
            )
        ]
    if best_epoch == epochs[-1].get("epoch") and losses[-1] < 0.9 * losses[-2]:
        return [Finding("note", "The validation loss was still falling at the last epoch: training longer may help.")]
    return []


def of_data(used: int, quarantined: int, leaks: int) -> list[Finding]:
    """Files that could not be used, and images that would have been on both sides of the split."""
    found = []
    if quarantined:
        share = quarantined / max(1, used + quarantined)
        level: Level = "warning" if share > _WIDE else "note"
        found.append(Finding(level, f"{counted(quarantined, 'file')} found ({share:.1%}) could not be used, listed below."))
    if leaks:
        found.append(
            Finding("note", f"Left out of training, since a copy is in the test or validation part: {counted(leaks, 'image')}.")
        )
    return found


def of_filters(advice: Sequence[str]) -> list[Finding]:
    """What the verdicts on filters advise, layer by layer."""
    if not advice:
        return [Finding("good", "No layer has a tenth of its filters dead, blank, duplicate or noisy.")]
    others = len(advice) - 1
    more = f" And {others} more layer{'s' if others > 1 else ''}, see below." if others else ""
    return [Finding("note", f"{advice[0]}{more}")]


def of_labels(against: int, looked: int, accuracy: float) -> list[Finding]:
    """Mistakes whose nearest training images carry the answer and not the given label.

    Of a classifier that is often wrong that says nothing: it takes one class for another, and so do its features.
    """
    if not against or accuracy < _TRUSTED:
        return []
    return [
        Finding(
            "note",
            f"Of {counted(looked, 'mistake')} looked at, {against} have training images around them that speak against the "
            "label they were given: those labels may be wrong. Look at them.",
        )
    ]
