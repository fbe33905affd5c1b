"""Whether to trust a classifier: findings, each a sentence with what was measured, the most serious first.

Legend: K classes.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any, Literal, NamedTuple

from striate.base.phrases import percent, plural
from striate.metrics.intervals import Interval
from striate.metrics.shortcuts import Described

Level = Literal["good", "note", "warning", "bad"]
_GRAVE: tuple[Level, ...] = ("bad", "warning", "note", "good")
_WIDE = 0.05  # half an interval from which on an accuracy is called uncertain
_OVERFIT, _OVERFIT_MUCH = 0.02, 0.1  # gap between training and held-out images from which on it is named, and is a warning
_UNDERFIT = 0.9  # accuracy on training images below which a network has not learned them
_TRUSTED = 0.9  # accuracy from which on a classifier may doubt a label


class Finding(NamedTuple):
    """One thing for or against a classifier."""

    level: Level
    sentence: str


class Trust(NamedTuple):
    """The verdict: the most serious level, in one line, and all findings."""

    level: Level
    sentence: str
    findings: tuple[Finding, ...]  # the most serious first


SENTENCES: Mapping[Level, str] = {
    "bad": "Do not rely on this classifier yet.",
    "warning": "Read the warnings before you rely on this classifier.",
    "note": "No problems found; read the notes.",
    "good": "No problems found.",
}


def judge(findings: Sequence[Finding]) -> Trust:
    """The verdict of all findings together."""
    ordered = tuple(sorted(findings, key=lambda finding: _GRAVE.index(finding.level)))
    level = ordered[0].level if ordered else "note"
    return Trust(level, SENTENCES[level], ordered)


def of_score(test: Interval | None, val: Interval | None, majority: float | None, classes: int) -> list[Finding]:
    """The accuracy against its interval, the majority-class baseline and the validation accuracy.

    Either accuracy is None where those images were not held out; the validation images chose the epoch.
    """
    score, findings = test or val, []
    if score is None:
        return [Finding("bad", "There is no accuracy: no validation or test images were held out.")]
    if test is None:
        text = "There are no test images: the accuracy is that of the validation images, which chose the epoch"
        findings.append(Finding("warning", f"{text}, so it is optimistic."))
    base = max(majority or 0.0, 1 / classes)
    if score.low <= base:
        text = (
            f"Accuracy may be no better than the majority-class baseline: {percent(score.value)} with an interval from "
            f"{percent(score.low)}, against {percent(base)}."
        )
        findings.append(Finding("bad", text))
    else:
        text = f"Accuracy is clearly above the majority-class baseline ({percent(score.low)} or more, against {percent(base)})."
        findings.append(Finding("good", text))
    if (score.high - score.low) / 2 > _WIDE:
        text = (
            f"Accuracy is uncertain: on {score.n:,} images its 95 % interval is {percent(score.low)} to {percent(score.high)}. "
            "More test images, or --folds, narrow that."
        )
        findings.append(Finding("warning", text))
    if test is not None and val is not None and (gap := _least_gap(val, test)) > 0:
        text = (
            f"Test accuracy is significantly below validation accuracy ({percent(test.value)} against {percent(val.value)}), "
            f"by {percent(gap)} at least. The test images may come from another source."
        )
        findings.append(Finding("warning", text))
    return findings


def _least_gap(upper: Interval, lower: Interval) -> float:
    """How far one accuracy lies above another beyond the 95 % interval of the difference (Newcombe 1998, method 10), or 0."""
    least = upper.value - lower.value - sqrt((upper.value - upper.low) ** 2 + (lower.high - lower.value) ** 2)
    return max(0.0, least)


def of_fit(train: Interval, held_out: Interval, what: str, grows: bool) -> list[Finding]:
    """Overfitting or underfitting by the gap between training images and `what` was held out, as in "test images".

    `train` is the accuracy on training images as the model is used, without augmentation and dropout. `grows` says that a
    whole network learned, not a last layer on features that stay as they are.
    """
    least = _least_gap(train, held_out)
    both = f"accuracy is {percent(train.value)} on {train.n:,} training images and {percent(held_out.value)} on {what}"
    if least > _OVERFIT:
        remedy = (
            "More images, augmentation, weight decay or pretrained weights" if grows else "More images, or more augmentation,"
        )
        text = f"The network overfits: {both}, {100 * least:.1f} percentage points less at least. {remedy} may narrow that."
        return [Finding("warning" if least > _OVERFIT_MUCH else "note", text)]
    if train.high < _UNDERFIT:
        remedy = (
            "train longer (train.epochs), with another learning rate, or a larger network"
            if grows
            else "adapt or retrain the layers below (`striate finetune --strategy all` compares), or take larger images"
        )
        return [Finding("note", f"The network underfits: {both}. Unless the labels are uncertain, {remedy}.")]
    return []


def of_calibration(error: float, by_chance: float, confidence: float, accuracy: float) -> list[Finding]:
    """Whether the probabilities, of this mean, are calibrated: their error is one that calibrated ones would stay below."""
    if error <= by_chance:
        text = f"Probabilities are calibrated: calibration error {error:.3f}, by chance up to {by_chance:.3f}."
        return [Finding("good", text)]
    way = "too high" if confidence > accuracy else "too low"
    level: Level = "warning" if error > 0.05 else "note"
    text = (
        f"Probabilities are {way}: their mean is {percent(confidence)} and the accuracy {percent(accuracy)} (calibration error "
        f"{error:.3f}, by chance up to {by_chance:.3f})."
    )
    return [Finding(level, text)]


def of_training(epochs: Sequence[Mapping[str, Any]], best_epoch: int | None) -> list[Finding]:
    """Overfitting, or training that ended too early.

    Each epoch, in order, has `epoch`, `train_loss` and `loss`, of the validation images; `best_epoch` is that of the weights.
    """
    if len(epochs) < 3:
        return []
    losses = [float(row["loss"]) for row in epochs]
    if losses[-1] > 1.2 * min(losses):
        rise = f"from {min(losses):.3f} to {losses[-1]:.3f} by the end"
        text = f"The validation loss rose {rise}: the network began to overfit."
        return [Finding("note", f"{text} More images, augmentation or weight decay help.")]
    if best_epoch == epochs[-1].get("epoch") and losses[-1] < 0.9 * losses[-2]:
        return [Finding("note", "The validation loss was still falling at the last epoch: training longer may help.")]
    return []


def of_data(used: int, quarantined: int, leaks: int) -> list[Finding]:
    """Files that could not be used, and images that would have been on both sides of the split."""
    findings = []
    if quarantined:
        share = quarantined / max(1, used + quarantined)
        level: Level = "warning" if share > _WIDE else "note"
        findings.append(
            Finding(level, f"{plural(quarantined, 'file')} found ({percent(share)}) could not be used, listed below.")
        )
    if leaks:
        text = f"Left out of training, since a copy is in the test or validation part: {plural(leaks, 'image')}."
        findings.append(Finding("note", text))
    return findings


def of_mirroring(mirrored: bool, verdict: str, sentence: str) -> list[Finding]:
    """Whether training images were mirrored that should not be; `sentence` says what the test of `mirror_test` gave."""
    if verdict == "swapped" and mirrored:
        text = f"Training images were mirrored at random, but {sentence} That lowers the accuracy."
        return [Finding("bad", f"{text} Train with augment.flip=false.")]
    if verdict == "swapped":
        return [Finding("note", f"Training images were not mirrored: {sentence}")]
    if verdict in ("worse", "unknown") and mirrored:
        text = f"Training images were mirrored at random: {sentence} If left and right matter, train with augment.flip=false."
        return [Finding("note", text)]
    return []


def of_shortcuts(described: Sequence[Described]) -> list[Finding]:
    """Facts beside what is shown that predict the class."""
    return [Finding("warning" if serious else "note", sentence) for serious, sentence in described]


def of_filters(advice: Sequence[str]) -> list[Finding]:
    """The advice on filters, layer by layer."""
    if not advice:
        return [Finding("good", "No layer has a tenth of its filters dead, blank, duplicate or noisy.")]
    others = len(advice) - 1
    more = f" And {others} more layer{'s' if others > 1 else ''}, see below." if others else ""
    return [Finding("note", f"{advice[0]}{more}")]


def of_labels(doubted: int, examined: int, accuracy: float, run: str) -> list[Finding]:
    """Misclassified images whose neighbors have another class than their label, by the network's features and by others.

    For an inaccurate classifier that means nothing: its features confuse the classes as it does.
    """
    if not doubted or accuracy < _TRUSTED:
        return []
    have, these = ("has", "this label") if doubted == 1 else ("have", "these labels")
    text = (
        f"Of {plural(examined, 'misclassified image')} examined, {doubted} {have} nearest training images of another class "
        f"than the label, by the network's features and by features in which it has no part: {these} may be wrong. Check "
        f"{'it' if doubted == 1 else 'them'}; `striate labels {run}` examines all images."
    )
    return [Finding("note", text)]
