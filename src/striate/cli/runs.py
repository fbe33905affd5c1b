"""`striate runs`."""

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from striate.base.errors import SettingError
from striate.base.phrases import percent
from striate.cli.console import Event, documented_by, print_json, say, show, table


@documented_by("striate.workflows.runs", "weights")
def runs(run: str | None = None, /, *, out: Path = Path("runs"), weights: str | None = None, json: bool = False) -> None:
    """The runs in a folder: network, data, state, score, size on disk; or one run and how its weights are spread.

    Args:
        run: by name or folder; nothing for all.
        out: the folder of runs.
        weights: with RUN: a file to draw the histograms of its weights into, before and after, .svg, .png or .pdf.

    """
    from striate.workflows import checks

    if run is not None:
        folder = run if out == Path("runs") else out / run
        with checks.before_torch(checks.check_weights, folder, weights):
            from striate.workflows import runs as workflow

            return show(workflow.weights(folder, weights), json, _weights)
    if weights is not None:
        raise SettingError(f"--weights applies to one run; got no RUN. Write `striate runs RUN --weights {weights}`.")
    from striate.workflows import runs as workflow

    rows = workflow.list_runs(out)
    if json:
        return print_json({"runs": [row._asdict() for row in rows]})
    if not rows:
        return say([f"There are no runs in {out}; make one with `striate train DATA`."])
    heads = ("run", "network", "data", "state", "test accuracy", "interval", "MB")
    listed = table(*heads, left=heads[:-1], overflow="fold")
    for row in rows:
        test = row.test
        score = ("", "") if test is None else (percent(test["accuracy"]), f"{percent(test['low'])} to {percent(test['high'])}")
        listed.add_row(row.name, row.net, row.data, row.state, *score, f"{row.bytes / 1e6:.1f}")
    return say([listed])


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
