"""`striate train`."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from striate.base import config
from striate.cli.speaking import print_json, speaking, stdout


def train(
    data: str | None = None,
    /,
    *,
    net: str | None = None,
    recipe: str | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
    folds: int | None = None,
    seed: int | None = None,
    name: str | None = None,
    out: Path = Path("runs"),
    data_dir: str | None = None,
    store_gb: float | None = None,
    resume: bool = False,
    set_: Annotated[tuple[str, ...], Parameter("--set")] = (),
    json: bool = False,
) -> None:
    """Train a network on labelled images, test it, and save it under OUT/NAME.

    What is not given is chosen by a written rule from the images, and said.

    Args:
        data: a folder of images by class, a CSV or Parquet table, or digits, mnist, fashion-mnist, cifar10.
        net: a network of `striate nets`, a line of layers ('conv 5x5x32, relu, pool 2, fc 10'), or file.py:Class.
        recipe: settings that belong together: mnist_cnn, mnist_cnn_textbook, or a TOML file.
        epochs: passes over the training images.
        minutes: time to train for, instead of epochs; 20 steps are timed, then the number of steps is fixed.
        folds: test on every image once by so many trainings, for small data sets.
        seed: of initialisation, order and dropout.
        name: of the run; else a readable one is made.
        out: the folder of runs.
        data_dir: where named data sets lie; else $STRIATE_DATA, else the cache.
        store_gb: most GB of decoded pixels to keep in the cache, else 50 or half of its free space; above, epochs decode anew.
        resume: go on with the run NAME from its last checkpoint.
        set_: any setting, as in --set train.peak_lr=0.1 or --set prepare.size_px=64; may be repeated.
        json: print one JSON object on stdout.

    """
    from striate import workbench

    with speaking() as watch:
        result = workbench.train(
            data, net=net, recipe=recipe, epochs=epochs, minutes=minutes, folds=folds, seed=seed, name=name, out=out,
            data_dir=data_dir, store_gb=store_gb, resume=resume,
            settings=config.merge(*(config.setting(text) for text in set_)), watch=watch,
        )  # fmt: skip
    if result["weights_sha256"] is None:  # not the process that speaks
        return
    if json:
        print_json(result)
    else:
        stdout().print(_spoken(result), markup=False)


def _spoken(result: dict[str, Any]) -> str:
    lines = []
    for part, what in (("val", "validation"), ("test", "test")):
        if score := result[part]:
            lines.append(
                f"{what} accuracy {score['accuracy']:.4f}  (95 % interval {score['low']:.4f} to {score['high']:.4f}, "
                f"{score['n']:,} images)"
            )
    if result["quarantined"]:
        lines.append(f"{result['quarantined']} bad files were not used; `striate data` lists them")
    lines.append(f"{result['steps']:,} steps in {result['seconds']:.0f} s; the run lies in {result['run']}")
    return "\n".join(lines)
