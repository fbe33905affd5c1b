"""`striate runs`."""

from pathlib import Path

from rich.table import Table

from striate.base.errors import SettingError
from striate.base.phrases import percent
from striate.cli.console import documented_by, print_json, stdout


@documented_by("striate.workflows.runs", "weights")
def runs(run: str | None = None, /, *, out: Path = Path("runs"), weights: str | None = None, json: bool = False) -> None:
    """The runs in a folder: network, data, state, score, size on disk; or one run and how its weights are spread.

    Args:
        run: by name or folder; nothing for all.
        out: the folder of runs.
        weights: with RUN: a file to draw the histograms of its weights into, before and after, .svg, .png or .pdf.

    """
    from striate.workflows import runs as workflow

    if run is not None:
        _weights_of(run if out == Path("runs") else str(out / run), weights, json)
        return
    if weights is not None:
        raise SettingError(f"--weights applies to one run; got no RUN. Write `striate runs RUN --weights {weights}`.")
    rows = workflow.list_runs(out)
    if json:
        print_json({"runs": [row._asdict() for row in rows]})
        return
    if not rows:
        stdout().print(f"There are no runs in {out}; make one with `striate train DATA`.")
        return
    table = Table()
    for column in ("run", "network", "data", "state", "test accuracy", "interval", "MB"):
        table.add_column(column, justify="right" if column == "MB" else "left", overflow="fold")
    for row in rows:
        test = row.test
        score = ("", "") if test is None else (percent(test["accuracy"]), f"{percent(test['low'])} to {percent(test['high'])}")
        table.add_row(row.name, row.net, row.data, row.state, *score, f"{row.bytes / 1e6:.1f}")
    stdout().print(table)


def _weights_of(run: str, draw: str | None, json: bool) -> None:
    from striate.workflows import runs as workflow

    result = workflow.weights(run, draw)
    if json:
        print_json(result)
        return
    ends = {row["layer"]: row for row in result["end"]}
    table = Table(title=f"{result['run']}: weights " + ("before the first step → at the end" if ends else "at the start"))
    for column in ("layer", "weights", "zero", "within ±0.2", "mean", "standard deviation"):
        table.add_column(column, justify="left" if column == "layer" else "right", overflow="fold")
    for row in result["start"]:
        both = [row, ends[row["layer"]]] if row["layer"] in ends else [row]
        shares = (" → ".join(f"{moment[name]:.1%}" for moment in both) for name in ("zero", "near"))
        moments = (" → ".join(f"{moment[name]:.3g}" for moment in both) for name in ("mean", "deviation"))
        table.add_row(row["layer"], f"{row['weights']:,}", *shares, *moments)
    stdout().print(table)
    stdout().print("Add --weights FILE.svg for an image." if draw is None else f"drawn: {draw}")
