"""Runs that were tested on the same images, read from what is stored of them; torch is not imported.

Legend: N test images, in the same order for every run, K classes of all runs.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import config, run_folder, run_record
from striate.base.errors import ArtifactError, DataError
from striate.base.phrases import plural
from striate.metrics import multi_label
from striate.metrics.confidence import Confidence, of_artifact
from striate.metrics.intervals import Interval, wilson
from striate.workflows import stored_predictions
from striate.workflows.stored_predictions import StoredPredictions

Columns = list[int]


class TestedRun(NamedTuple):
    """What a run predicts for the test images, in the order of their pixels."""

    name: str
    settings: config.Run
    classes: tuple[str, ...]  # names, sorted, of all runs that are compared
    ids_N: NDArray[np.uint64]
    pixel_hash_N: NDArray[np.uint64]
    labels: NDArray[np.int64]  # N positions in `classes`; of several labels an image N x K, 0 or 1
    predicted: NDArray[np.int64]  # the same of the predictions
    # of the predicted class; of several labels that of the least sure label, to be there or not, as is predicted
    probability_N: NDArray[np.float64]
    scores_NK: NDArray[np.float64]  # probabilities

    @property
    def several(self) -> bool:
        """Whether an image may have several labels."""
        return self.labels.ndim == 2

    @property
    def right_N(self) -> NDArray[np.bool_]:
        """Whether each image was classified correctly; of several labels, all of them."""
        right: NDArray[np.bool_] = (self.predicted == self.labels).reshape(len(self.labels), -1).all(axis=1)
        return right

    @property
    def net(self) -> str:
        """The network, or the weights that it started from."""
        return self.settings.net.name or self.settings.finetune.weights or ""

    def score(self) -> Interval:
        """The share of images classified correctly, with its 95 % interval."""
        return wilson(int(self.right_N.sum()), len(self.ids_N))

    def named(self, row: int, predicted: bool = False) -> str:
        """The class of an image, or the predicted one; of several labels `cat|dog`, or `(none)`."""
        value = (self.predicted if predicted else self.labels)[row]
        if not self.several:
            return self.classes[int(value)]
        return "|".join(self.classes[k] for k in np.flatnonzero(value).tolist()) or "(none)"


def read(folders: list[Path]) -> list[TestedRun]:
    """The predictions of runs, with positions of classes that mean the same in all of them.

    Raises:
        DataError: the runs were not tested on the same images, or with other labels; says what differs.

    """
    everything = [(folder, stored_predictions.read(folder), _classes(folder)) for folder in folders]
    classes = tuple(sorted({name for _, _, names in everything for name in names}))
    places, runs = {name: k for k, name in enumerate(classes)}, list[TestedRun]()
    for folder, stored, names in everything:
        name = folder.name if [other.name for other in folders].count(folder.name) == 1 else str(folder)
        of = _of_several if stored.labels_N.ndim == 2 else _of_one
        runs.append(of(name, folder, stored, classes, [places[each] for each in names]))
    for run in runs[1:]:
        _refuse_other_test_set(runs[0], run)
    return runs


def _of_one(name: str, folder: Path, stored: StoredPredictions, classes: tuple[str, ...], columns: Columns) -> TestedRun:
    """A run of one label for each image; its class k is `classes[columns[k]]`."""
    common_K = np.array(columns)
    scores_NK = _in_columns(_confidence(folder).probabilities(stored.logits_NK), classes, columns)
    labels_N, predicted_N = common_K[stored.labels_N], common_K[stored.logits_NK.argmax(axis=1)]
    order = np.lexsort((stored.ids_N, labels_N, stored.pixel_hash_N))
    return TestedRun(
        name, stored.settings, classes, stored.ids_N[order], stored.pixel_hash_N[order], labels_N[order], predicted_N[order],
        scores_NK.max(axis=1)[order], scores_NK[order],
    )  # fmt: skip


def _of_several(name: str, folder: Path, stored: StoredPredictions, classes: tuple[str, ...], columns: Columns) -> TestedRun:
    """A run of several labels an image; a label that it does not know is neither there nor predicted."""
    described = run_folder.model_json(folder)
    thresholds_K = None if described is None else multi_label.thresholds_of(described)
    if thresholds_K is None:
        raise ArtifactError(
            f"expected model/model.json with the thresholds of the labels in {folder}; there is none. {run_record.RESTORE}"
        )
    shares_NK, chosen_NK = multi_label.sigmoid(stored.logits_NK), multi_label.decide(stored.logits_NK, thresholds_K)
    sure_N = np.where(chosen_NK, shares_NK, 1 - shares_NK).min(axis=1)
    labels_NK = _in_columns(stored.labels_N, classes, columns)
    order = np.lexsort((stored.ids_N, *labels_NK.T[::-1], stored.pixel_hash_N))
    return TestedRun(
        name, stored.settings, classes, stored.ids_N[order], stored.pixel_hash_N[order], labels_NK[order],
        _in_columns(chosen_NK.astype(np.int64), classes, columns)[order], sure_N[order],
        _in_columns(shares_NK, classes, columns)[order],
    )  # fmt: skip


def _in_columns(values_NJ: NDArray[Any], classes: tuple[str, ...], columns: Columns) -> NDArray[Any]:
    """The values of a run's own classes in the columns of all classes; 0 in the others."""
    values_NK = np.zeros((len(values_NJ), len(classes)), values_NJ.dtype)
    values_NK[:, columns] = values_NJ
    return values_NK


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
    if a.several != b.several:
        raise DataError(
            f"expected runs of one label an image, or of several; {(a if a.several else b).name} has several and "
            f"{(b if a.several else a).name} one. Train one again as the other."
        )
    if not np.array_equal(a.pixel_hash_N, b.pixel_hash_N):
        common = int(np.isin(a.pixel_hash_N, b.pixel_hash_N).sum())
        raise DataError(
            f"expected runs that were tested on the same images; {a.name} was tested on {len(a.labels):,} and {b.name} on "
            f"{len(b.labels):,}, of which {'none is' if not common else f'{common:,} are'} the same by their pixels: "
            f"{_other_settings(a, b)}. Train one again with the data and the split of the other."
        )
    if other := np.flatnonzero((a.labels != b.labels).reshape(len(a.labels), -1).any(axis=1)).tolist():
        labels = [run.named(other[0]) for run in (a, b)]
        raise DataError(
            f"expected the same labels; those of {len(other):,} of {plural(len(a.labels), 'test image')} differ, as of one "
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
