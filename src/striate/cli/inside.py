"""`striate inside`."""

from pathlib import Path
from typing import Any

from rich.table import Table

from striate.cli.speaking import print_json, speaking, stdout

_COLUMNS = ("blank", "dead", "duplicate", "nearly_dead", "noisy", "healthy")


def inside(run: str, /, *, data: str | None = None, draw: Path | None = None, json: bool = False) -> None:
    """Give a verdict on every filter of a model: blank, dead, duplicate, nearly dead, noisy or healthy.

    Args:
        run: a run by name or folder, a model's folder, or NET@WEIGHTS.
        data: images to look at: a folder, a table, or digits, mnist and so on; else the run's own validation images.
        draw: a picture of the first layer's filters with their verdicts, .svg, .png or .pdf.
        json: print one JSON object on stdout, with the numbers behind each verdict.

    """
    from striate import workbench

    with speaking() as watch:
        found = workbench.inside(run, data=data, draw=draw, watch=watch)
    if json:
        print_json(found)
    else:
        _say(found)


def _say(found: dict[str, Any]) -> None:
    out = stdout()
    table = Table("layer", "filters", *(name.replace("_", " ") for name in _COLUMNS), "3x3 noise", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in found["layers"]:
        ratio = "-" if row["noise_ratio"] is None else f"{row['noise_ratio']:.3f}"
        table.add_row(row["name"], f"{row['filters']:,}", *(_number(row[name]) for name in _COLUMNS), ratio)
    out.print(table)
    for row in found["layers"]:
        if row["advice"]:
            out.print(row["advice"], markup=False)
    seen = found["seen"]
    out.print(f"looked at {found['layers'][0]['images']:,} {seen}" if seen else "judged by the weights alone", markup=False)
    for path in found["files"]:
        out.print(f"drawn: {path}", markup=False)


def _number(count: int) -> str:
    return f"{count:,}" if count else "."
