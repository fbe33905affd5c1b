"""`striate predict`."""

from pathlib import Path

from rich.table import Table

from striate.cli.console import print_json, speaking, stdout


def predict(
    run: str, paths: list[str], /, *, out: Path | None = None, crops: int = 1, device: str = "auto", json: bool = False
) -> None:
    """Predict classes for images: files, folders, globs.

    Args:
        run: a run by name or folder, an artifact's folder, or weights by name: resnet50@imagenet.
        paths: files, folders (searched through) and globs.
        out: a file to write, as .csv, .jsonl or .parquet.
        crops: of each image: 5 crops, or 10 with their mirror images, whose probabilities are averaged.
        device: auto, cpu, cuda, mps.
        json: print JSON lines on stdout, one for each image.

    """
    from striate.workflows.predict import predict as predict_images

    with speaking():
        rows = predict_images(run, paths, device, out, crops=crops)
        if out is not None:
            counted = list(rows)
            stdout().print(f"{len(counted)} rows in {out}, {sum(row.error is not None for row in counted)} of them errors")
            return
        if json:
            for row in rows:
                print_json(row.as_json())
            return
        table = Table()
        for column in ("path", "label", "probability"):
            table.add_column(column, overflow="fold")
        for row in rows:
            prediction = row.prediction
            shown = ("error", row.error or "") if prediction is None else (prediction.label, f"{prediction.probability:.3f}")
            table.add_row(str(row.as_json()["path"]), *shown)
        stdout().print(table)
