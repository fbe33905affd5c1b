"""`striate runs`."""

from pathlib import Path

from rich.table import Table

from striate.base.errors import SettingError
from striate.cli.console import print_json, stdout


def runs(run: str | None = None, /, *, out: Path = Path("runs"), weights: str | None = None, json: bool = False) -> None:
    """The runs in a folder: network, data, state, score, size on disk; or one run and how its weights are spread.

    Args:
        run: by name or folder; nothing for all.
        out: the folder of runs.
        weights: with RUN: a file to draw the histograms of its weights into, before and after, .svg, .png or .pdf.
        json: print one JSON object on stdout.

    """
    from striate.workflows import runs as workflow

    if run is not None:
        _one(run if out == Path("runs") else str(out / run), weights, json)
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
        score = ("", "") if test is None else (f"{test['accuracy']:.4f}", f"{test['low']:.4f} to {test['high']:.4f}")
        table.add_row(row.name, row.net, row.data, row.state, *score, f"{row.bytes / 1e6:.1f}")
    stdout().print(table)


def _one(run: str, draw: str | None, json: bool) -> None:
    from striate.workflows import runs as workflow

    result = workflow.weights(run, draw)
    if json:
        print_json(result)
        return
    ends = {row["layer"]: row for row in result["end"]}
    table = Table(title=f"{result['run']}: weights " + ("before the first step → at the end" if ends else "at the start"))
    for column in ("layer", "weights", "zero", "within ±0.2", "mean", "deviation"):
        table.add_column(column, justify="left" if column == "layer" else "right", overflow="fold")
    for row in result["start"]:
        both = [row, ends[row["layer"]]] if row["layer"] in ends else [row]
        shares = (" → ".join(f"{one[name]:.1%}" for one in both) for name in ("zero", "near"))
        moments = (" → ".join(f"{one[name]:.3g}" for one in both) for name in ("mean", "deviation"))
        table.add_row(row["layer"], f"{row['weights']:,}", *shares, *moments)
    stdout().print(table)
    stdout().print("Add --weights FILE.svg for an image." if draw is None else f"drawn: {draw}")
