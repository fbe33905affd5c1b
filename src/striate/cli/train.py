"""`striate train`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from striate.base import config
from striate.base.phrases import plural
from striate.base.wall_clock import counting
from striate.cli.console import Event, Settings, documented_by, refuse, reported, scores, show, speaking


@documented_by("striate.workflows.train.run", "train")
def train(
    data: str | None = None, /, *, net: str | None = None, weights: str | None = None, recipe: str | None = None,
    epochs: int | None = None, minutes: float | None = None, folds: int | None = None, seed: int | None = None,
    name: str | None = None, out: Path = Path("runs"), data_dir: str | None = None, labels_from: str | None = None,
    group: str | None = None, relabel: str | None = None, exclude: str | None = None, multi_label: bool = False,
    pixel_cache_gb: float | None = None, resume: bool = False, other_processes: bool = False, set_: Settings = (),
    find_lr: bool = False, draw: str | None = None, no_report: bool = False, tensorboard: bool = False,
    trust_code: bool = False, ray_address: str | None = None, json: bool = False,
) -> None:  # fmt: skip
    """Train a network on labeled images, test it, and save it under OUT/NAME.

    What is not given is chosen by rule from the images, and logged.

    Args:
        net: a network of `striate nets`, a line of layers ('conv 5x5x32, relu, pool 2, fc 10'), or file.py:Class.
        weights: pretrained weights to start from, NET@WEIGHTS or a run, or none; else by rule from the images.
        recipe: settings that belong together: mnist_cnn, mnist_cnn_textbook, or a TOML file.
        minutes: of the whole command, report included, instead of epochs; 20 steps are timed, then their number is fixed.
        pixel_cache_gb: most GB of decoded pixels to keep, else 50 or half of what is free; above, epochs decode anew.
        resume: resume the run NAME from its last checkpoint.
        other_processes: with --resume: also where the run began with another number of processes, which changes its weights.
        labels_from: of a folder: parent, top, or 'name:EXPRESSION' with one group, as 'name:(.+)_[0-9]'.
        group: images that share it stay on one side of the split: a column, 'name:EXPRESSION', parent (folder), or exif:burst.
        relabel: a table with the columns path and new_label (or label): other labels for some images.
        exclude: a table with the column path, or a path in each line: images to leave out.
        multi_label: of a table: images have several labels or none, in one cell as cat|dog or in columns of 0 and 1.
        set_: any setting, as in --set train.lr=0.1 or --set preprocess.size_px=64; may be repeated.
        find_lr: train nothing, but look in up to 100 steps for a learning rate.
        draw: with --find-lr: the plot, .svg, .png or .pdf; else find-lr.svg.
        no_report: do not end by writing the report; `striate report NAME` does that later.

    """
    flags = {"labels_from": labels_from, "group": group, "relabel": relabel, "exclude": exclude}
    settings = config.join(*(config.setting(text) for text in set_), {"data": {**flags, "multi_label": multi_label or None}})
    run: dict[str, Any] = {"net": net, "recipe": recipe, "epochs": epochs, "minutes": minutes, "seed": seed}
    run["data_dir"] = data_dir
    if find_lr:
        others: dict[str, object] = {"--name": name, "--weights": weights, "--resume": resume, "--folds": folds}
        others |= {"--no-report": no_report, "--tensorboard": tensorboard, "--out": out != Path("runs")}
        others |= {"--other-processes": other_processes, "--ray-address": ray_address}
        refuse(others, "does not apply with --find-lr; leave it out.")
        _find_lr(data, draw or "find-lr.svg", settings, run, json)
        return
    refuse({"--draw": draw}, "does not apply without --find-lr; leave it out.")
    refuse({"--other-processes": other_processes and not resume}, "does not apply without --resume; leave it out.")
    from striate.workflows import checks
    from striate.workflows.train import check

    run |= {"weights": weights, "folds": folds, "pixel_cache_gb": pixel_cache_gb, "tensorboard": tensorboard or None}
    with counting(), speaking() as watch:
        tree = config.settings_from_args(data, settings, **run)
        run |= {"name": name, "out": out, "resume": resume, "report": not no_report, "trust_code": trust_code}
        with checks.before_torch(watch, check.settings_to_resume if resume else check.check_start, out, name, tree):
            from striate.workflows.train import run as workflow

            run |= {"other_processes": other_processes, "ray_address": ray_address}
            result = workflow.train(data, **run, settings=settings, watch=watch)
    if result["weights_sha256"] is not None:  # else not the process that speaks
        show(result, json, _lines)


def _find_lr(data: str | None, draw: str, settings: dict[str, Any], run: dict[str, Any], json: bool) -> None:
    from striate.workflows import checks
    from striate.workflows.train import check

    tree = config.settings_from_args(data, settings, **run)
    with speaking() as watch, checks.before_torch(watch, check.check_range_test, tree, Path(draw)):
        from striate.workflows.train import run as workflow

        search = workflow.find_lr(data, draw=draw, settings=settings, watch=watch, **run)
    if search["drawn"] is not None:  # else not the process that speaks
        show(search, json, _search_lines)


def _search_lines(search: Event) -> Iterator[str]:
    rates, proposal = search["rates"], search["proposal"]
    yield f"{len(rates)} steps at rates from {rates[0]:.0e} to {rates[-1]:.2g}; drawn: {search['drawn']}"
    if proposal is None:
        yield "the loss fell at none of them, so there is no proposal: check the plot, the images and the labels"
    else:
        yield f"proposal {proposal:g}, a tenth of the rate at which the smoothed loss is least; now {search['lr']:g}"
        yield f"the same command with --set train.lr={proposal:g} in place of --find-lr trains with it"


def _lines(result: Event) -> Iterator[str]:
    yield from scores(result)
    if "strategies" in result:
        yield f"{result['seconds']:.0f} s; the run lies in {result['run']}"
        yield from reported(result)
        return
    yield f"{plural(result['steps'], 'step')} in {result['seconds']:.0f} s; the run lies in {result['run']}"
    yield from reported(result)
