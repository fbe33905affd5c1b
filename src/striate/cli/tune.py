"""`striate tune`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.table import Table

from striate.base import config
from striate.base.phrases import percent
from striate.base.wall_clock import counting
from striate.cli.console import Event, Settings, documented_by, reported, scores, show, speaking, table


@documented_by("striate.workflows.tune.run", "tune")
def tune(
    data: str | None = None, /, *, minutes: float | None = None, trials: int | None = None, vary: tuple[str, ...] = (),
    net: str | None = None, weights: str | None = None, seed: int | None = None, name: str | None = None,
    out: Path = Path("runs"), data_dir: str | None = None, labels_from: str | None = None,
    group: str | None = None, relabel: str | None = None, exclude: str | None = None, resume: bool = False,
    set_: Settings = (), no_report: bool = False, ray_address: str | None = None, json: bool = False,
) -> None:  # fmt: skip
    """Search for better settings by short trainings, train with the best of them, and test that once.

    Args:
        vary: a setting and its values, as train.lr=0.001..0.1 or 'preprocess.size_px=28|32'; may be repeated; else by rule.
        net: a network of `striate nets`, a line of layers ('conv 5x5x32, relu, pool 2, fc 10'), or file.py:Class.
        weights: pretrained weights to start from, NET@WEIGHTS or a run, or none; else by rule from the images.
        labels_from: of a folder: parent, top, or 'name:EXPRESSION' with one group, as 'name:(.+)_[0-9]'.
        group: images that share it stay on one side of the split: a column, 'name:EXPRESSION', parent (folder), or exif:burst.
        relabel: a table with the columns path and new_label (or label): other labels for some images.
        exclude: a table with the column path, or a path in each line: images to leave out.
        set_: any setting, the same in all trials, as in --set preprocess.size_px=64; may be repeated.
        no_report: do not end by writing the report; `striate report NAME` does that later.

    """
    from striate.workflows import checks
    from striate.workflows.tune import check

    flags = {"data": {"labels_from": labels_from, "group": group, "relabel": relabel, "exclude": exclude}}
    settings = config.join(*(config.setting(text) for text in set_), flags)
    own: dict[str, Any] = {"net": net, "weights": weights, "seed": seed, "data_dir": data_dir}
    tree = config.settings_from_args(data, settings, **own)
    search: dict[str, Any] = {"minutes": minutes, "trials": trials, "vary": vary}
    begin = check.to_resume if resume else check.search
    with counting(), speaking() as watch, checks.before_torch(watch, begin, out, name, tree, minutes, trials, vary):
        from striate.workflows.tune import run as workflow

        result = workflow.tune(
            data,
            **own,
            **search,
            name=name,
            out=out,
            resume=resume,
            report=not no_report,
            ray_address=ray_address,
            settings=settings,
            watch=watch,
        )
    show(result, json, _parts)


def _parts(result: Event) -> Iterator[str | Table]:
    rows = table("trial", "settings", "round", "validation", "seconds", left=("trial", "settings"), overflow="fold", box=None)
    for trial in result["trials"]:
        score = percent(trial["val"]["accuracy"]) if trial["val"] else "failed"
        changes = config.describe(trial["changes"])
        rows.add_row(str(trial["number"]), changes, str(trial["round"] + 1), score, f"{trial['seconds']:,.0f}")
    yield rows
    yield result["sentence"]
    yield from (*scores(result), f"the run lies in {result['run']}", *reported(result))
