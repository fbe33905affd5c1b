"""`striate finetune`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.table import Table

from striate.base import config
from striate.base.errors import SettingError
from striate.base.phrases import percent
from striate.base.wall_clock import counting
from striate.cli.console import Event, Settings, documented_by, reported, scores, show, speaking, split, table, trust


@documented_by("striate.workflows.finetune.run", "finetune")
def finetune(
    data: str | None = None, /, *, weights: Annotated[str | None, Parameter("--from")] = None, strategy: str | None = None,
    layer: tuple[str, ...] = (), classifier: Literal["svm", "logistic", "knn"] | None = None, per_class: str | None = None,
    minutes: float | None = None, folds: int | None = None, seed: int | None = None, name: str | None = None,
    out: Path = Path("runs"), data_dir: str | None = None, labels_from: str | None = None, group: str | None = None,
    relabel: str | None = None, exclude: str | None = None, multi_label: bool = False, resume: bool = False,
    set_: Settings = (),
    no_report: bool = False, tensorboard: bool = False, trust_code: bool = False, ray_address: str | None = None,
    json: bool = False,
) -> None:  # fmt: skip
    """Make a classifier of one's own images out of the weights of another training, and save it under OUT/NAME.

    Args:
        weights: resnet20@cifar10, which comes along; NET@imagenet, NET@FILE.safetensors, a run, or a model's folder.
        strategy: extract: a classifier on what the frozen network makes of the images (the default); adapt: a new last layer;
            retrain: all weights; scratch: none of them, as a control; some with commas; or all.
        layer: of extract: a layer whose output is taken as features, or several with commas; else the last before the head.
        classifier: of extract: svm, a linear support vector machine; logistic regression; or knn, nearest neighbors.
        per_class: numbers of training images of each class with commas, as 5,10,20: learning curves.
        labels_from: of a folder: parent, top, or 'name:EXPRESSION' with one group, as 'name:(.+)_[0-9]'.
        group: images that share it stay on one side of the split: a column, 'name:EXPRESSION', parent (folder), or exif:burst.
        relabel: a table with the columns path and new_label (or label): other labels for some images.
        exclude: a table with the column path, or a path in each line: images to leave out.
        multi_label: of a table: images have several labels or none, in one cell as cat|dog or in columns of 0 and 1.
        set_: a setting of section data, augment, finetune or engine, or preprocess.resize_mode; may be repeated.
        no_report: do not end by writing the report; `striate report NAME` does that later.

    """
    from striate.workflows import checks
    from striate.workflows.finetune import check

    images = {"data_dir": data_dir, "folds": folds, "labels_from": labels_from, "group": group, "relabel": relabel}
    images |= {"exclude": exclude, "multi_label": multi_label or None}
    flags = {"data": images, "finetune": {"classifier": classifier}}
    settings = config.join(*(config.setting(text) for text in set_), flags, {"tensorboard": tensorboard or None})
    own: dict[str, Any] = {"weights": weights, "strategies": split((strategy or "",)), "layers": split(layer)}
    own |= {"per_class": _numbers(per_class), "minutes": minutes}
    begin, tree = check.settings_to_resume if resume else check.check, check.tree(data, settings, seed, **own)
    with counting(), speaking() as watch, checks.before_torch(watch, begin, out, name, tree):
        from striate.workflows.finetune import run as workflow

        if weights is not None:
            trust(weights, trust_code)
        result = workflow.finetune(
            data,
            seed=seed,
            name=name,
            out=out,
            resume=resume,
            report=not no_report,
            ray_address=ray_address,
            settings=settings,
            watch=watch,
            **own,
        )
    show(result, json, _parts)


def _numbers(text: str | None) -> list[int]:
    parts = split((text or "",))
    if not all(part.isdigit() for part in parts):
        raise SettingError(f"--per-class: expected numbers with commas, as 5,10,20; got {text!r}.")
    return [int(part) for part in parts]


def _parts(result: Event) -> Iterator[str | Table]:
    measure = "mAP" if "map" in (result["val"] or ()) else "accuracy"
    for layer in result.get("layers", ()):
        share = "" if layer["cross_validated"] is None else f", cross-validated {measure} {percent(layer['cross_validated'])}"
        yield f"{layer['name']}: {layer['features']:,} features{share}"
    if len(result["strategies"]) > 1:
        yield _table(result["strategies"], result["recommended"])
    for point in result["curve"]:
        yield f"{point['per_class']} of each class, {point['images']:,} training images:"
        yield _table(point["strategies"], None)
    if result["drawn"]:
        yield f"learning curves: {result['drawn']}"
    if len(result["strategies"]) > 1:
        yield result["sentence"]
    yield from (*scores(result), f"{result['seconds']:.0f} s; the run lies in {result['run']}", *reported(result))


def _table(strategies: list[Event], recommended: str | None) -> Table:
    heads = ("strategy", "validation", "test", "95 % interval", "p against it", "seconds", "parameters")
    rows = table(*heads, box=None)
    for row in strategies:
        test, p_value = row["test"], row["p_value"]
        rows.add_row(
            f"{row['name']}{' (kept)' if row['name'] == recommended else ''}", percent(row['val']['accuracy']),
            percent(test["accuracy"]) if test else "-", f"{percent(test['low'])} to {percent(test['high'])}" if test else "-",
            "-" if p_value is None else f"{p_value:.2g}", f"{row['seconds']:,.0f}", f"{row['parameters']:,}",
        )  # fmt: skip
    return rows
