"""`striate runs`: the runs on this machine, and how the weights of one are spread."""

from pathlib import Path

from striate.base import run_folder
from striate.base.events import Json


def list_runs(out: str | Path = "runs") -> list[run_folder.Row]:
    """The runs in a folder: network, data, state, score, size on disk."""
    return run_folder.listing(Path(out))


def weights(run: str, draw: str | Path | None = None) -> Json:
    """How the weights of each layer were spread before the first step of a run and at its end.

    Args:
        run: by name or folder.
        draw: a figure of it, as .svg, .png or .pdf.

    Returns:
        run, drawn, start and end: for each layer weights, zero, near (within +-0.2), mean, deviation, first and counts; see
        `striate.training.weight_histograms`. The end is empty where there is none yet.

    """
    from striate.workflows.train.run import weights_of

    return weights_of(run, None if draw is None else Path(draw))
