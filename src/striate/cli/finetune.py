"""`striate finetune`."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from striate.base import config
from striate.cli.speaking import print_json, scores, speaking, stdout


def finetune(
    data: str,
    /,
    *,
    start: Annotated[str, Parameter("--from")],
    strategy: Literal["extract"] = "extract",
    tap: tuple[str, ...] = (),
    classifier: Literal["svm", "logistic"] | None = None,
    seed: int | None = None,
    name: str | None = None,
    out: Path = Path("runs"),
    data_dir: str | None = None,
    set_: Annotated[tuple[str, ...], Parameter("--set")] = (),
    json: bool = False,
) -> None:
    """Make a classifier of one's own images out of the weights of another training, and save it under OUT/NAME.

    Args:
        data: a folder of images by class, a CSV or Parquet table, or digits, mnist, fashion-mnist, cifar10.
        start: resnet20@cifar10, which comes along; NET@imagenet, NET@FILE.safetensors, a run, or a model's folder.
        strategy: extract, a linear classifier on what the frozen network makes of the images.
        tap: a layer whose output is taken as features, or several with commas, to be compared; else the last before the head.
        classifier: svm, a linear support vector machine, or logistic regression.
        seed: of the folds that compare the classifier's strengths.
        name: of the run; else a readable one is made.
        out: the folder of runs.
        data_dir: where named data sets lie; else $STRIATE_DATA, else the cache.
        set_: a setting of section data, finetune or engine, or prepare.fit; may be repeated.
        json: print one JSON object on stdout.

    """
    from striate import workbench

    flags = {"data": {"data_dir": data_dir}, "finetune": {"classifier": classifier}}
    settings = config.merge(*(config.setting(text) for text in set_), flags)
    taps = [part.strip() for given in tap for part in given.split(",")]
    with speaking() as watch:
        found = workbench.finetune(
            data, start=start, strategy=strategy, taps=taps, seed=seed, name=name, out=out, settings=settings, watch=watch
        )
    if json:
        print_json(found)
    else:
        stdout().print(_spoken(found), markup=False)


def _spoken(found: dict[str, Any]) -> str:
    lines = []
    for tap in found["taps"]:
        share = "" if tap["cross_validated"] is None else f", {tap['cross_validated']:.4f} of left-out training images right"
        lines.append(f"{tap['name']}: {tap['features']:,} features{share}")
    return "\n".join([*lines, *scores(found), f"{found['seconds']:.0f} s; the run lies in {found['run']}"])
