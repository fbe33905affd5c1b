"""The learning rate finder (range test): a short training whose rate rises geometrically, to see where the loss breaks.

Smith 2017, "Cyclical learning rates for training neural networks", section 3.3, where the rise is a straight line.
"""

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

from striate.base.errors import NumbersError
from striate.training import loop

LOW, HIGH = 1e-6, 10.0
MOST_STEPS, FEWEST_STEPS, EPOCHS = 100, 30, 5
BROKEN = 4.0
_KEPT = 0.9  # of the mean that runs along
_BELOW = 10.0  # of the rate at the least smoothed loss: beyond it the loss rises, and just before it hardly falls
_FALL = 0.95


class Curve(NamedTuple):
    """What a range test saw."""

    rates: tuple[float, ...]  # of each step, up to the one at which the loss broke
    losses: tuple[float, ...]  # mean loss of each step's batch, before the step
    smooth: tuple[float, ...]  # their running mean
    proposal: float | None  # for `train.lr`, to two digits; None where the loss never fell


def steps_for(an_epoch: int) -> int:
    """100 steps; on small data those of five epochs, but at least 30."""
    return min(MOST_STEPS, max(FEWEST_STEPS, EPOCHS * an_epoch))


def run(task: loop.Task, watch: Callable[[], None] = lambda: None) -> Curve:
    """Make the task's steps at rates from 1e-6 to 10, until the smoothed loss is above 4 times its least or not finite.

    The peak rate of the task's settings must be 1, since the rates are multiples of it; `watch` is called before each step.
    """
    growth = HIGH / LOW

    def rate(step: int) -> float:
        return LOW * float(growth ** (step / (task.steps - 1)))

    losses: list[float] = []
    smooth: list[float] = []
    try:
        for loss in loop.losses(task, rate):
            losses.append(loss)
            smooth.append(running_mean(losses))
            if smooth[-1] > BROKEN * min(smooth):
                break
            watch()
    except NumbersError:  # that is where the loss breaks
        pass
    rates = [rate(step) for step in range(len(losses))]
    return Curve(tuple(rates), tuple(losses), tuple(smooth), proposal(rates, smooth))


def running_mean(losses: Sequence[float]) -> float:
    """The last of a running mean that keeps 0.9 of itself at each step; its weights sum to one from the first step on."""
    weights: list[float] = [_KEPT**age for age in reversed(range(len(losses)))]
    return sum(weight * loss for weight, loss in zip(weights, losses, strict=True)) / sum(weights)


def proposal(rates: Sequence[float], smooth: Sequence[float]) -> float | None:
    """A tenth of the rate of the least smoothed loss, two digits; None where it is not 5 % below the median up to there."""
    if not smooth:
        return None
    least = smooth.index(min(smooth))
    if smooth[least] > _FALL * median(smooth[: least + 1]):
        return None
    return float(f"{rates[least] / _BELOW:.2g}")
