"""Learning rate schedules: the rate as a function of the step, in multiples of `train.lr`."""

from collections.abc import Callable
from math import cos, pi

from striate.base.config import Train

Schedule = Callable[[int], float]  # step from 0 -> multiplier of lr

_ONE_CYCLE_WARMUP = 0.3
_ONE_CYCLE_START = 1 / 25
_STEP_EVERY = 1 / 3
_STEP_FACTOR = 0.1


def make(settings: Train, steps: int) -> Schedule:
    """The schedule that the settings describe, over this many steps."""
    if settings.schedule == "one-cycle":
        share = _ONE_CYCLE_WARMUP if settings.warmup is None else settings.warmup
        return one_cycle(steps, round(share * steps))
    warmup = round((settings.warmup or 0.0) * steps)
    if settings.schedule == "cosine":
        return after_warmup(warmup, cosine(steps, warmup))
    if settings.schedule == "linear":
        return after_warmup(warmup, linear(steps, warmup))
    if settings.schedule == "step":
        every = max(1, round((settings.step_every or _STEP_EVERY) * steps))
        return after_warmup(warmup, stairs(every, settings.step_factor or _STEP_FACTOR))
    return after_warmup(warmup, lambda _step: 1.0)


def after_warmup(warmup: int, then: Schedule) -> Schedule:
    """A straight rise over `warmup` steps to what `then` gives there."""
    return lambda step: (step + 1) / (warmup + 1) * then(warmup) if step < warmup else then(step)


def linear(steps: int, begin: int = 0) -> Schedule:
    """A straight line from 1 at step `begin` towards 0 at the end."""
    return lambda step: 1 - (step - begin) / max(1, steps - begin)


def cosine(steps: int, begin: int = 0) -> Schedule:
    """Half a cosine from 1 at step `begin` towards 0 at the end (Loshchilov & Hutter 2017, eq. 5)."""
    return lambda step: 0.5 * (1 + cos(pi * (step - begin) / max(1, steps - begin)))


def stairs(every: int, factor: float) -> Schedule:
    """1, then `factor` times less after each `every` steps."""
    return lambda step: float(factor ** (step // every))


def one_cycle(steps: int, rise: int) -> Schedule:
    """Up along half a cosine from 1/25 over `rise` steps, then down along half a cosine towards 0.

    Smith & Topin 2018, "Super-convergence", with cosines in place of straight lines; momentum stays as it is.
    """

    def multiplier(step: int) -> float:
        if step < rise:
            share = 0.5 * (1 - cos(pi * step / rise))
            return _ONE_CYCLE_START + (1 - _ONE_CYCLE_START) * share
        return 0.5 * (1 + cos(pi * (step - rise) / max(1, steps - rise)))

    return multiplier
