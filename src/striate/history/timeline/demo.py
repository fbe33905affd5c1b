"""The line from 1943 to 2015: what came when, and the accuracy of each classifier on the same digits.

Each network is trained by `striate train` in a run folder of its own, which stays: a second call trains only what is missing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from striate.base.events import Json, Watch, quiet
from striate.base.phrases import format_duration, percent
from striate.history.demonstration import Demonstration
from striate.history.timeline import plots
from striate.nets import catalogue


class Station(NamedTuple):
    """One year of the line: the network, or what cannot be trained, and what it brought."""

    year: int  # of the paper
    name: str
    what: str
    settings: Mapping[str, Any] | None = None  # to train it with; None for what learns otherwise, or not at all
    large: bool = False  # it takes minutes, so it is trained with `everything` alone


_SMALL = {"train": {"epochs": 15}}
_DEEP = {"train": {"epochs": 6, "lr": 3e-4}}  # ten times less than the rule's: without norms they take no more
LINE = (
    Station(1943, "mcculloch_pitts", "a network of all-or-none units computes any logical function; it does not learn"),
    Station(1960, "optimal_control", "gradients by going backward through the steps of a flight"),
    Station(1962, "cells", "simple and complex cells in the visual cortex"),
    Station(1971, "gmdh", "deep networks of polynomials, grown layer by layer"),
    Station(1980, "neocognitron", "convolution and pooling, learned by winners"),
    Station(1986, "rumelhart", "back-propagation finds codes of its own in hidden units"),
    Station(1989, "lecun1989", "a convolutional network trained by back-propagation", _SMALL),
    Station(1990, "lenet1", "feature maps and subsampling in turn", _SMALL),
    Station(1998, "lenet5", "the network that read checks", _SMALL),
    Station(2012, "alexnet", "ReLU, dropout, and GPUs on a million photographs", {**_DEEP, "net": {"init": "he"}}, large=True),
    Station(2014, "vgg11", "depth of small kernels", {**_DEEP, "net": {"init": "he"}}, large=True),
    Station(2014, "googlenet", "several kernel sizes side by side", _DEEP, large=True),
    Station(2015, "resnet20", "shortcuts, so that depth does not hurt", {"train": {"epochs": 4}}, large=True),
)


def demonstrate(out: Path, *, everything: bool = False, seed: int = 0, watch: Watch = quiet) -> Demonstration:
    """Train what learns on the digits that come along, and draw the line.

    Args:
        out: folder for the figure and the runs, which are used again.
        everything: the four large networks too, which takes minutes.
        seed: of the trainings.
        watch: called with every event.

    """
    from striate.base import run_folder
    from striate.workflows.train import run as workflow

    rows: list[Json] = []
    classifiers = {network.name for network in catalogue.HISTORICAL if network.kind == "classifier"}
    for station in LINE:
        row: Json = {**station._asdict(), "test": None, "seconds": None, "parameters": None, "input": None}
        folder = out / "runs" / station.name
        trains = station.settings is not None or station.name in classifiers
        if trains and (everything or not station.large or (folder / "result.json").is_file()):
            resume = (folder / "run.toml").is_file()
            options: Json = {"data": "digits", "net": station.name, "seed": seed, "settings": dict(station.settings or {})}
            result = workflow.train(
                **({} if resume else options), name=station.name, out=out / "runs", resume=resume, report=False, watch=watch
            )
            row |= {name: result[name] for name in ("test", "seconds", "parameters")}
            settings = run_folder.settings(folder)
            row["epochs"] = None if station.settings is None else settings.train.epochs
            side, components = settings.preprocess.size_px, settings.preprocess.components
            row["input"] = (
                f"{side} x {side} px" if components is None else f"{components} PCA coordinates of {side} x {side} px"
            )
        rows.append(row)
    path = out / "timeline.png"
    plots.draw(rows, path)
    return Demonstration({"seed": seed, "stations": rows}, [_line(row) for row in rows], [path])


def _line(row: Json) -> str:
    head = f"{row['year']}  {row['name']:<16}"
    if row["test"] is None:
        return f"{head} {row['what']}" + ("; not trained here, --all does" if row["large"] else "")
    score = row["test"]
    return (
        f"{head} {percent(score['accuracy'])} ({percent(score['low'])} to {percent(score['high'])} on {score['n']} digits), "
        f"input {row['input']}, {row['parameters']:,} parameters, {format_duration(row['seconds'])}: {row['what']}"
    )
