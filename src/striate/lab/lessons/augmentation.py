"""Augmentation of an image by sliders: one homography for its place, one matrix for its colors, and a rectangle erased.

Sources: Krizhevsky, Sutskever & Hinton 2012, section 4.1; Zhong et al. 2020, section 4.
"""

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from striate.lab.controls import Choice, OwnImage, Slider, Toggle, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Grid, Image, Sentence, View, shown

if TYPE_CHECKING:
    from torch import Tensor
Matrix = NDArray[np.float64]
CONTROLS = (
    OwnImage("image", ("china", "flower")),
    Slider("rotate", -180, 180, 5, 15),
    Slider("scale", 0.5, 2, 0.05, 1),
    Slider("shear", -40, 40, 5, 0),
    Toggle("mirror"),
    Slider("crop", 0.1, 1, 0.05, 1),
    Slider("brightness", 0.2, 2, 0.05, 1),
    Slider("contrast", 0, 2, 0.05, 1),
    Slider("saturation", 0, 2, 0.05, 1),
    Slider("hue", -0.5, 0.5, 0.05, 0),
    Slider("erase", 0, 0.33, 0.01, 0),
    Choice("border", ("mirror", "edge", "black"), "mirror"),
)
EXERCISES = (
    NumberExercise("crop", lambda: float(_place({"crop": 0.25})[0, 0]), 0.001),
    ChoiceExercise("rotation", ("top", "bottom", "left"), lambda: _source_of_right()),
    ChoiceExercise("label", ("rotate", "shift", "brightness"), lambda: "rotate"),
)


def views(values: Values, say: Texts) -> list[View]:
    """The image before and after, and the two matrices."""
    import torch

    from striate.batches import augment, color, geometry

    pixels_HWC = values["image"]
    side_px = pixels_HWC.shape[0]
    place_33 = _place(values)
    levels_34 = _levels(values, pixels_HWC.mean(axis=(0, 1)) / 255.0)
    image_1CHW: Tensor = torch.from_numpy(pixels_HWC.copy())[None].permute(0, 3, 1, 2).float()
    moved_1CHW = image_1CHW
    if (place_33 != np.eye(3)).any():
        moved_1CHW = geometry.sample(image_1CHW, place_33[None], side_px, values["border"])
    changed_1CHW = color.apply(moved_1CHW, levels_34[None], unit=255.0)
    mean_C = [float(level) for level in pixels_HWC.mean(axis=(0, 1)) / 255.0]
    changed_1CHW = augment.erase(changed_1CHW, _rectangle(values["erase"], side_px), mean_C)
    after_HWC = (changed_1CHW[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    changed = int((np.abs(after_HWC.astype(int) - pixels_HWC) > 2).any(axis=2).sum())
    return [
        Image("before", pixels_HWC, say("views.before")),
        Image("after", after_HWC, say("views.after")),
        Grid("place", place_33, -1, 1, diverging=True, caption=say("said.place")),
        Grid("color", levels_34, -1, 1, diverging=True, caption=say("said.color")),
        Sentence("result", say("said.result", share=shown(100 * changed / side_px**2, 3))),
    ]


def _place(values: Values) -> Matrix:
    """The homography from a new place to an old one, in the order of a training's augmentation."""
    from striate.batches import geometry

    def one(number: float) -> Matrix:
        return np.array([float(number)])

    half = one(0.5)
    steps = [geometry.crop(values.get("crop", 1.0), one(0), half, half, half)]
    steps.append(geometry.scaling(one(-1 if values.get("mirror") else 1), one(1)))
    steps.append(geometry.scaling(*(one(1 / values.get("scale", 1)) for _ in "xy")))
    steps.append(geometry.shear(one(values.get("shear", 0))))
    steps.append(geometry.rotation(one(values.get("rotate", 0))))
    product: Matrix = reduce(np.matmul, steps)[0] + 0.0
    return product


def _levels(values: Values, mean_C: Matrix) -> Matrix:
    """The color matrix, in the order of a training's augmentation."""
    from striate.batches import color

    def one(name: str) -> Matrix:
        return np.array([float(values[name])])

    steps = [color.brightness(one("brightness"), 3)]
    steps.append(color.contrast(one("contrast"), color.compose(steps, 1, 3, mean_C[None]) @ color.LUMA, 3))
    steps.append(color.saturation(one("saturation")))
    if values["hue"]:
        steps.append(color.hue(one("hue")))
    product: Matrix = color.multiply(steps, 1, 3)[0]
    return product


def _rectangle(share: float, side_px: int) -> Any:
    """A square with this part of the image's area, right of the middle."""
    from striate.batches.mixup import Rectangles

    edge = round(share**0.5 * side_px)
    left, top = round(0.55 * (side_px - edge)), round(0.4 * (side_px - edge))
    return Rectangles(*(np.array([place]) for place in (left, left + edge, top, top + edge)))


def _source_of_right() -> str:
    x, y, _ = _place({"rotate": 90}) @ (1, 0, 1)
    return "left" if x < -0.5 else "top" if y < -0.5 else "bottom"
