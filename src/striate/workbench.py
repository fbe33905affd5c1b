"""The commands that train: each returns what it prints with `--json`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from striate.base import config
from striate.base.errors import SettingError
from striate.base.events import Json, Watch, quiet
from striate.base.train_settings import STRATEGY


def train(
    data: str | None = None,
    *,
    net: str | None = None,
    recipe: str | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
    folds: int | None = None,
    seed: int | None = None,
    name: str | None = None,
    out: str | Path = "runs",
    data_dir: str | None = None,
    pixel_cache_gb: float | None = None,
    resume: bool = False,
    report: bool = True,
    settings: Mapping[str, Any] | None = None,
    watch: Watch = quiet,
) -> Json:
    """Train a classifier on labeled images, test it, and save it under `out/name`.

    Args:
        data: a folder, a table, or digits, mnist, fashion-mnist, cifar10.
        net: a name of the catalogue, a line of layers, or `file.py:Class`; else by the rule in `workflows/train/defaults.py`.
        recipe: a name of the package's recipes, or a TOML file; the other arguments win over it.
        epochs: passes over the training images.
        minutes: time to train for, in place of epochs.
        folds: test on every image once by so many trainings, then train on all.
        seed: of initialization, order and dropout.
        name: of the run; else a readable one is made.
        out: the folder of runs.
        data_dir: where named data sets lie.
        pixel_cache_gb: most GB of decoded pixels to keep in the cache; above, each epoch decodes them anew.
        resume: go on with the run `name` from its last checkpoint; takes no other setting.
        report: end by writing the report.
        settings: nested settings of `striate.base.config.Run`, as in `{"train": {"lr": 0.1}}`.
        watch: called with every event: decode, step, epoch.

    Returns:
        run, net, steps, seconds, val and test {accuracy, low, high, n}, weights_sha256, and more.

    Raises:
        StriateError: see `striate.base.errors`; Interrupted where a signal stopped it, after a checkpoint.

    """
    tree = config.asked(
        data, settings, net=net, recipe=recipe, epochs=epochs, minutes=minutes, folds=folds, seed=seed, data_dir=data_dir,
        pixel_cache_gb=pixel_cache_gb,
    )  # fmt: skip
    from striate.workflows.train.run import run_in

    return run_in(Path(out), name, tree, resume, watch, report)


def find_rate(
    data: str | None = None, *, draw: str | Path = "find-lr.svg", settings: Mapping[str, Any] | None = None,
    watch: Watch = quiet, **asked: Any,
) -> Json:  # fmt: skip
    """Look for a learning rate: up to 100 steps at rates that rise from 1e-6 to 10, of which nothing is kept but an image.

    Args:
        data: as for `train`.
        draw: the image, as .svg, .png or .pdf.
        settings: as for `train`.
        watch: called with every event: decode, step.
        asked: `net`, `recipe`, `epochs`, `minutes`, `seed` and `data_dir`, as for `train`.

    Returns:
        net, rates, losses, smooth (the losses' running mean), proposal (a tenth of the rate at which that is least; None where
        the loss never fell), lr (what the settings have now) and drawn.

    """
    from striate.workflows.train.run import find_rate as look

    return look(config.asked(data, settings, **asked), Path(draw), watch)


def finetune(
    data: str | None = None,
    *,
    start: str | None = None,
    strategies: str | Iterable[str] | None = None,
    taps: Iterable[str] = (),
    per_class: Iterable[int] = (),
    minutes: float | None = None,
    seed: int | None = None,
    name: str | None = None,
    out: str | Path = "runs",
    resume: bool = False,
    report: bool = True,
    settings: Mapping[str, Any] | None = None,
    watch: Watch = quiet,
) -> Json:
    """Make a classifier of one's own images out of the weights of another training, test it, and save it under `out/name`.

    Strategies: extract, a classifier on what the frozen network makes of them; adapt, a new last layer on it; retrain, all
    weights, the last layer first; scratch, from its initialization, as a control. The best on the validation images is kept.

    Args:
        data: as for `train`.
        start: `NET@cifar10`, `NET@imagenet`, `NET@FILE`, a run, or a model's folder.
        strategies: all, or one or some of extract, adapt, retrain and scratch; else extract.
        taps: of extract: layers to compare, by cross-validation on the training images; else the last before the head.
        per_class: numbers of training images of each class, rising: all strategies are run with each of them too.
        minutes: most minutes that each strategy may train for.
        seed: of folds, order, augmentation and initialization.
        name: of the run; else a readable one is made.
        out: the folder of runs.
        resume: go on with the run `name` where it was interrupted; takes no other setting.
        report: end by writing the report.
        settings: nested settings, as in `{"finetune": {"retrain": {"epochs": 10}}}`.
        watch: called with every event.

    Returns:
        run, strategies [{name, val, test, seconds, p_value, parameters, ...}], recommended, sentence, curve, and more.

    """
    names = [strategies] if isinstance(strategies, str) else list(strategies or ())
    words = {
        "start": start, "strategies": list(get_args(STRATEGY)) if names == ["all"] else names or None,
        "taps": list(taps) or None, "per_class": list(per_class) or None, "minutes": minutes,
    }  # fmt: skip
    own = config.merge(dict(settings or {}), {"data": {"path": data}, "seed": seed, "finetune": words})
    if not resume and not (own["finetune"].get("start") and own["data"].get("path")):
        raise SettingError("expected DATA and --from: what to learn, and the weights to begin with, as resnet20@cifar10.")
    from striate.workflows.finetune.run import run_in
    from striate.workflows.load_model import load

    return run_in(Path(out), name, own, resume, load, watch, report)
