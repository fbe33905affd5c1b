"""Learning rate schedules: the rate as a function of the step, in multiples of `train.lr`."""

from collections.abc import Callable
from math import cos, pi

from striate.base.config import Train

Schedule = Callable[[int], float]  # step from 0 -> multiplier of lr

_ONE_CYCLE_WARMUP = 0.3
_ONE_CYCLE_START = 1 / 25
_SCALED_WARMUP = 0.05
_STEP_EVERY = 1 / 3
_STEP_FACTOR = 0.1


def make(settings: Train, steps: int) -> Schedule:
    """The schedule that the settings describe, over this many steps."""
    if settings.schedule == "one-cycle":
        share = _ONE_CYCLE_WARMUP if settings.warmup is None else settings.warmup
        return one_cycle(steps, round(share * steps))
    warmup = round(_warmup(settings) * steps)
    if settings.schedule == "cosine":
        return after_warmup(warmup, cosine(steps, warmup))
    if settings.schedule == "linear":
        return after_warmup(warmup, linear(steps, warmup))
    if settings.schedule == "step":
        every = max(1, round((settings.step_every or _STEP_EVERY) * steps))
        return after_warmup(warmup, stairs(every, settings.step_factor or _STEP_FACTOR))
    return after_warmup(warmup, lambda _step: 1.0)


def peak(settings: Train) -> float:
    """The rate that the schedule multiplies: `lr`, in proportion to the batch where that is for batches of another size.

    Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 2.1: k times as many images a step, k times the rate.

    >>> peak(Train(lr=0.1, batch_size=1024, lr_batch_size=256))
    0.4
    """
    return settings.lr if settings.lr_batch_size is None else settings.lr * settings.batch_size / settings.lr_batch_size


def describe_scaling(settings: Train) -> str | None:
    """What the batch size does to the learning rate, as people read it; None where nothing.

    >>> describe_scaling(Train(lr=0.1, batch_size=1024, lr_batch_size=256, schedule="cosine"))
    'learning rate 0.4: 0.1 is for batches of 256, and these have 1,024; it rises over the first 5 % of the steps'
    """
    if settings.lr_batch_size in (None, settings.batch_size):
        return None
    share = _ONE_CYCLE_WARMUP if settings.schedule == "one-cycle" and settings.warmup is None else _warmup(settings)
    rise = f"; it rises over the first {share:.0%} of the steps".replace("%", " %") if share else ""
    return (
        f"learning rate {peak(settings):g}: {settings.lr:g} is for batches of {settings.lr_batch_size:,}, and these have "
        f"{settings.batch_size:,}{rise}"
    )


def _warmup(settings: Train) -> float:
    """The share of the steps in which the rate rises; a rate for larger batches is not begun with (section 2.2)."""
    if settings.warmup is not None:
        return settings.warmup
    return _SCALED_WARMUP if settings.lr_batch_size is not None and settings.batch_size > settings.lr_batch_size else 0.0


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
