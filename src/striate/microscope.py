"""Looking inside a trained model: verdicts on its filters, one image through all layers, what filters and units like.

The command line and `import striate` both call these functions; each returns what its command prints with `--json`.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from striate.workbench import load

Json = dict[str, Any]
Watch = Callable[[Json], None]


def _quiet(_event: Json) -> None:
    """Watches nothing."""


def verdicts(run: str, data: str | None = None, draw: str | Path | None = None, watch: Watch = _quiet) -> Json:
    """A verdict on every filter of a model: dead, blank, duplicate, nearly dead, noisy or healthy.

    Args:
        run: a run by name or folder, an artifact's folder, or `NET@WEIGHTS`.
        data: images to look at; None for the validation images of the run, and for what is no run for its weights alone.
        draw: a figure of the first layer's filters with their verdicts, as .svg, .png or .pdf.
        watch: called with progress.

    Returns:
        run, net, seen (what was looked at), layers [{name, filters, dead, blank, duplicate, nearly_dead, noisy, healthy,
        noise_ratio, advice, each}] and files.

    """
    from striate.workflows.inspect.filter_health import look

    return look(run, load(run), data, None if draw is None else Path(draw), watch)


def look_at(
    run: str,
    images: Iterable[str | Path],
    *,
    layers: Sequence[str] = (),
    methods: Sequence[str] = (),
    target: str | None = None,
    out: str | Path | None = None,
    watch: Watch = _quiet,
) -> Json:
    """What a model makes of an image, layer by layer, and what in it spoke for the answer (`striate.interpret.attribution`).

    Args:
        run: a run by name or folder, an artifact's folder, or `NET@WEIGHTS`.
        images: paths.
        layers: whose maps are drawn; else every tap of the network.
        methods: of `striate.interpret.attribution.METHODS`; else all.
        target: the class that is asked about; else the answer.
        out: the folder for the sheets; else `striate-inside-RUN`.
        watch: called with progress.

    Returns:
        run, net, images [{path, label, probability, top, target, methods, refused, layers, files}] and files.

    """
    from striate.workflows.inspect.one_image import look

    return look(run, load(run), [Path(path) for path in images], layers, methods, target, _folder(run, out), watch)


def filters(run: str, *, layers: Sequence[str] = (), out: str | Path | None = None, watch: Watch = _quiet) -> Json:
    """What the filters of a model are made for: stripes of which direction, width and color; and all weights as tiles.

    Args:
        run: a run by name or folder, an artifact's folder, or `NET@WEIGHTS`.
        layers: whose weights are drawn; else of every layer.
        out: the folder for the sheets; else `striate-inside-RUN`.
        watch: called with progress.

    Returns:
        run, net, first (orientation, frequency, color of each filter; None where the first layer sees no image), tuning,
        tolerance, layers and files.

    """
    from striate.workflows.inspect.filter_selectivity import look

    return look(run, load(run), layers, _folder(run, out), watch)


def units(
    run: str,
    layer: str,
    *,
    numbers: Sequence[int] = (),
    data: str | None = None,
    out: str | Path | None = None,
    watch: Watch = _quiet,
) -> Json:
    """What the units of a layer answer to: statistics, the images that excite them most, and images made to their liking.

    Args:
        run: a run by name or folder, an artifact's folder, or `NET@WEIGHTS`.
        layer: any layer of the network.
        numbers: units that are drawn; else the twelve that tell classes apart most.
        data: images to look at; None for the validation images of the run.
        out: the folder for the sheets; else `striate-inside-RUN`.
        watch: called with progress.

    Returns:
        run, net, layer, seen, statistics, strongest, made and files.

    """
    from striate.workflows.inspect.units import look

    return look(run, load(run), layer, numbers, data, _folder(run, out), watch)


def _folder(run: str, out: str | Path | None) -> Path:
    return Path(f"striate-inside-{Path(run).name}" if out is None else out)
