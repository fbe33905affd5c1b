"""START HERE: what striate does, one function for each command, wiring the rooms.

    images -> batches -> net -> training -> score -> deploy

The command line and `import striate` both call these functions; each returns what its command prints with `--json`. One network
by itself is looked at in `anatomy.py`, a trained model in `microscope.py`; weights of others come in by `foreign.py`; what lies
on the disk is in `household.py`.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from striate.base import config
from striate.base.errors import SettingError
from striate.base.train_settings import STRATEGY

if TYPE_CHECKING:
    from striate.data.survey import Survey
    from striate.model import Model
    from striate.workflows.predict import Row

log = logging.getLogger("striate")

Json = dict[str, Any]
Watch = Callable[[Json], None]


def _quiet(_event: Json) -> None:
    """Watches nothing."""


def survey(data: str, settings: Mapping[str, Any] | None = None, watch: Watch = _quiet) -> "Survey":
    """Decode every image once and say what is there: counts, bad files, duplicates and leaks, sizes, mean and deviation.

    Args:
        data: a folder, a table, or digits, mnist, fashion-mnist, cifar10. It is never written to.
        settings: of section [data], as in `{"val_share": 0.2}`.
        watch: called with `{"event": "decode", "done": ..., "total": ...}`.

    """
    from striate.data import sources
    from striate.data.survey import survey as look_through

    chosen = config.build({"data": {**(settings or {}), "path": data}}).data
    return look_through(
        sources.read(chosen), chosen, lambda done, total: watch({"event": "decode", "done": done, "total": total})
    )


def show(
    data: str,
    what: str,
    path: str | Path | None = None,
    recipe: str | None = None,
    settings: Mapping[str, Any] | None = None,
    watch: Watch = _quiet,
) -> Json:
    """Draw what a step of preparation does to the training images of DATA.

    Args:
        data: as for `survey`.
        what: mean, std or whitening, as clouds of two pixels and images before and after; augment, as a sheet of images.
        path: .svg, .png or .pdf; else `striate-show-WHAT.png` in the current folder.
        recipe: settings to begin with, as for `train`.
        settings: nested settings of a run, as in `{"augment": {"rotate": 15}}`.
        watch: called with every event.

    """
    from striate.workflows import preview

    tree = config.lay_over(config.recipe(recipe) if recipe else {}, dict(settings or {}))
    return preview.show(what, config.merge(tree, {"data": {"path": data}}), None if path is None else Path(path), watch)


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
    watch: Watch = _quiet,
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
    watch: Watch = _quiet, **asked: Any,
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
    watch: Watch = _quiet,
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

    return run_in(Path(out), name, own, resume, load, watch, report)


def load(run: str | Path, device: str = "cpu") -> "Model":
    """The model of a run, given by name or folder; of an artifact's folder; or `NET@imagenet`, `NET@FILE.safetensors`."""
    from striate.base import run_folder
    from striate.model import Model
    from striate.workflows import external_weights

    if _is_foreign(str(run)):
        return external_weights.load(str(run), device)
    return Model.load(run_folder.model_folder(str(run)), device)


def _is_foreign(run: str) -> bool:
    """Whether this names weights of others, and no run here is called so."""
    from striate.base import run_folder
    from striate.workflows import external_weights

    return external_weights.is_foreign(run) and not (run_folder.OUT / run).exists()


def evaluate(
    run: str,
    data: str | None = None,
    settings: Mapping[str, Any] | None = None,
    watch: Watch = _quiet,
    *,
    views: int = 1,
) -> Json:
    """How good a model is: accuracy with its interval, top-5, per class, confusion matrix, calibration.

    Args:
        run: a run by name or folder, an artifact's folder or `NET@WEIGHTS` (which need `data`).
        data: labeled images to test on; None for the run's own test images, whose stored predictions are used.
        settings: of section [data] for `data`.
        watch: called with progress.
        views: of each image of `data`, whose probabilities are averaged: 5 crops, or 10 with their mirror images.

    """
    from striate.base import run_folder
    from striate.metrics.classification import summary

    if data is None:
        if settings:
            raise SettingError(f"{', '.join(settings)} apply to DATA, and there is none; give it, or remove them.")
        if views != 1:
            raise SettingError(f"views={views} needs DATA, since stored predictions are of one view; give it, or remove views.")
        if _is_foreign(run):
            raise SettingError(f"{run} has no test images of its own; write `striate evaluate {run} DATA`.")
        folder = run_folder.find(run)
        _, labels_N, logits_NK = run_folder.load_predictions(folder / "predictions-test.npz")
        classes = load(run).classes
        about: Json = {"run": str(folder), "data": run_folder.settings(folder).data.path, "quarantined": []}
    else:
        from striate.workflows.evaluate import predict_examples

        model = load(run)
        found = predict_examples(model, config.build({"data": {**(settings or {}), "path": data}}).data, watch, views)
        labels_N, logits_NK, classes = found.labels_N, found.logits_NK, model.classes
        about = {"run": run, "data": data, "quarantined": [bad._asdict() for bad in found.quarantined]}
    return {**about, "views": views, **summary(logits_NK, labels_N, classes).as_json()}


def predict(
    run: str | Path, paths: Iterable[str | Path], device: str = "cpu", out: str | Path | None = None, *, views: int = 1
) -> Iterator["Row"]:
    """One row for each image, in order; an image that cannot be decoded has a row with its error.

    Args:
        run: a run by name or folder, an artifact's folder, or `NET@WEIGHTS`.
        paths: files, folders (searched through) and globs.
        device: to compute on; `auto` for the best there is.
        out: a file that the rows are written to as well, whole or not at all: .csv, .jsonl or .parquet.
        views: of each image, whose probabilities are averaged: 5 crops, or 10 with their mirror images.

    """
    from striate.training import device as engine
    from striate.workflows import predict as predicting

    if out is not None:
        predicting.check_ending(Path(out))
    place = engine.pick(config.Engine(device=device)).device
    found = predicting.rows(load(run, str(place)), paths, views)
    if out is None:
        return found
    kept = list(found)
    predicting.write(kept, Path(out))
    return iter(kept)


def write_report(run: str, follow: bool = False, watch: Watch = _quiet) -> Json:
    """Write all that is known of a run on one page, `report.html` in its folder, and its numbers, `report.json`.

    Args:
        run: by name or folder; it may still be training.
        follow: rewrite it after each epoch, until the run has ended.
        watch: called with progress.

    Returns:
        run, report, numbers (the paths of both), bytes, state, trust {level, sentence, findings} and notes.

    """
    from striate.workflows.report import build

    return (build.follow if follow else build.of_run)(run, watch)
