"""Findings on classes that differ much in size: never predicted ones, and whether a setting against that has helped."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from striate.base import run_folder, run_record
from striate.base.errors import StriateError
from striate.base.events import Json
from striate.base.phrases import percent
from striate.base.train_settings import Train
from striate.data import class_balance
from striate.metrics import class_findings
from striate.metrics.strategy_choice import LEVEL
from striate.metrics.trust_findings import Finding
from striate.workflows.compare import compare

_SETTINGS = ("train.sampling", "train.class_weights")


def findings(score: Json, train: Train, account: Json | None, folder: Path) -> list[Finding]:
    """Classes that are never predicted, and classes that differ much in size, with the setting that was on against that."""
    values = dict(zip(_SETTINGS, (train.sampling, train.class_weights), strict=True))
    balanced = next((name for name, value in values.items() if value == "balanced"), None)
    per_class = score["per_class"]
    missing = class_findings.never_predicted(score["confusion"], list(per_class))
    present = sum(row["support"] > 0 for row in per_class.values())
    trained = {} if account is None else {name: int(row["train"]) for name, row in account["classes"].items()}
    described = class_balance.describe(trained)
    effect = None if balanced is None or described is None else _effect(folder, class_findings.smallest(trained))
    return [
        *class_findings.of_never_predicted(missing, present, balanced),
        *class_findings.of_balancing(per_class, trained, described, balanced, effect),
    ]


def _effect(folder: Path, smallest: str) -> str | None:
    """How the run differs from the newest one beside it that has no such setting, and is the same otherwise."""
    for other in _without(folder):
        try:
            compared = compare(other, folder)
        except StriateError:  # on other test images, damaged, or not ended
            continue
        if smallest in compared["per_class"]:
            return describe(other.name, smallest, compared)
    return None


def _without(folder: Path) -> Iterator[Path]:
    own = run_record.read(folder).identity.settings
    others = [path for path in folder.parent.iterdir() if path != folder and (path / "result.json").is_file()]
    for other in sorted(others, key=lambda path: (path / "result.json").stat().st_mtime, reverse=True):
        try:
            differing = run_record.differing(own, run_record.read(other).identity.settings)
            train = run_folder.settings(other).train
        except StriateError:
            continue
        if differing and {*differing} <= {*_SETTINGS} and "balanced" not in (train.sampling, train.class_weights):
            yield other


def describe(other: str, smallest: str, compared: Mapping[str, Any]) -> str:
    """Whether a setting against imbalance helped the smallest class, by `compare` of a run without it and one with it."""
    row, rows = compared["per_class"][smallest], compared["per_class"].values()
    balanced_accuracies = [sum(each[name] for each in rows) / len(rows) for name in ("recall_a", "recall_b")]
    if row["p_value"] >= LEVEL:
        verdict = "Whether it helped is open, since chance explains as much"
    else:
        verdict = "It helped" if row["only_b"] > row["only_a"] else "It did harm"
    p = "p = 1" if row["p_value"] > 0.995 else f"p = {row['p_value']:.2g}"
    return (
        f"{verdict}: against {other}, which differs in that alone, {row['only_b']} more of them are right and {row['only_a']} "
        f"more wrong ({p}). Balanced accuracy {percent(balanced_accuracies[1])} against {percent(balanced_accuracies[0])}, "
        f"accuracy {percent(compared['b']['accuracy'])} against {percent(compared['a']['accuracy'])}."
    )
