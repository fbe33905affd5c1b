"""What is known of a training before torch is imported and an image is decoded: its name, places, settings, counts.

Legend: M training images.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import config, files, run_folder, several_labels
from striate.base.errors import RunError, SettingError
from striate.data import sources, split
from striate.data.examples import Examples
from striate.nets import catalogue
from striate.plots import save_figure
from striate.workflows import one_label
from striate.workflows.checks import check_resumed, check_room, check_tensorboard
from striate.workflows.finetune import check as fine_tuning
from striate.workflows.finetune import start
from striate.workflows.train import defaults

PREVIEWS = ("mean", "std", "whitening", "augment")


class Checked(NamedTuple):
    """Settings before the rules, and the images as they are listed."""

    run: config.Run
    examples: Examples
    train_labels_M: NDArray[np.int64]  # as the split would be if all images can be decoded and none are equal


def check(out: Path, name: str | None, settings: config.Tree) -> Checked:
    """A training that begins in `out/name`.

    Raises:
        StriateError: what is wrong with it, as far as names, places, settings and the list of images tell.

    """
    run = config.build(settings)
    check_tensorboard(run)
    check_room(out)
    if name is None:
        files.check_new_folder(out)
    else:
        run_folder.claim(out, name, resume=False)
    return check_images(run)


def named_start(settings: config.Tree) -> tuple[config.Tree, str | None]:
    """The settings, without weights where the user wants none; and what was named: weights, none, or nothing."""
    finetune = dict(settings.get("finetune") or {})
    named = finetune.get("weights") or (start.weights_here() if finetune else None)
    if named == start.NONE:
        del finetune["weights"]
    elif named is not None:
        finetune["weights"] = named
    return {**settings, "finetune": finetune}, named


def pretrained(settings: config.Tree, weights: str | Path) -> config.Tree:
    """The settings of a fine-tuning from these weights; the minutes are those of the whole command for both."""
    train, finetune = dict(settings.get("train") or {}), {**(settings.get("finetune") or {}), "weights": weights}
    if (minutes := train.pop("minutes", None)) is not None:
        finetune["minutes"] = minutes
    return {**settings, "train": train, "finetune": finetune}


def check_start(out: Path, name: str | None, settings: config.Tree) -> None:
    """A training as its user asks for it: from pretrained weights where these are named, else from its initialization."""
    settings, named = named_start(settings)
    if named in (None, start.NONE):
        check(out, name, settings)
    else:
        fine_tuning.check(out, name, pretrained(settings, named))


def check_range_test(settings: config.Tree, path: Path) -> Checked:
    """A learning-rate range test, whose plot is drawn into `path`."""
    save_figure.check_file(path)
    run = config.build(settings)
    if run.data.folds is not None:
        raise SettingError("data.folds does not apply to the range test, which is one short training; leave it out.")
    if run.train.optimizer == "muon-adamw":
        raise SettingError(
            "train.optimizer='muon-adamw' does not apply to the range test, which finds one learning rate, and it has two. "
            "Use another."
        )
    return check_images(run)


def check_preview(settings: config.Tree, what: str, path: Path) -> Checked:
    """A preview of a step of preparation, which is drawn into `path`."""
    if what not in PREVIEWS:
        raise SettingError(f"expected --preview {', '.join(PREVIEWS)}; got {what!r}.")
    save_figure.check_file(path)
    run = config.build(settings)
    one_label.refuse(run.data, "a preview")
    return check_images(run, to_train=False)


def check_images(run: config.Run, to_train: bool = True) -> Checked:
    """The same without its place, as for a command that trains nothing or keeps nothing."""
    if to_train and run.finetune.weights is not None:
        raise SettingError("finetune.weights does not apply to this command; remove it.")
    if not run.data.path:
        raise SettingError("expected DATA: a folder of images by class, a table, or digits, mnist, cifar10.")
    run = for_several_labels(run) if run.data.multi_label else run
    if run.net.name is not None:
        catalogue.check(run.net.name, run.net.own())
        if catalogue.gradient_free(run.net.name) is not None:
            defaults.without_gradients(run, run.net.name)
    examples = sources.read(run.data)
    parts = split.check(examples, run.data)
    return Checked(run, examples, examples.labels_N[parts.train_M])


def for_several_labels(run: config.Run) -> config.Run:
    """The settings with what is different where an image may have several labels."""
    if catalogue.gradient_free(run.net.name or "") is not None:
        raise SettingError(f"{run.net.name} learns one label for each image; with data.multi_label=true take another network.")
    return config.complete(run, {"unknown_rate": 0.0, "train": {"loss": several_labels.LOSS}})


def settings_to_resume(out: Path, name: str | None, settings: config.Tree) -> config.Run:
    """The settings of a training in `out/name` that is resumed, from which `settings` may not differ."""
    if name is None:
        raise RunError("--resume needs the run's --name; `striate runs` lists them.")
    folder = run_folder.claim(out, name, resume=True)
    run = run_folder.settings(folder)
    check_tensorboard(run)
    check_resumed(folder)
    if run.finetune.weights is None:  # else the fine-tuning refuses them
        config.refuse_other(settings, run)
    return run
