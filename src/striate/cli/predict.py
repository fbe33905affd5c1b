"""`striate predict`."""

from pathlib import Path

from rich.table import Table

from striate.base.phrases import plural
from striate.base.wall_clock import counting, measured
from striate.cli.console import documented_by, print_json, print_time, speaking, stdout, trust


@documented_by("striate.workflows.predict", "predict", json="print JSON lines on stdout, one for each image.")
def predict(
    run: str, images: list[str], /, *, out: Path | None = None, embed: Path | None = None, crops: int = 1,
    device: str = "auto", trust_code: bool = False, json: bool = False,
) -> None:  # fmt: skip
    """Predict classes for images: files, folders, globs."""
    from striate.workflows import checks

    with counting(), speaking() as watch, checks.before_torch(checks.check_prediction, run, out, embed, crops, images):
        from striate.workflows import predict as workflow

        trust(run, trust_code)
        if out is not None or embed is not None:
            counted = workflow.predict(run, images, device, out, embed=embed, crops=crops, watch=watch)
            print_time(measured(len(counted)))
            errors = sum(row.error is not None for row in counted)
            for path in filter(None, (out, embed)):
                stdout().print(f"{plural(len(counted), 'row')} in {path}, {errors} of them errors")
            return
        _, rows = workflow.stream(run, images, device, None, None, crops, watch)
        if json:
            count = 0
            for row in rows:
                print_json(row.as_json())
                count += 1
            print_time(measured(count))
            return
        table = Table()
        for column in ("path", "label", "probability"):
            table.add_column(column, overflow="fold")
        for row in rows:
            prediction = row.prediction
            shown = ("error", row.error or "") if prediction is None else (prediction.label, f"{prediction.probability:.3f}")
            table.add_row(str(row.as_json()["path"]), *shown)
        stdout().print(table)
        print_time(measured(table.row_count))
