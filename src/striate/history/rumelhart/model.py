"""Back-propagation as it became known: logistic units, and weights that are updated after each sweep through all patterns.

Source: Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors", Nature 323:533-536 (9 October;
a technical report is of 1985), and chapter 8 of "Parallel distributed processing", volume 1. They were not the first: the
backward pass is Kelley's of 1960 (`optimal_control`), as an algorithm Linnainmaa's of 1970, and for networks Werbos's of
1974; Parker and LeCun had it in 1985. What was new is what hidden units come to represent.

With y = 1 / (1 + exp(-x)) and x the bias plus the weighted sum of the inputs (equations 1 and 2 of the paper), the error is
E = 1/2 sum (y - d)^2 over patterns and output units (3). Backwards, dE/dx = dE/dy y (1 - y) (5), dE/dw = dE/dx y (6), and
dE/dy = sum dE/dx w (7). After a sweep, dw(t) = -rate dE/dw + momentum dw(t - 1) (9).

Departures: several networks, from as many seeds, learn side by side; one that has learned its task is changed no more.

Legend: S seeds, N patterns, I units of the group that a link comes from, J of the one it leads to.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Link = tuple[str, str]  # from all units of a group to all of another
Weights = dict[Link | str, Floats]  # of S networks: S x I x J of each link, S x 1 x J biases of each group but the inputs


class Layout(NamedTuple):
    """Groups of units, and which leads to which. A group that no link leads to is an input."""

    sizes: Mapping[str, int]  # units of each group, in an order such that no link leads back
    links: tuple[Link, ...]
    output: str  # the group whose units are compared with the targets

    @property
    def units(self) -> list[str]:
        """The groups that have weights: all but the inputs."""
        ends = {end for _, end in self.links}
        return [group for group in self.sizes if group in ends]


class Task(NamedTuple):
    """What is to be learned, and by what network."""

    layout: Layout
    inputs: Mapping[str, Floats]  # N x I for each input group
    targets_NJ: Floats  # d, of the output group


class Schedule(NamedTuple):
    """How far a sweep moves the weights, for so many sweeps; the last of several schedules has no end."""

    rate: float  # of the gradient, which is a sum over the patterns
    momentum: float
    sweeps: int = 0


class Training(NamedTuple):
    """The settings of a training."""

    schedules: Sequence[Schedule]  # one after the other
    max_sweeps: int
    tolerance: float  # a task is learned when every output is nearer to its target than this, in every pattern
    slack: float = 0.0  # an output as near to its target as this counts as no error
    decay: float = 0.0  # the share of each weight that is taken off after each sweep


class Trained(NamedTuple):
    """S networks after a training."""

    weights: Weights  # of each at the sweep at which it had learned, or at the last
    sweeps_S: NDArray[np.int64]  # at which each had learned; -1 where it never did
    errors: Floats  # E of each at every sweep


def initial_weights(layout: Layout, seeds: Sequence[int], limit: float = 0.3) -> Weights:
    """Weights and biases from U(-limit, limit); those of a seed are the same whatever the others are."""
    generators = [np.random.default_rng(seed) for seed in seeds]

    def uniform(rows: int, columns: int) -> Floats:
        return np.stack([generator.uniform(-limit, limit, (rows, columns)) for generator in generators])

    links: Weights = {link: uniform(layout.sizes[link[0]], layout.sizes[link[1]]) for link in layout.links}
    return links | {group: uniform(1, layout.sizes[group]) for group in layout.units}


def forward(layout: Layout, weights: Weights, inputs: Mapping[str, Floats]) -> dict[str, Floats]:
    """Outputs of the units of each group, S x N x J; inputs are N x I."""
    outputs = {group: values[None] for group, values in inputs.items()}
    for group in layout.units:
        total = sum((outputs[start] @ weights[start, end] for start, end in layout.links if end == group), weights[group])
        outputs[group] = 1 / (1 + np.exp(-total))
    return outputs


def backward(layout: Layout, weights: Weights, outputs: Mapping[str, Floats], dE_dy_SNJ: Floats) -> Weights:
    """The gradient of E with respect to each weight, from dE/dy of the output units."""
    dE_dy = {layout.output: dE_dy_SNJ}
    dE_dx: dict[str, Floats] = {}
    for group in reversed(layout.units):
        y = outputs[group]
        if group not in dE_dy:
            ahead = (dE_dx[end] @ weights[start, end].swapaxes(1, 2) for start, end in layout.links if start == group)
            dE_dy[group] = sum(ahead, np.zeros_like(y))
        dE_dx[group] = dE_dy[group] * y * (1 - y)
    links: Weights = {(start, end): outputs[start].swapaxes(1, 2) @ dE_dx[end] for start, end in layout.links}
    return links | {group: values_SNJ.sum(axis=1, keepdims=True) for group, values_SNJ in dE_dx.items()}


class Sweep(NamedTuple):
    """S networks before a sweep moves them on; its arrays are overwritten by the next one."""

    weights: Weights
    error_S: Floats  # E of each
    sweeps_S: NDArray[np.int64]  # as of `Trained`


def learn(task: Task, weights: Weights, training: Training) -> Trained:
    """Sweep through all patterns until each network has learned them; the initial weights are not changed."""
    errors: list[Floats] = []
    for sweep in sweeps(task, weights, training):
        errors.append(sweep.error_S)
    return Trained(sweep.weights, sweep.sweeps_S, np.array(errors))


def sweeps(task: Task, weights: Weights, training: Training) -> Iterator[Sweep]:
    """The networks before each sweep and after the last one, as `learn` makes them."""
    # All weights in one array, so that a sweep moves them at once
    flat = np.concatenate([values.ravel() for values in weights.values()])
    current, move = _parts(flat, weights), np.zeros_like(flat)
    sweeps_S = np.full(len(weights[task.layout.output]), -1)
    for sweep in range(training.max_sweeps + 1):
        outputs = forward(task.layout, current, task.inputs)
        residual_SNJ = outputs[task.layout.output] - task.targets_NJ
        away_SNJ = np.abs(residual_SNJ)
        sweeps_S[(sweeps_S < 0) & (away_SNJ.max(axis=(1, 2)) < training.tolerance)] = sweep
        yield Sweep(current, np.square(residual_SNJ).sum(axis=(1, 2)) / 2, sweeps_S)
        active_S = sweeps_S < 0
        if sweep == training.max_sweeps or not active_S.any():
            return
        dE_dy_SNJ = np.where(away_SNJ > training.slack, residual_SNJ, 0.0)
        gradient, schedule = backward(task.layout, current, outputs, dE_dy_SNJ), _schedule(training.schedules, sweep)
        move = schedule.momentum * move - schedule.rate * np.concatenate([gradient[key].ravel() for key in weights])
        moved = (flat + move) * (1 - training.decay)
        if active_S.all():
            flat[:] = moved
        else:
            for key, part in _parts(moved, weights).items():
                current[key][active_S] = part[active_S]


def _parts(flat: Floats, like: Weights) -> Weights:
    """The weights in one array that holds all of them, one after the other."""
    ends = np.cumsum([values.size for values in like.values()])
    return {
        key: part.reshape(values.shape) for (key, values), part in zip(like.items(), np.split(flat, ends[:-1]), strict=True)
    }


def _schedule(schedules: Sequence[Schedule], sweep: int) -> Schedule:
    for schedule in schedules[:-1]:
        if sweep < schedule.sweeps:
            return schedule
        sweep -= schedule.sweeps
    return schedules[-1]
