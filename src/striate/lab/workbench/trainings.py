"""The trainings of a run that has several, its strategies or folds: how far each is, its curve and its score."""

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, get_args

from striate.base import config, run_folder
from striate.base.train_settings import STRATEGY
from striate.metrics import classification
from striate.metrics.average_precision import mean_average_precision
from striate.workflows.several_labels.label_set_scores import MapScore

Json = dict[str, Any]
_CURVE = ("epoch", "loss", "accuracy", "map")


class Training(NamedTuple):
    """One of the trainings of a run."""

    kind: str  # strategy, per_class, fold or whole
    name: str  # of the strategy, or of the fold from 1
    images: int | None  # of each class to learn from; None for all
    folder: Path
    end: str  # the file that is written when it has ended
    part: str  # whose predictions score it

    @property
    def ended(self) -> bool:
        """Whether its result is there."""
        return (self.folder / self.end).is_file()

    def events(self) -> list[Json]:
        """Those of its journal."""
        from striate.training import journal

        path = self.folder / "journal.jsonl"
        return journal.read(path) if path.is_file() else []

    def images_an_epoch(self) -> int | None:
        """The training images that its epochs show; None where it learns from features, or has not begun."""
        account = run_folder.read_json(self.folder / "data.json")
        return ((account or {}).get("split") or {}).get("train")

    def as_json(self) -> Json:
        """For the pages."""
        path = self.folder / f"predictions-{self.part}.npz"
        score = _score(path, path.stat().st_mtime_ns) if self.ended and path.is_file() else None
        epochs = [{name: event[name] for name in _CURVE if name in event} for event in epochs_of(self.events())]
        return {
            "kind": self.kind, "name": self.name, "images": self.images, "ended": self.ended, "epochs": epochs,
            "score": score,
        }  # fmt: skip


def of_run(folder: Path, run: config.Run) -> list[Training]:
    """Its trainings in the order in which they run; none where it is a single one of its own folder."""
    folds = 0 if run.data.fold is not None else run.data.folds or 0
    if run.finetune.weights is None:
        if not folds:
            return []
        inner = [_fold(number, folder / "folds" / f"fold-{number}", "result.json") for number in range(folds)]
        return [*inner, Training("whole", "", None, folder, "result.json", "val")]
    names = [name for name in get_args(STRATEGY) if name in (run.finetune.strategies or ("extract",))]
    if folds:
        inner = [_fold(number, folder / "folds" / f"fold-{number}" / names[0], "strategy.json") for number in range(folds)]
        return [*inner, Training("whole", "", None, folder / "strategies" / names[0], "strategy.json", "val")]
    return [
        *(Training("strategy", name, None, folder / "strategies" / name, "strategy.json", "val") for name in names),
        *(
            Training("per_class", name, count, folder / "per-class" / str(count) / name, "strategy.json", "val")
            for count in run.finetune.per_class or ()
            for name in names
        ),
    ]


def _fold(number: int, folder: Path, end: str) -> Training:
    return Training("fold", str(number + 1), None, folder, end, "test")


def current(trainings: list[Training], recommended: str | None) -> Training:
    """The one that runs, or where all have ended the one that is kept: a strategy by its name, or that on all images."""
    running = next((training for training in trainings if not training.ended), None)
    if running is not None:
        return running
    return next(
        (training for training in trainings if training.kind == "strategy" and training.name == recommended), trainings[-1]
    )


def epochs_of(events: list[Json]) -> list[Json]:
    """Each epoch once, as it was done last."""
    return list({event["epoch"]: event for event in events if event["event"] == "epoch"}.values())


@lru_cache(maxsize=256)
def _score(path: Path, _changed: int) -> Json:
    """Accuracy or mAP with its interval."""
    _, labels_N, logits_NK = run_folder.load_predictions(path)
    if labels_N.ndim == 2:
        return MapScore(*mean_average_precision(logits_NK, labels_N > 0).mean)._asdict()
    accuracy = classification.accuracy(logits_NK, labels_N)
    return {"accuracy": accuracy.value, "low": accuracy.low, "high": accuracy.high, "n": accuracy.n}
