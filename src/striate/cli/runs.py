"""`striate runs`."""

from pathlib import Path

from rich.table import Table

from striate.cli.speaking import print_json, stdout


def runs(*, out: Path = Path("runs"), json: bool = False) -> None:
    """The runs in a folder: network, data, state, score, size on disk.

    Args:
        out: the folder of runs.
        json: print one JSON object on stdout.

    """
    from striate import workbench

    rows = workbench.list_runs(out)
    if json:
        print_json({"runs": [row._asdict() for row in rows]})
        return
    if not rows:
        stdout().print(f"There are no runs in {out}; make one with `striate train DATA`.", markup=False)
        return
    table = Table()
    for column in ("run", "network", "data", "state", "test accuracy", "interval", "MB"):
        table.add_column(column, justify="right" if column == "MB" else "left", overflow="fold")
    for row in rows:
        test = row.test
        score = ("", "") if test is None else (f"{test['accuracy']:.4f}", f"{test['low']:.4f} to {test['high']:.4f}")
        table.add_row(row.name, row.net, row.data, row.state, *score, f"{row.bytes / 1e6:.1f}")
    stdout().print(table)
