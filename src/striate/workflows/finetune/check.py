"""What is known of a fine-tuning before torch is imported, weights are loaded and an image is decoded.

Legend: M training images, K classes.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from striate.base import config, files, run_folder, run_record
from striate.base.errors import RunError, SettingError
from striate.base.train_settings import STRATEGY
from striate.data import sources, split
from striate.data.examples import Examples
from striate.workflows.checks import check_model, check_resumed, check_room, check_tensorboard
from striate.workflows.finetune import start

REQUESTED = "requested.toml"  # of a run: the settings before the rules


class Checked(NamedTuple):
    """Settings before the rules, and the images as they are listed."""

    run: config.Run
    examples: Examples


def tree(data: str | Path | None, settings: Mapping[str, Any] | None, seed: int | None, **named: Any) -> config.Tree:
    """Nested settings from the arguments of `finetune`."""
    strategies = named.pop("strategies") or ()
    names = [strategies] if isinstance(strategies, str) else list(strategies)
    own = {"strategies": list(get_args(STRATEGY)) if names == ["all"] else names or None}
    own |= {name: list(value) or None if name in ("layers", "per_class") else value for name, value in named.items()}
    return config.join(dict(settings or {}), {"data": {"path": data}, "seed": seed, "finetune": own})


def with_weights(settings: config.Tree) -> config.Tree:
    """The same settings, with the best weights that are here where none are named; of several labels nothing is flagged."""
    named = settings["finetune"].get("weights") or start.weights_here()
    finetune = {**settings["finetune"], "weights": named}
    if (settings.get("data") or {}).get("multi_label"):
        settings = {"unknown_rate": 0.0, **settings}
    return {**settings, "finetune": finetune}


def check(out: Path, name: str | None, settings: config.Tree) -> Checked:
    """A fine-tuning that begins in `out/name`.

    Raises:
        StriateError: what is wrong with it, as far as names, places, settings and the list of images tell.

    """
    if not settings.get("data", {}).get("path"):
        raise SettingError("expected DATA: a folder of images by class, a table, or the name of a data set.")
    run = config.build(with_weights(settings))
    check_tensorboard(run)
    check_room(out)
    if name is None:
        files.check_new_folder(out)
    else:
        run_folder.claim(out, name, resume=False)
    check_settings(run)
    check_model(run.finetune.weights or "")
    examples = sources.read(run.data)
    parts = split.check(examples, run.data)
    check_per_class(run, examples.classes, examples.count(parts.train_M))
    return Checked(run, examples)


def check_settings(run: config.Run) -> None:
    """Refuse settings that belong to the pretrained weights or do not apply."""
    given, strategies = config.given_by_user(run), run.finetune.strategies or ("extract",)
    for name in given.get("train", {}):
        raise SettingError(
            f"train.{name} does not say which strategy it is for; write finetune.adapt.{name}, finetune.retrain.{name} or "
            f"finetune.scratch.{name}."
        )
    fixed = [f"net.{name}" for name in given.get("net", {})]
    fixed += [f"preprocess.{name}" for name in given.get("preprocess", {}) if name not in start.CHOICES]
    if fixed:
        raise SettingError(f"{fixed[0]} belongs to the pretrained weights; remove it.")
    for name in given.get("augment", {}):
        if strategies == ("extract",):
            raise SettingError(f"augment.{name} does not apply to extract, which sees each image as it is; remove it.")
        if name in ("mixup", "cutmix"):
            raise SettingError(f"augment.{name} mixes images, whose features cannot be cached one by one; remove it.")
    if run.data.folds is not None and (len(strategies) > 1 or run.finetune.per_class):
        several = "several strategies" if len(strategies) > 1 else "learning curves (per_class)"
        raise SettingError(f"data.folds does not apply to {several}, which are compared on one split; leave one of them out.")


def check_per_class(run: config.Run, classes: Sequence[str], counts_K: NDArray[np.int64]) -> None:
    """Refuse learning curves of more images of each class than there are to train on."""
    most = max(run.finetune.per_class or (0,))
    if most > counts_K.min():
        scarce = int(counts_K.argmin())
        raise SettingError(
            f"finetune.per_class: {most} images of each class are more than class {classes[scarce]!r} has training images: "
            f"{counts_K[scarce]}. Leave it out, or add images."
        )


def settings_to_resume(out: Path, name: str | None, settings: config.Tree) -> config.Run:
    """The settings before the rules of a fine-tuning in `out/name` that is resumed, from which `settings` may not differ."""
    if name is None:
        raise RunError("--resume needs the run's --name; `striate runs` lists them.")
    folder = run_folder.claim(out, name, resume=True)
    run = run_folder.settings(folder)
    check_tensorboard(run)
    check_resumed(folder)
    if run.finetune.weights is None:
        raise RunError(
            f"{folder} was not made by `striate finetune`; resume it with `striate train --resume --name {folder.name}`."
        )
    config.refuse_other(config.merge(settings), run)
    requested = run_record.content(folder, REQUESTED)
    if requested is None:
        raise RunError(f"expected {REQUESTED} in {folder}; there is none. {run_record.RESTORE}")
    return config.build(tomllib.loads(requested.decode()))
