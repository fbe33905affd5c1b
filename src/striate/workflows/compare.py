"""`striate compare`: runs on the same test images - is the difference chance, and which images does it lie in?

Only stored predictions are compared: no network is run, and torch is not imported.

Legend: N test images, in the same order for every run; M of them.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.base import looks_ledger
from striate.base.arguments import named_arguments
from striate.base.errors import RunError
from striate.base.events import Json, Watch, quiet
from striate.base.phrases import percent
from striate.metrics.intervals import Interval
from striate.metrics.paired_test import difference, holm, paired, per_class
from striate.metrics.strategy_choice import LEVEL
from striate.workflows import changed_images, tested_runs
from striate.workflows.changed_images import Change
from striate.workflows.checks import check_comparison, check_run
from striate.workflows.several_labels import comparison
from striate.workflows.tested_runs import TestedRun


@named_arguments()
def compare(
    a: str | Path, b: str | Path, *others: str | Path, draw: str | Path | None = None, html: str | Path | None = None,
    watch: Watch = quiet,
) -> Json:  # fmt: skip
    """Whether runs differ on the test images that they share: paired test, interval of the difference, changed images, classes.

    Args:
        a: a run by name or folder; the others are compared with it.
        b: another run on the same test images, in any order and with any file names.
        others: more runs; p-values are then corrected for their number (Holm).
        draw: a figure of images that changed, of two runs, as .svg, .png or .pdf.
        html: a page of the comparison of two runs.
        watch: called with progress.

    Returns:
        n, test_set, a and b {run, net, accuracy, low, high}, both_right, only_a, only_b, both_wrong, p_value,
        corrected_p_value, difference {value, low, high} (accuracy of b less that of a), sentence, per_class, changed
        {right_to_wrong, wrong_to_right}; others: the same of each further run; notes, drawn and html.
        Of several labels an image difference and p_value are of mAP, a and b have map and exact_match; exact_match has what
        both, one or none have right with all labels, and its p_value; per_label is in place of per_class.

    Raises:
        DataError: the runs were not tested on the same images, or with other labels; says what differs.

    """
    check_comparison(draw, html, len(others))
    folders = [check_run(run) for run in (a, b, *others)]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise RunError(f"expected different runs; got {', '.join(map(str, (a, b, *others)))}.")
    first, *rest = tested_runs.read(folders)
    names, notes = changed_images.names(first.settings)
    pair = comparison.pair if first.several else _pair
    pairs = [{**pair(first, run), "changed": _changed(first, run, names)} for run in rest]
    corrected = holm({row: values["p_value"] for row, values in enumerate(pairs)})
    for row, values in enumerate(pairs):
        p_value, ends = corrected[row], Interval(**values["difference"], n=len(first.labels))
        values["corrected_p_value"] = p_value
        values["sentence"] = sentence(first.name, rest[row].name, ends, p_value, first.several)
    result: Json = {
        "n": len(first.labels), "test_set": looks_ledger.fingerprint(first.pixel_hash_N), **pairs[0], "others": pairs[1:],
        "notes": notes, "drawn": None if draw is None else str(draw), "html": None if html is None else str(html),
    }  # fmt: skip
    if draw is not None or html is not None:
        changed_images.show(result, folders[0], first.settings, draw, html, watch)
    return result


def _pair(a: TestedRun, b: TestedRun) -> Json:
    """How b differs from a."""
    interval, rows = difference(b.right_N, a.right_N), per_class(a.right_N, b.right_N, a.labels)
    return {
        "a": _described(a), "b": _described(b), **paired(a.right_N, b.right_N)._asdict(),
        "difference": {"value": interval.value, "low": interval.low, "high": interval.high},
        "per_class": {a.classes[k]: row._asdict() for k, row in rows.items()},
    }  # fmt: skip


def _described(run: TestedRun) -> Json:
    score = run.score()
    return {"run": run.name, "net": run.net, "accuracy": score.value, "low": score.low, "high": score.high}


def _changed(a: TestedRun, b: TestedRun, names: dict[int, str]) -> Json:
    """The images that only one of two runs classified correctly."""
    lost_M, gained_M = np.flatnonzero(a.right_N & ~b.right_N), np.flatnonzero(~a.right_N & b.right_N)
    return {
        "right_to_wrong": [row._asdict() for row in _changes(a, b, lost_M, names)],
        "wrong_to_right": [row._asdict() for row in _changes(a, b, gained_M, names)],
    }


def _changes(a: TestedRun, b: TestedRun, rows_M: NDArray[np.int64], names: dict[int, str]) -> list[Change]:
    """Images that changed, those first on which both runs are most confident."""
    confident_M = np.minimum(a.probability_N[rows_M], b.probability_N[rows_M])
    rows_M = rows_M[np.argsort(-confident_M, kind="stable")]
    return [
        Change(
            f"{a.ids_N[row]:016x}", names.get(int(a.ids_N[row])), a.named(row), a.named(row, predicted=True),
            float(a.probability_N[row]), b.named(row, predicted=True), float(b.probability_N[row]),
        )
        for row in rows_M.tolist()
    ]  # fmt: skip


def sentence(a: str, b: str, interval: Interval, p_value: float, several: bool = False) -> str:
    """Which of two runs is better, by how much, and how sure that is; `interval` is of the accuracy of b less that of a.

    Of `several` labels an image it is of their mAP.
    """
    p = "p = 1" if p_value > 0.995 else f"p = {p_value:.2g}"
    points = "percentage points of mAP" if several else "percentage points"
    ends = f"95 % interval {_signed(interval.low)} to {_signed(interval.high)} points"
    if p_value < LEVEL:
        better, worse = (b, a) if interval.value > 0 else (a, b)
        by = percent(abs(interval.value)).removesuffix(" %")
        return f"{better} is significantly better than {worse}, by {by} {points} ({b} less {a}: {ends}; {p})."
    return (
        f"The difference of {_signed(interval.value)} {points} ({b} less {a}) is not significant ({ends}; {p}): "
        "equally good classifiers differ as much by chance."
    )


def _signed(share: float) -> str:
    return f"{100 * share:+.2f}"
