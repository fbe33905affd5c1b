"""What lies on this machine: runs, how their weights are spread, decoded images, versions.

The command line and `import striate` both call these functions; each returns what its command prints with `--json`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.base.run_folder import Row as RunRow
    from striate.data.cache_cleanup import Cache

Json = dict[str, Any]


def cache(clear: bool = False) -> "Cache":
    """What lies in the cache folder, by data set: decoded images with size and last use, and what else there is.

    Args:
        clear: remove the decoded images that no one is just decoding; a run that has them open goes on with them.

    """
    from striate.base import files
    from striate.data import cache_cleanup

    return (cache_cleanup.clear if clear else cache_cleanup.look_through)(files.cache_folder())


def list_runs(out: str | Path = "runs") -> list["RunRow"]:
    """The runs in a folder: network, data, state, score, size on disk."""
    from striate.base import run_folder

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


def doctor() -> Json:
    """Versions, device, cache, what is missing and how to get it: for bug reports."""
    from striate.workflows.doctor import diagnose

    return diagnose()
