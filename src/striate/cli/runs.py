"""`striate runs`."""

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from striate.base.errors import SettingError
from striate.base.events import quiet
from striate.base.phrases import percent, plural
from striate.cli.console import Event, documented_by, print_json, refuse, say, show, speaking, table

if TYPE_CHECKING:
    from striate.workflows.run_table import ListedRun


@documented_by("striate.workflows.run_table", "list_runs")
def runs(
    run: str | None = None, /, *, out: Path = Path("runs"), sort: str = "name", name: str | None = None,
    data: str | None = None, net: str | None = None, since: str | None = None, weights: str | None = None,
    delete: tuple[str, ...] = (), yes: bool = False, json: bool = False,
) -> None:  # fmt: skip
    """The runs in a folder: network, data, state, scores, size on disk; or one run and how its weights are spread.

    Args:
        run: by name or folder; nothing for all.
        weights: with RUN: a file to draw the histograms of its weights into, before and after, .svg, .png or .pdf.
        delete: a run to delete for good; may be repeated.
        yes: with --delete: do not ask.

    """
    if delete:
        refuse({"RUN": run, "--weights": weights}, "does not apply to --delete; leave it out.")
        return _delete(delete, out, yes, json)
    if run is not None:
        return _one(run if out == Path("runs") else str(out / run), weights, json)
    if weights is not None:
        raise SettingError(f"--weights applies to one run; got no RUN. Write `striate runs RUN --weights {weights}`.")
    from striate.workflows import run_table

    with speaking():
        rows = run_table.list_runs(out, sort=sort, name=name, data=data, net=net, since=since)
    if json:
        return print_json({"runs": [row._asdict() for row in rows]})
    if not rows and any((name, data, net, since)):
        return say([f"No runs in {out} are like that; `striate runs` lists them all."])
    if not rows:
        return say([f"There are no runs in {out}; make one with `striate train DATA`."])
    return say(_all(rows, sort in run_table.ON_TEST_SET))


def _one(run: str, weights: str | None, json: bool) -> None:
    from striate.workflows import checks

    with checks.before_torch(quiet, checks.check_weights, run, weights):
        from striate.workflows import runs as workflow

        show(workflow.weights(run, weights), json, _weights)


def _all(rows: "list[ListedRun]", by_test_set: bool) -> Iterator[str | Table]:
    sets = dict.fromkeys(row.test_set for row in rows if row.test_set is not None)
    if by_test_set and len(sets) > 1:
        for test_set, group in groupby(rows, key=lambda row: row.test_set):
            own = list(group)
            images = "" if own[0].test is None else f": {plural(own[0].test['n'], 'image')}"
            yield _listed(own, "without a test score" if test_set is None else f"test set {test_set[:6]}{images}")
        yield f"{len(sets)} test sets: a score says which run is better only on the same images."
        return
    yield _listed(rows, None, several=len(sets) > 1)
    if len(sets) > 1:
        yield (
            f"They were tested on {len(sets)} test sets; scores on different images do not rank. --sort test lists each set "
            "apart."
        )


def _listed(rows: "list[ListedRun]", title: str | None, several: bool = False) -> Table:
    left = ("run", "network", "data", "state")
    heads = (*left, "validation", "test accuracy", "interval", "macro F1", *["test set"][: int(several)], "seconds", "MB")
    listed = table(*heads, left=left, overflow="fold", title=title)
    for row in rows:
        test = row.test
        score = ("", "") if test is None else (_score(test), f"{percent(test['low'])} to {percent(test['high'])}")
        val = "" if row.val is None else _score(row.val)
        macro_f1 = "" if row.macro_f1 is None else f"{row.macro_f1:.4f}"
        which = [(row.test_set or "")[:6]][: int(several)]
        seconds = "" if row.seconds is None else f"{row.seconds:,.0f}"
        size = f"{row.bytes / 1e6:.1f}"
        listed.add_row(row.name, row.net, row.data, row.state, val, *score, macro_f1, *which, seconds, size)
    return listed


def _score(score: Event) -> str:
    """An accuracy, or the mAP of several labels an image."""
    return f"mAP {percent(score['map'])}" if "map" in score else percent(score["accuracy"])


def _delete(names: tuple[str, ...], out: Path, yes: bool, json: bool) -> None:
    from striate.workflows import run_table

    folders = run_table.check_deletion(names, out)
    if not yes:
        what = ", ".join(map(str, folders))
        if not sys.stdin.isatty():
            raise SettingError(
                f"there is no terminal to ask at whether to delete {what}; add --yes, and they are deleted for good."
            )
        print(f"Delete {what} for good? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            return say(["Nothing is deleted."])
    deleted = run_table.delete_runs(*names, out=out)
    if json:
        return print_json({"deleted": deleted})
    return say(f"deleted: {row['run']} ({row['bytes'] / 1e6:.1f} MB)" for row in deleted)


def _weights(result: Event) -> Iterator[str | Table]:
    ends = {row["layer"]: row for row in result["end"]}
    title = f"{result['run']}: weights " + ("before the first step → at the end" if ends else "at the start")
    layers = table("layer", "weights", "zero", "within ±0.2", "mean", "standard deviation", title=title, overflow="fold")
    for row in result["start"]:
        both = [row, ends[row["layer"]]] if row["layer"] in ends else [row]
        shares = (" → ".join(f"{moment[name]:.1%}" for moment in both) for name in ("zero", "near"))
        moments = (" → ".join(f"{moment[name]:.3g}" for moment in both) for name in ("mean", "deviation"))
        layers.add_row(row["layer"], f"{row['weights']:,}", *shares, *moments)
    yield layers
    yield f"drawn: {result['drawn']}" if result["drawn"] else "Add --weights FILE.svg for an image."
