"""`striate compare`: runs on the same test images - is the difference chance, and which images does it lie in?

Only stored predictions are compared: no network is run, and torch is not imported.

Legend: N test images, in the same order for every run.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import config, looks_ledger, run_folder, run_record
from striate.base.arguments import named_arguments
from striate.base.errors import ArtifactError, DataError, RunError
from striate.base.events import Json, Watch, quiet
from striate.base.phrases import percent, plural
from striate.metrics.confidence import Confidence, of_artifact
from striate.metrics.intervals import Interval, wilson
from striate.metrics.paired_test import Comparison, difference, holm, paired, per_class
from striate.metrics.strategy_choice import LEVEL
from striate.workflows import changed_images, one_label, stored_predictions
from striate.workflows.changed_images import Change
from striate.workflows.checks import check_comparison, check_run


class TestedRun(NamedTuple):
    """What a run predicts for the test images, in the order of their pixels."""

    name: str
    settings: config.Run
    classes: tuple[str, ...]  # names, sorted, of all runs that are compared
    ids_N: NDArray[np.uint64]
    pixel_hash_N: NDArray[np.uint64]
    labels_N: NDArray[np.int64]  # positions in `classes`
    predicted_N: NDArray[np.int64]
    probability_N: NDArray[np.float64]  # of the predicted class

    @property
    def right_N(self) -> NDArray[np.bool_]:
        """Whether each image was classified correctly."""
        right: NDArray[np.bool_] = self.predicted_N == self.labels_N
        return right

    def score(self) -> Interval:
        """Accuracy with its 95 % interval."""
        return wilson(int(self.right_N.sum()), len(self.labels_N))


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

    Raises:
        DataError: the runs were not tested on the same images, or with other labels; says what differs.

    """
    check_comparison(draw, html, len(others))
    folders = [check_run(run) for run in (a, b, *others)]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise RunError(f"expected different runs; got {', '.join(map(str, (a, b, *others)))}.")
    runs = _read(folders)
    for run in runs[1:]:
        _refuse_other_test_set(runs[0], run)
    tests = {run.name: paired(runs[0].right_N, run.right_N) for run in runs[1:]}
    corrected = holm({name: test.p_value for name, test in tests.items()})
    names, notes = changed_images.names(runs[0].settings)
    pairs = [_pair(runs[0], run, tests[run.name], corrected[run.name], names) for run in runs[1:]]
    result: Json = {
        "n": len(runs[0].labels_N), "test_set": looks_ledger.fingerprint(runs[0].pixel_hash_N), **pairs[0], "others": pairs[1:],
        "notes": notes, "drawn": None if draw is None else str(draw), "html": None if html is None else str(html),
    }  # fmt: skip
    if draw is not None or html is not None:
        changed_images.show(result, folders[0], runs[0].settings, draw, html, watch)
    return result


def _read(folders: list[Path]) -> list[TestedRun]:
    """The predictions of runs, with positions of classes that mean the same in all of them."""
    for folder in folders:
        one_label.refuse_run(folder, "a comparison")
    everything = [(folder, stored_predictions.read(folder), _classes(folder)) for folder in folders]
    classes = tuple(sorted({name for _, _, names in everything for name in names}))
    places, runs = {name: k for k, name in enumerate(classes)}, list[TestedRun]()
    for folder, stored, names in everything:
        common_K = np.array([places[name] for name in names])
        labels_N = common_K[stored.labels_N]
        order = np.lexsort((stored.ids_N, labels_N, stored.pixel_hash_N))
        predicted_N = common_K[stored.logits_NK.argmax(axis=1)]
        probability_N = _confidence(folder).probabilities(stored.logits_NK).max(axis=1)
        name = folder.name if [other.name for other in folders].count(folder.name) == 1 else str(folder)
        run = TestedRun(
            name, stored.settings, classes, stored.ids_N[order], stored.pixel_hash_N[order], labels_N[order],
            predicted_N[order], probability_N[order],
        )  # fmt: skip
        runs.append(run)
    return runs


def _confidence(folder: Path) -> Confidence:
    """How the logits of a run become probabilities."""
    described = run_folder.model_json(folder)
    return Confidence() if described is None else of_artifact(described)


def _classes(folder: Path) -> list[str]:
    """Names of the classes of a run, in the order of its logits."""
    account = run_folder.read_json(folder / "data.json")
    if account is None:
        raise ArtifactError(f"expected data.json in {folder}, which names the classes; there is none. {run_record.RESTORE}")
    return list(account["classes"])


def _refuse_other_test_set(a: TestedRun, b: TestedRun) -> None:
    if not np.array_equal(a.pixel_hash_N, b.pixel_hash_N):
        common = int(np.isin(a.pixel_hash_N, b.pixel_hash_N).sum())
        raise DataError(
            f"expected runs that were tested on the same images; {a.name} was tested on {len(a.labels_N):,} and {b.name} on "
            f"{len(b.labels_N):,}, of which {'none is' if not common else f'{common:,} are'} the same by their pixels: "
            f"{_other_settings(a, b)}. Train one again with the data and the split of the other."
        )
    if other := np.flatnonzero(a.labels_N != b.labels_N).tolist():
        labels = [run.classes[run.labels_N[other[0]]] for run in (a, b)]
        raise DataError(
            f"expected the same labels; those of {len(other):,} of {plural(len(a.labels_N), 'test image')} differ, as of one "
            f"that is {labels[0]!r} in {a.name} and {labels[1]!r} in {b.name}. Train one again with the labels of the other."
        )


def _other_settings(a: TestedRun, b: TestedRun) -> str:
    """Settings of the images that differ between two runs, as a clause."""
    values = [dict(run_record.flat(config.given(run.settings)["data"], "data.")) for run in (a, b)]
    differ = [
        f"{path} is {values[0].get(path)!r} in {a.name} and {values[1].get(path)!r} in {b.name}"
        for path in dict.fromkeys([*values[0], *values[1]])
        if path != "data.data_dir" and values[0].get(path) != values[1].get(path)
    ]
    return "; ".join(differ) if differ else "the images have changed between them, as their settings of data are the same"


def _pair(a: TestedRun, b: TestedRun, test: Comparison, corrected: float, names: dict[int, str]) -> Json:
    """How b differs from a."""
    interval, classes = difference(b.right_N, a.right_N), a.classes
    rows = per_class(a.right_N, b.right_N, a.labels_N)
    lost_M, gained_M = np.flatnonzero(a.right_N & ~b.right_N), np.flatnonzero(~a.right_N & b.right_N)
    changed = {
        "right_to_wrong": [row._asdict() for row in _changes(a, b, lost_M, names)],
        "wrong_to_right": [row._asdict() for row in _changes(a, b, gained_M, names)],
    }
    return {
        "a": _described(a), "b": _described(b), **test._asdict(), "corrected_p_value": corrected,
        "difference": {"value": interval.value, "low": interval.low, "high": interval.high},
        "sentence": sentence(a.name, b.name, interval, corrected),
        "per_class": {classes[k]: row._asdict() for k, row in rows.items()}, "changed": changed,
    }  # fmt: skip


def _described(run: TestedRun) -> Json:
    score, net = run.score(), run.settings.net.name or run.settings.finetune.weights or ""
    return {"run": run.name, "net": net, "accuracy": score.value, "low": score.low, "high": score.high}


def _changes(a: TestedRun, b: TestedRun, rows_M: NDArray[np.int64], names: dict[int, str]) -> list[Change]:
    """Images that changed, those first on which both runs are most confident."""
    confident_M = np.minimum(a.probability_N[rows_M], b.probability_N[rows_M])
    rows_M = rows_M[np.argsort(-confident_M, kind="stable")]
    return [
        Change(
            f"{a.ids_N[row]:016x}", names.get(int(a.ids_N[row])), a.classes[a.labels_N[row]], a.classes[a.predicted_N[row]],
            float(a.probability_N[row]), a.classes[b.predicted_N[row]], float(b.probability_N[row]),
        )
        for row in rows_M.tolist()
    ]  # fmt: skip


def sentence(a: str, b: str, interval: Interval, p_value: float) -> str:
    """Which of two runs is better, by how much, and how sure that is; `interval` is of the accuracy of b less that of a."""
    p = "p = 1" if p_value > 0.995 else f"p = {p_value:.2g}"
    ends = f"95 % interval {_signed(interval.low)} to {_signed(interval.high)} points"
    if p_value < LEVEL:
        better, worse = (b, a) if interval.value > 0 else (a, b)
        by = percent(abs(interval.value)).removesuffix(" %")
        return f"{better} is significantly better than {worse}, by {by} percentage points ({b} less {a}: {ends}; {p})."
    return (
        f"The difference of {_signed(interval.value)} percentage points ({b} less {a}) is not significant ({ends}; {p}): "
        "equally good classifiers differ as much by chance."
    )


def _signed(share: float) -> str:
    return f"{100 * share:+.2f}"
