"""The rule by which `striate train FOLDER` alone chooses network, size, color, resize mode, epochs and batch.

Each choice comes with its reason, is printed before the first step and stored in run.toml. What the user gave is never changed.

| what | rule |
|---|---|
| color | gray where at least 95 % of a sample of the images are gray, else color |
| network | gray, median short side to 40 px: `mnist_cnn`; else four convolutions with batch norm, global mean; PCA: `mlp` |
| size | median short side to 40 px: the least of 16, 28 and 32 px that holds it; above: 64 px |
| size, network named | not below its published size (timm's: 224) where the images have 3/4 of that, nor below its least |
| resize mode | nearly square images are squashed; where a center crop hides at most 30 % of the median image: crop; else pad |
| mirroring | gray images are not mirrored, since digits and letters would change; `mirroring.py` tests those in color |
| augmentation, small color images | shifts by 1/8 of the side; brightness, contrast and saturation by 0.2; not of named nets |
| batch | 100 from 5,000 training images on; below, a tenth of an epoch up to 64, at least 8 |
| epochs | as many as show 54,000 small gray or 400,000 other images, between 1 and 60; fewer where nothing is to gain |
"""

import logging
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import config
from striate.base.errors import SettingError
from striate.base.events import Watch, progress, quiet
from striate.base.phrases import join_names
from striate.data.examples import Examples
from striate.data.survey import SampleStats, sample_stats
from striate.nets import catalogue

log = logging.getLogger("striate")

PHOTO_NET = (
    "conv 3x3x32, bn, relu, pool 2, conv 3x3x64, bn, relu, pool 2, conv 3x3x128, bn, relu, pool 2, "
    "conv 3x3x256, bn, relu, globalpool, fc"
)
SMALL_COLOR: config.Tree = {"shift": 0.125, "brightness": 0.2, "contrast": 0.2, "saturation": 0.2}
_SMALL_PX = 40  # median short side up to which images are small
_TIMM_PX = 224
_COMPONENTS = 20  # of GMDH: 190 pairs
_SMALL_SHOWN, _SHOWN, _MOST_EPOCHS = 54_000, 400_000, 60


class Resolved(NamedTuple):
    """Settings that are complete but for batch and epochs, which the split decides; and statistics of a sample."""

    run: config.Run
    stats: SampleStats


def resolve(run: config.Run, examples: Examples, watch: Watch = quiet, stats: SampleStats | None = None) -> Resolved:
    """The settings that decoding depends on, completed by the rule from a sample of the images; the choices are logged."""
    stats = stats or sample_stats(examples, run.data, progress=progress(watch, "sample"))
    return Resolved(_logged(choose_input(run, stats)), stats)


class Plan(NamedTuple):
    """Complete settings, and one sentence for each that the rule chose."""

    run: config.Run
    reasons: tuple[str, ...]


def choose_input(run: config.Run, stats: SampleStats) -> Plan:
    """The network and what it sees of the images, from statistics of a sample: all that decoding depends on."""
    given, short = run.preprocess, min(stats.height_px, stats.width_px)
    colored = not stats.gray and given.channels != 1
    name, why_net = (run.net.name, "") if run.net.name else _net(run, short, colored)
    size_px, why_size = _size(name, short)
    mode, why_mode = resize_mode(stats)
    channels = given.channels or (1 if stats.gray else 3)
    why_color = "" if given.channels else "gray: the images have no color" if stats.gray else "color: the images have it"
    why_net_and_size = "; ".join(why for why in (why_net, "" if given.size_px else why_size) if why)
    why_mode = "" if given.resize_mode else why_mode
    chosen: config.Tree = {
        "net": {"name": name}, "preprocess": {"size_px": size_px, "resize_mode": mode, "channels": channels},
    }  # fmt: skip
    if catalogue.gradient_free(name) is not None:
        preprocess, why = without_gradients(run, name)
        chosen["preprocess"] |= preprocess
        reasons = [why_net_and_size, why_mode, why, why_color if name == "gmdh" else ""]
    else:
        reasons = [why_color, why_net_and_size, why_mode]
        if name == PHOTO_NET and not run.net.name and short <= _SMALL_PX:
            chosen["augment"] = SMALL_COLOR
            reasons.append(_why_augmented(run))
        if channels == 1 and run.augment.flip is None:
            chosen["augment"] = {"flip": False}
            reasons.append("not mirrored: gray images may be digits or letters, which that would change")
    return Plan(config.complete(run, chosen), tuple(reason for reason in reasons if reason))


def choose_schedule(run: config.Run, stats: SampleStats, train_images: int) -> Plan:
    """Batch and epochs, from how many images an epoch shows; of a network without gradients there are none."""
    if catalogue.gradient_free(run.net.name or "") is not None:
        return Plan(run, ())
    size, reasons = 100 if train_images >= 5000 else max(8, min(64, train_images // 10)), []
    chosen: config.Tree = {"batch_size": max(size, run.train.grad_accum_steps)}
    if "batch_size" not in run.train.model_fields_set:
        an_epoch = " an epoch" if run.train.sampling == "balanced" else ""
        reasons.append(f"batches of {size}: {train_images:,} training images{an_epoch}")
    if not (run.train.epochs or run.train.steps or run.train.minutes):
        small = min(stats.height_px, stats.width_px) <= 28 and run.preprocess.channels == 1
        shown = _SMALL_SHOWN if small else _SHOWN
        epochs = chosen["epochs"] = max(1, min(_MOST_EPOCHS, ceil(shown / train_images)))
        chosen["early_stop"] = True
        reasons.append(f"epochs {epochs}: to show about {shown:,} images, at most {_MOST_EPOCHS} times each")
    return Plan(config.complete(run, {"train": chosen}), tuple(reasons))


def without_gradients(run: config.Run, name: str) -> tuple[config.Tree, str]:
    """What networks without gradients need: levels for the neocognitron, a few components for GMDH; and no optimizer."""
    given = config.given_by_user(run)
    for section in ("train", "augment", "net"):
        plain = type(getattr(run, section))().model_dump(mode="json")
        for setting, value in given.get(section, {}).items():
            if (section, setting) != ("net", "name") and value != plain[setting]:  # a run.toml has the defaults too
                raise SettingError(f"{section}.{setting} does not apply to {name}, which learns without gradients; remove it.")
    if name == "gmdh":
        wanted: config.Tree = {"scale": "pca", "components": _COMPONENTS}
        why = f"gmdh sees {_COMPONENTS} principal components: every pair of them is fitted"
    else:
        wanted = {"scale": "none", "center": "none", "channels": 1}
        why = f"{name} sees gray levels as they are, white as ink"
    for setting, value in wanted.items():
        if given.get("preprocess", {}).get(setting, value) != value and setting != "components":
            raise SettingError(f"preprocess.{setting} has to be {value} for {name}; remove it.")
    return wanted, why


def complete_schedule(run: config.Run, stats: SampleStats, labels_M: NDArray[np.int64]) -> config.Run:
    """Batch and epochs, completed by the rule from the labels of the images that are trained on; the choices are logged."""
    return _logged(choose_schedule(run, stats, images_an_epoch(run, labels_M)))


def images_an_epoch(run: config.Run, labels_M: NDArray[np.int64]) -> int:
    """How many images an epoch shows of those with these labels."""
    if run.train.sampling != "balanced":
        return len(labels_M)
    counts = np.bincount(labels_M)
    return int(np.count_nonzero(counts) * counts.max())


def _logged(plan: Plan) -> config.Run:
    for reason in plan.reasons:
        log.info("%s", reason)
    return plan.run


def resize_mode(stats: SampleStats) -> tuple[str, str]:
    """How images of these shapes are made square, and the reason."""
    if stats.aspect <= 1.05:
        return "squash", "resize squash: the images are nearly square, so nothing is lost or bent"
    hidden = 1 - 1 / stats.aspect
    mode = "crop" if hidden <= 0.3 else "pad"
    return mode, f"resize {mode}: a center crop would hide {hidden:.0%} of the median image"


def _net(run: config.Run, short: int, colored: bool) -> tuple[str, str]:
    if run.preprocess.scale == "pca":
        return "mlp", "network mlp: principal components have no places, which convolutions need"
    if short <= _SMALL_PX and not colored:
        return "mnist_cnn", f"network mnist_cnn: the median short side is {short} px"
    return PHOTO_NET, f"network of four convolutions: the median short side is {short} px{', in color' * (short <= _SMALL_PX)}"


def _why_augmented(run: config.Run) -> str:
    """What the rule adds for small images in color, without what the user set."""
    left = [f"{name} {value:g}" for name, value in SMALL_COLOR.items() if name not in run.augment.model_fields_set]
    return f"augmented: {join_names(left)}, since small images in color are learned better so" if left else ""


def _size(name: str, short: int) -> tuple[int, str]:
    size = 64 if short > _SMALL_PX else next((side for side in (16, 28) if short <= side), 32)
    why = f"size {size} px: the median short side is {short} px"
    entry = catalogue.gradient_free(name) or (catalogue.find(name) if name in catalogue.names() else None)
    published = entry.input_chw[1] if entry and entry.input_chw else _TIMM_PX if catalogue.is_timm(name) else 0
    if size < published and short >= 0.75 * published:
        size, why = published, f"size {published} px: {name} was published for it"
    if entry and size < entry.smallest_px:
        size, why = entry.smallest_px, f"size {entry.smallest_px} px: the least that {name} takes"
    return size, why
