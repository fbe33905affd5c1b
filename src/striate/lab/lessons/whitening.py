"""Two neighboring pixels of many digits as a cloud: centered, scaled, decorrelated, whitened, and from fewer components.

Source: Bell & Sejnowski 1997, section 5.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from striate.lab.controls import Choice, Slider, Values
from striate.lab.exercises import NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Image, Lines, Mark, Points, Sentence, Series, View, Window, shown

if TYPE_CHECKING:
    from torch import Tensor

    from striate.batches.whitening import Whitening
STEPS = ("raw", "centered", "reduced", "scaled", "decorrelated", "whitened")
MOST = 60  # of 64: the corners of all digits are empty
CONTROLS = (
    Choice("step", STEPS, "raw"),
    Slider("components", 1, MOST, 1, MOST),
    Slider("image", 0, 49, 1, 0),
)
EXERCISES = (
    NumberExercise("correlation", lambda: _correlation("decorrelated"), 0.001),
    NumberExercise("variance", lambda: 0.04**0.5, 0.001),
    NumberExercise("components", lambda: int(np.searchsorted(_shares(), 0.9)) + 1, 1),
)


def views(values: Values, say: Texts) -> list[View]:
    """The cloud after a step with its principal axes, one digit, and the variance that components have."""
    from striate.batches.neighbor_pixel_scatter import clouds

    step, components = values["step"], values["components"]
    pixels_NHWC = digits()
    whitening, mean_CHW = fitted(components)
    pair = clouds(pixels_NHWC, np.arange(len(pixels_NHWC)), "whitening", rebuild=lambda some: rebuilt(some, components))
    cloud = next(entry for entry in pair.clouds if entry.name == step)
    points_N2, covariance_22 = cloud.points_N2, cloud.covariance_22
    variances_2, axes_22 = np.linalg.eigh(covariance_22)
    center_2 = points_N2.mean(axis=0)
    lines = []
    for number in (1, 0):
        ends_22 = center_2 + np.outer((-2, 2), axes_22[:, number] * np.sqrt(max(variances_2[number], 0)))
        lines.append(Series(say(f"said.axis{2 - number}"), ends_22[:, 0], ends_22[:, 1], 1 if number else 3))
    limits = (-4.0, 4.0) if step in ("scaled", "whitened") else (-0.1, 1.1) if step == "raw" else (-1.0, 1.0)
    unit = say("said.stds") if step in ("scaled", "whitened") else say("said.levels")
    labels = [say(f"said.{side}", unit=unit) for side in ("left", "right")]
    if step in ("decorrelated", "whitened"):
        labels = [say(f"said.component{number}", unit=unit) for number in (1, 2)]
    one_1HWC = pixels_NHWC[values["image"] : values["image"] + 1]
    whitened_CHW = whitening.forward(_centered(one_1HWC, mean_CHW))[0, 0].numpy()
    frame = (Window(pair.row, pair.column, 1, 2, 1),)
    shares = _shares()
    mark = (Mark(components, shares[components - 1], f"{shares[components - 1]:.1%}", 2),)
    text = {"first": shown(covariance_22[0, 0], 3), "second": shown(covariance_22[1, 1], 3)}
    correlation = _correlation_of(covariance_22)
    return [
        Points(
            "cloud", (Series(say("said.digits"), points_N2[:, 0], points_N2[:, 1], 2),), labels[0], labels[1], lines, limits,
            limits,
        ),
        Lines("variance", (Series(say("said.variance"), range(1, len(shares) + 1), shares, 2),), say("said.components"),
              say("said.share"), mark, (0, 64), (0, 1.02), move=("components",)),
        Image("original", one_1HWC[0], say("views.original"), 20, windows=frame),
        Image("reduced", _bytes(rebuilt(one_1HWC, components)[0] + mean_CHW.permute(1, 2, 0).numpy(), 0, 1),
              say("views.reduced"), 20),
        Image("whitened", _bytes(whitened_CHW, -3, 3), say("views.whitened"), 20),
        Sentence("result", say("said.result", correlation=shown(round(correlation, 3) + 0.0, 3), **text)),
    ]  # fmt: skip


@cache
def digits() -> NDArray[np.uint8]:
    """The 1,797 digits of scikit-learn, N x 8 x 8 x 1."""
    from sklearn.datasets import load_digits

    return np.asarray((load_digits().images * 255 / 16).round().astype(np.uint8)[..., None])


@cache
def fitted(components: int) -> "tuple[Whitening, Tensor]":
    """The ZCA whitening of the digits with so many components, and their mean image."""
    from striate.batches.whitening import fit

    return fit(digits(), np.arange(len(digits())), "zca", components)


def rebuilt(pixels_NHWC: NDArray[np.uint8], components: int) -> NDArray[np.float32]:
    """Centered levels from so many components, N x H x W x C."""
    whitening, mean_CHW = fitted(components)
    levels_NCHW = whitening.back(whitening.forward(_centered(pixels_NHWC, mean_CHW)), (1, 8, 8))
    return np.asarray(levels_NCHW.permute(0, 2, 3, 1).numpy())


def _centered(pixels_NHWC: NDArray[np.uint8], mean_CHW: "Tensor") -> "Tensor":
    import torch

    return torch.from_numpy(pixels_NHWC).permute(0, 3, 1, 2) / 255.0 - mean_CHW


def _shares() -> NDArray[Any]:
    """Which part of the variance the first 1, 2, ... components have."""
    variances_K = fitted(MOST)[0].variances_K.double().numpy()
    total = float((digits() / 255.0).var(axis=0).sum())
    return np.asarray(np.cumsum(variances_K) / total)


def _correlation(step: str) -> float:
    from striate.batches.neighbor_pixel_scatter import clouds

    pair = clouds(digits(), np.arange(len(digits())), "whitening")
    return _correlation_of(next(cloud.covariance_22 for cloud in pair.clouds if cloud.name == step))


def _correlation_of(covariance_22: NDArray[Any]) -> float:
    spread = float(np.sqrt(covariance_22[0, 0] * covariance_22[1, 1]))
    return float(covariance_22[0, 1]) / spread if spread else 0.0


def _bytes(levels: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Levels from `low` to `high` as gray levels."""
    return np.asarray(np.clip((levels - low) / (high - low) * 255, 0, 255).round().astype(np.uint8))
