"""`striate predict`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.table import Table

from striate.base.phrases import plural
from striate.base.wall_clock import counting, measured
from striate.cli import label_sets
from striate.cli.console import documented_by, print_json, print_time, speaking, stdout, trust


@documented_by("striate.workflows.predict", "predict", json="print JSON lines on stdout, one for each image.")
def predict(
    run: str, images: list[str], /, *, out: Path | None = None, embed: Path | None = None, crops: int = 1,
    threshold: float | None = None, probabilities: bool = False, device: str = "auto", trust_code: bool = False,
    json: bool = False,
) -> None:  # fmt: skip
    """Predict classes for images: files, folders, globs."""
    from striate.workflows import checks
    from striate.workflows.prediction_options import PredictionOptions

    options = PredictionOptions(out, embed, crops, threshold, probabilities)
    with counting(), speaking() as watch, checks.before_torch(checks.check_prediction, run, options, images):
        from striate.workflows import predict as workflow

        trust(run, trust_code)
        if out is not None or embed is not None:
            counted = workflow.predict(run, images, device, watch=watch, **options._asdict())
            print_time(measured(len(counted)))
            errors = sum(row.error is not None for row in counted)
            for path in filter(None, (out, embed)):
                stdout().print(f"{plural(len(counted), 'row')} in {path}, {errors} of them errors")
            return
        _, rows = workflow.stream(run, images, device, options, watch)
        if json:
            count = 0
            for row in rows:
                print_json(row.as_json())
                count += 1
            print_time(measured(count))
            return
        table = _table(rows)
        stdout().print(table)
        print_time(measured(table.row_count))


def _table(rows: Iterable[Any]) -> Table:
    """Rows for people; sets and what is noted of an image have columns where there are any."""
    lines = [_line(row) for row in rows]
    heads = ("path", "label", "probability", "set", "note")
    shown = [n for n in range(len(heads)) if n < 3 or any(line[n] for line in lines)]
    table = Table()
    for n in shown:
        table.add_column(heads[n], overflow="fold")
    for line in lines:
        table.add_row(*(line[n] for n in shown))
    return table


def _line(row: Any) -> tuple[str, str, str, str, str]:
    path, prediction = str(row.as_json()["path"]), row.prediction
    if prediction is None:
        return path, "error", row.error or "", "", ""
    if hasattr(prediction, "labels"):  # of several an image
        return path, *label_sets.cells(prediction), "", ""
    notes = [name for name in ("abstained", "unknown") if getattr(prediction, name)]
    return path, prediction.label, f"{prediction.probability:.3f}", ", ".join(prediction.set or ()), ", ".join(notes)
