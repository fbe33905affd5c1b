"""`striate runs RUN`: how the weights of a run are spread."""

from pathlib import Path

from striate.base.arguments import named_arguments
from striate.base.errors import RunError
from striate.base.events import Json
from striate.training import weight_histograms
from striate.workflows.checks import check_weights


@named_arguments()
def weights(run: str | Path, draw: str | Path | None = None) -> Json:
    """How the weights of each layer were spread before the first step of a run and at its end.

    Args:
        run: by name or folder.
        draw: a figure of it, as .svg, .png or .pdf.

    Returns:
        run, drawn, start and end: for each layer weights, zero, near (within +-0.2), mean, deviation, first and counts; see
        `striate.training.weight_histograms`. The end is empty where there is none yet.

    """
    folder = check_weights(run, draw)
    histograms = weight_histograms.read(folder / "journal.jsonl")
    if not histograms["start"]:
        raise RunError(f"expected histograms of the weights in {folder / 'journal.jsonl'}; there are none. Train it anew.")
    if draw is not None:
        from striate.plots.training import weight_histograms as drawing

        start, end = histograms["start"], histograms["end"]
        drawing.draw(folder.name, start, end, weight_histograms.BIN, weight_histograms.NEAR, Path(draw))
    rows_by_time = {when: [row.as_json() for row in rows] for when, rows in histograms.items()}
    return {"run": str(folder), "drawn": None if draw is None else str(draw), **rows_by_time}
