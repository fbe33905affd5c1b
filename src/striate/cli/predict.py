"""`striate predict`."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.table import Table

from striate.base.phrases import plural
from striate.base.wall_clock import counting, measured
from striate.cli import label_sets
from striate.cli.console import Event, documented_by, print_json, print_time, show, speaking, stdout, trust


@documented_by(
    "striate.workflows.predict", "predict", json="print JSON lines on stdout, one for each image; with --out one object.",
    parts="make --out, and --embed, a folder of tables of so many rows each; those that are there already are not made again.",
    shard="with --parts, I/N: make every Nth table from the Ith on, so that N machines share the work.",
)  # fmt: skip
def predict(
    run: str, images: list[str], /, *, out: Path | None = None, embed: Path | None = None, parts: int | None = None,
    shard: str | None = None, engine: str | None = None, ray_address: str | None = None, crops: int = 1,
    threshold: float | None = None, probabilities: bool = False, device: str = "auto", precision: str = "fp32",
    trust_code: bool = False, json: bool = False,
) -> None:  # fmt: skip
    """Predict classes for images: files, folders, globs, tables."""
    from striate.workflows import prediction_checks as checks
    from striate.workflows.prediction_options import PredictionOptions

    options = PredictionOptions(out, embed, crops, threshold, probabilities, engine, ray_address, precision)
    split = checks.parts_of(options, parts, shard)
    with counting(), speaking() as watch:
        if split is None:
            checks.check_prediction(run, options, images)
        else:
            checks.check_parts(run, options, split, images)
        from striate.workflows import predict as workflow
        from striate.workflows import prediction_parts

        trust(run, trust_code)
        given = {"device": device, "watch": watch, **options._asdict()}
        if split is not None:
            result = prediction_parts.predict_parts(run, images, parts=split.rows, shard=shard, **given)
            show(result | measured(result["computed"]), json, _part_lines)
        elif out is not None or embed is not None:
            rows = workflow.predict(run, images, **given)
            written = {"rows": len(rows), "errors": sum(row.error is not None for row in rows)}
            show(written | {"out": _text(out), "embed": _text(embed)} | measured(len(rows)), json, _file_lines)
        else:
            _show_rows(workflow.stream(run, images, device, options, watch).rows, json)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _part_lines(result: Event) -> Iterator[str]:
    yield f"{plural(result['rows'], 'row')} in {result['out']}, {result['errors']} of them errors"
    if result["computed"] < result["rows"]:
        yield f"  {plural(result['rows'] - result['computed'], 'row')} had been computed before"
    if not result["complete"]:
        tables = f"{plural(result['tables'], 'table')} of {plural(result['images'], 'image')}"
        yield f"  not complete: of {tables} those of other shards are missing"


def _file_lines(result: Event) -> Iterator[str]:
    for path in filter(None, (result["out"], result["embed"])):
        yield f"{plural(result['rows'], 'row')} in {path}, {result['errors']} of them errors"


def _show_rows(rows: Iterable[Any], json: bool) -> None:
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
