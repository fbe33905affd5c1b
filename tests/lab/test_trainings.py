"""Runs with several trainings as the pages are given them."""

from pathlib import Path
from typing import Any

import numpy as np

from striate.base import config, run_folder, run_record
from striate.lab.workbench import live, trainings
from striate.training.journal import Journal

STAMP = {"run_id": "1", "settings_sha256": "2"}
FINETUNE = {"data": {"path": "x"}, "finetune": {"weights": "resnet20@cifar10"}}


def predict(folder: Path, part: str, right: int, end: str) -> None:
    """A training that has ended, with so many of four images right."""
    labels_N = np.zeros(4, np.int64)
    logits_NK = np.where(np.arange(4)[:, None] < right, [[1.0, 0.0]], [[0.0, 1.0]])
    predictions = run_folder.predictions_bytes(np.arange(4, dtype=np.uint64), labels_N, logits_NK, STAMP)
    run_record.begin(folder, run_record.Identity("1", {}), {})
    run_record.add(folder, {f"predictions-{part}.npz": predictions, end: b"{}"})


def order(tree: dict[str, Any]) -> list[tuple[str, str, int | None, str]]:
    rows = trainings.of_run(Path("r"), config.build(tree))
    return [(row.kind, row.name, row.images, row.folder.as_posix()) for row in rows]


def test_a_run_has_its_trainings_in_the_order_in_which_they_run():
    assert order({"data": {"path": "x"}}) == []
    assert order({"data": {"path": "x", "folds": 2}}) == [
        ("fold", "1", None, "r/folds/fold-0"), ("fold", "2", None, "r/folds/fold-1"), ("whole", "", None, "r"),
    ]  # fmt: skip
    assert order(config.merge(FINETUNE, {"finetune": {"strategies": ["retrain", "extract"], "per_class": [5]}})) == [
        ("strategy", "extract", None, "r/strategies/extract"), ("strategy", "retrain", None, "r/strategies/retrain"),
        ("per_class", "extract", 5, "r/per-class/5/extract"), ("per_class", "retrain", 5, "r/per-class/5/retrain"),
    ]  # fmt: skip
    assert order(config.merge(FINETUNE, {"data": {"folds": 2}, "finetune": {"strategies": ["adapt"]}})) == [
        ("fold", "1", None, "r/folds/fold-0/adapt"), ("fold", "2", None, "r/folds/fold-1/adapt"),
        ("whole", "", None, "r/strategies/adapt"),
    ]  # fmt: skip


def test_strategies_are_shown_as_they_come_and_the_curves_are_of_the_one_that_runs(tmp_path: Path):
    folder = tmp_path / "a"
    folder.mkdir()
    tree = config.merge(FINETUNE, {"finetune": {"strategies": ["extract", "adapt", "retrain"]}})
    (folder / "run.toml").write_text(config.to_toml(config.build(tree)))
    own = Journal(folder / "journal.jsonl")
    own.write("start", run=STAMP, reasons=["device cpu"])
    own.write("estimate", seconds=90.0)
    predict(folder / "strategies" / "extract", "val", 3, "strategy.json")
    (folder / "strategies" / "adapt").mkdir()
    inner = Journal(folder / "strategies" / "adapt" / "journal.jsonl")
    for epoch in (1, 2, 2):
        inner.write("epoch", epoch=epoch, step=10 * epoch, seconds=2.0 * epoch, loss=1 / epoch, accuracy=0.5)
    now = live.state(tmp_path, "a")
    extract, adapt, retrain = now["trainings"]
    assert (extract["ended"], extract["score"]["accuracy"], extract["epochs"]) == (True, 0.75, [])
    assert adapt["epochs"] == [{"epoch": 1, "loss": 1.0, "accuracy": 0.5}, {"epoch": 2, "loss": 0.5, "accuracy": 0.5}]
    assert (adapt["ended"], retrain["ended"], retrain["epochs"]) == (False, False, [])
    # The pace on features is none of images, and what is left of one strategy is not what is left
    assert (now["epoch"], now["estimate"], now["left"], now["images_per_second"]) == (2, "2 min", None, None)


def test_folds_have_their_test_scores_and_the_estimate_of_the_first(tmp_path: Path):
    folder = tmp_path / "a"
    (folder / "folds" / "fold-0").mkdir(parents=True)
    (folder / "run.toml").write_text(config.to_toml(config.build({"data": {"path": "x", "folds": 2}})))
    Journal(folder / "folds" / "fold-0" / "journal.jsonl").write("start", steps=4, estimate=60.0)
    predict(folder / "folds" / "fold-0", "test", 2, "result.json")
    now = live.state(tmp_path, "a")
    assert [(row["ended"], (row["score"] or {}).get("accuracy")) for row in now["trainings"]] == [
        (True, 0.5), (False, None), (False, None),
    ]  # fmt: skip
    assert (now["estimate"], now["result"]) == ("60 s", None)
