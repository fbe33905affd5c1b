"""`striate runs`: the runs in a folder, filtered and ranked, and runs deleted; nothing here imports torch.

Scores on different test images do not rank: a run's test set is known by the pixels of its images, and ranks are within one.
"""

import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from striate.base import files, looks_ledger, run_folder, run_record
from striate.base.arguments import named_arguments
from striate.base.errors import RunError, SettingError, StriateError
from striate.base.events import Json
from striate.metrics import classification
from striate.workflows import stored_predictions

log = logging.getLogger("striate")

ON_TEST_SET = ("test", "macro-f1")  # orders by scores on the test images, which are within one test set


class ListedRun(NamedTuple):
    """One run of `striate runs`; what is not known yet is None."""

    name: str
    net: str
    data: str
    state: str  # done, unfinished or damaged
    test: Json | None  # accuracy, of several labels map; low, high, n
    bytes: int
    val: Json | None
    macro_f1: float | None  # on the test images
    seconds: float | None  # of training
    began: str  # as 2026-11-28T15:40:00, in local time
    test_set: str | None  # fingerprint of the test images by their pixels


def _score(score: Json | None) -> float:
    return -1.0 if score is None else float(score["map" if "map" in score else "accuracy"])


_KEYS: dict[str, Callable[[ListedRun], Any]] = {
    "name": lambda run: run.name,
    "test": lambda run: -_score(run.test),
    "val": lambda run: -_score(run.val),
    "macro-f1": lambda run: -1.0 if run.macro_f1 is None else -1.0 - run.macro_f1,
    "seconds": lambda run: float("inf") if run.seconds is None else run.seconds,
    "size": lambda run: -run.bytes,
    "began": lambda run: run.began,
}


@named_arguments()
def list_runs(
    out: str | Path = "runs", *, sort: str = "name", name: str | None = None, data: str | Path | None = None,
    net: str | None = None, since: str | None = None,
) -> list[ListedRun]:  # fmt: skip
    """The runs in a folder: network, data, state, scores, seconds, size on disk.

    Args:
        out: the folder of runs.
        sort: name, test or val (accuracy or mAP, the best first), macro-f1, seconds, size or began; by test and macro-f1 within
            each test set, those with most runs first.
        name: of runs to list, as a pattern, in which a star stands for anything.
        data: of runs to list, as a pattern for the whole path or its last part.
        net: of runs to list, as a pattern.
        since: the day or time from which on they began, as 2026-11-28 or 2026-11-28T15:40.

    Raises:
        SettingError: an order or a time that is none.

    """
    if sort not in _KEYS:
        raise SettingError(f"expected {', '.join(_KEYS)} as sort; got {sort!r}.")
    earliest = _seconds(since)
    runs = [
        _listed(row, folder)
        for row in run_folder.list_runs(Path(out))
        if _began(folder := Path(out) / row.name) >= earliest and _fits(name, row.name) and _fits(net, row.net)
        if data is None or _fits(str(data), row.data) or _fits(str(data), Path(row.data).name)
    ]
    runs.sort(key=_KEYS[sort])
    if sort in ON_TEST_SET:
        sizes = Counter(run.test_set for run in runs)
        runs.sort(key=lambda run: (run.test_set is None, -sizes[run.test_set], run.test_set or ""))
    return runs


def _fits(pattern: str | None, text: str) -> bool:
    return pattern is None or fnmatchcase(text, pattern)


def _seconds(since: str | None) -> float:
    try:
        return float("-inf") if since is None else datetime.fromisoformat(since).timestamp()
    except ValueError:
        raise SettingError(f"expected a day or a time for since, as 2026-11-28 or 2026-11-28T15:40; got {since!r}.") from None


def _began(folder: Path) -> float:
    with files.explained(folder / "run.toml", "read"):
        return (folder / "run.toml").stat().st_mtime


def _listed(row: run_folder.Row, folder: Path) -> ListedRun:
    run = ListedRun(*row, None, None, None, datetime.fromtimestamp(_began(folder)).isoformat(timespec="seconds"), None)
    if row.state != "done":
        return run
    try:
        result = run_folder.read_json(folder / "result.json") or {}
        run = run._replace(val=result.get("val"), seconds=result.get("seconds"))
        if row.test is None:
            return run
        stored = stored_predictions.read(folder)
    except StriateError as error:
        log.warning("%s: %s", row.name, error)
        return run._replace(state="damaged")
    if stored.labels_N.ndim == 2:
        macro_f1 = float((result.get("class_scores") or {})["macro_f1"])
        return run._replace(macro_f1=macro_f1, test_set=looks_ledger.fingerprint(stored.pixel_hash_N))
    predicted_N = stored.logits_NK.argmax(axis=1).astype(np.int64)
    scores = classification.per_class(classification.confusion(predicted_N, stored.labels_N, stored.logits_NK.shape[1]))
    macro_f1 = float(np.mean([score.f1 for score in scores if score.support]))
    return run._replace(macro_f1=macro_f1, test_set=looks_ledger.fingerprint(stored.pixel_hash_N))


@named_arguments()
def delete_runs(*names: str, out: str | Path = "runs") -> list[Json]:
    """Delete runs for good: folder, model and all; `run` and `bytes` of each.

    Args:
        names: of runs in `out`; nothing is deleted unless all of them can be.
        out: the folder of runs.

    Raises:
        RunError: a folder that is no run or a link, a path in place of a name, or a run in use by another process.

    """
    folders = check_deletion(names, out)
    deleted = []
    for folder in folders:
        size = run_folder.bytes_of(folder)
        with files.lock(folder), files.explained(folder, "delete"):
            # run.toml first, so that half a run is none; the record last, so that the rest can still be deleted
            for path in sorted(folder.iterdir(), key=_order):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            folder.rmdir()
        deleted.append({"run": str(folder), "bytes": size})
    return deleted


def _order(path: Path) -> int:
    return {"run.toml": 0, ".lock": 2, run_record.RECORD: 3}.get(path.name, 1)


def check_deletion(names: Iterable[str], out: str | Path) -> list[Path]:
    """The folders of runs to delete; refuses what is no run, is not in `out`, or is in use."""
    folders = [Path(out) / name for name in dict.fromkeys(names)]
    for folder, name in zip(folders, dict.fromkeys(names), strict=True):
        if Path(name).name != name or name in (".", ".."):
            raise RunError(f"expected the name of a run in {out}, without a path; got {name!r}. The folder is --out.")
        if folder.is_symlink():
            raise RunError(f"{folder} is a link to {folder.readlink()}, which is not deleted. Remove the link yourself.")
        if not any((folder / file).is_file() for file in ("run.toml", run_record.RECORD)):
            raise RunError(f"expected a run at {folder}; there is none, so nothing is deleted. `striate runs` lists them.")
        with files.lock(folder):
            pass
    return folders
