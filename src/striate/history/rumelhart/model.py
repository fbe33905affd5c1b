"""Back-propagation as it became known: units that are logistic, weights that are moved after each sweep through all patterns.

Source: Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors", Nature 323:533-536 (9 October;
a technical report is of 1985), and chapter 8 of "Parallel distributed processing", volume 1. They were not the first: the
backward pass is Kelley's of 1960 (`optimal_control.py`), as an algorithm Linnainmaa's of 1970, and for networks Werbos's of
1974; Parker and LeCun had it in 1985. What was new is what hidden units come to represent.

With y = 1 / (1 + exp(-x)) and x the bias plus the weighted sum of what comes in (equations 1 and 2 of the paper), the error is
E = 1/2 sum (y - d)^2 over patterns and output units (3). Backwards, dE/dx = dE/dy y (1 - y) (5), dE/dw = dE/dx y (6), and
dE/dy = sum dE/dx w (7). After a sweep, dw(t) = -rate dE/dw + momentum dw(t - 1) (9).

Departures: several networks, from as many seeds, learn side by side; one that has learned its task is changed no more.

Legend: S seeds, N patterns, I units of the group that a link comes from, J of the one it leads to.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Link = tuple[str, str]
Key = TypeVar("Key", Link, str)


class Layout(NamedTuple):
    """Groups of units, and which leads to which.

    Attributes:
        sizes: units of each group; in an order such that no link leads back.
        links: from all units of a group to all of another. A group that no link leads to is an input.
        output: the group whose units are compared with the targets.

    """

    sizes: Mapping[str, int]
    links: tuple[Link, ...]
    output: str

    def into(self, group: str) -> list[Link]:
        """The links that lead to a group."""
        return [link for link in self.links if link[1] == group]

    def out_of(self, group: str) -> list[Link]:
        """The links that come from a group."""
        return [link for link in self.links if link[0] == group]


class Weights(NamedTuple):
    """Of S networks.

    Attributes:
        links: S x I x J.
        biases: S x 1 x J, of all groups but the inputs.

    """

    links: dict[Link, Floats]
    biases: dict[str, Floats]


class Schedule(NamedTuple):
    """How far a sweep moves the weights.

    Attributes:
        rate: of the gradient, which is a sum over the patterns.
        momentum: share of the last move that is made again.
        sweeps: it holds for; the last of several schedules holds on.

    """

    rate: float
    momentum: float
    sweeps: int = 0


class Learned(NamedTuple):
    """Where S networks ended.

    Attributes:
        weights: of each at the sweep at which it had learned, or at the last.
        sweeps_S: at which each had learned; -1 where it never did.
        errors: E of each at every sweep.

    """

    weights: Weights
    sweeps_S: NDArray[np.int64]
    errors: Floats


def draw(layout: Layout, seeds: Sequence[int], reach: float = 0.3) -> Weights:
    """Weights and biases from U(-reach, reach); those of a seed are the same whatever the others are."""
    draws = [np.random.default_rng(seed) for seed in seeds]
    links = {link: _uniform(draws, reach, layout.sizes[link[0]], layout.sizes[link[1]]) for link in layout.links}
    units = [group for group in layout.sizes if layout.into(group)]
    return Weights(links, {group: _uniform(draws, reach, 1, layout.sizes[group]) for group in units})


def _uniform(draws: Sequence[np.random.Generator], reach: float, rows: int, columns: int) -> Floats:
    return np.stack([draw.uniform(-reach, reach, (rows, columns)) for draw in draws])


def forward(layout: Layout, weights: Weights, inputs: Mapping[str, Floats]) -> dict[str, Floats]:
    """What the units of each group put out, S x N x J; inputs are N x I."""
    outputs = {group: values[None] for group, values in inputs.items()}
    for group in layout.sizes:
        if group not in outputs:
            total = sum((outputs[link[0]] @ weights.links[link] for link in layout.into(group)), weights.biases[group])
            outputs[group] = 1 / (1 + np.exp(-total))
    return outputs


def backward(layout: Layout, weights: Weights, outputs: Mapping[str, Floats], slopes: Floats) -> Weights:
    """The gradient of E with respect to each weight, from `slopes`, dE/dy of the output units, S x N x J."""
    of_output = {layout.output: slopes}  # dE/dy
    of_input: dict[str, Floats] = {}  # dE/dx
    links: dict[Link, Floats] = {}
    for group in reversed([*weights.biases]):
        y = outputs[group]
        if group not in of_output:
            ahead = (of_input[link[1]] @ weights.links[link].swapaxes(1, 2) for link in layout.out_of(group))
            of_output[group] = sum(ahead, np.zeros_like(y))
        of_input[group] = of_output[group] * y * (1 - y)
        for link in layout.into(group):
            links[link] = outputs[link[0]].swapaxes(1, 2) @ of_input[group]
    return Weights(links, {group: slopes_SNJ.sum(axis=1, keepdims=True) for group, slopes_SNJ in of_input.items()})


def everywhere_near(within: float) -> Callable[[Floats, Floats], NDArray[np.bool_]]:
    """A task is learned when every output is nearer to its target than this, in every pattern."""

    def learned(outputs_SNJ: Floats, targets_NJ: Floats) -> NDArray[np.bool_]:
        farthest_S: Floats = np.abs(outputs_SNJ - targets_NJ).max(axis=(1, 2))
        return farthest_S < within

    return learned


def learn(
    layout: Layout,
    weights: Weights,
    inputs: Mapping[str, Floats],
    targets_NJ: Floats,
    schedules: Sequence[Schedule],
    most: int,
    learned: Callable[[Floats, Floats], NDArray[np.bool_]],
    slack: float = 0.0,
    decay: float = 0.0,
) -> Learned:
    """Sweep through all patterns until each network has learned them, or so many times.

    Args:
        layout: of the networks.
        weights: to begin with; they are not changed.
        inputs: N x I for each input group.
        targets_NJ: d.
        schedules: one after the other.
        most: sweeps.
        learned: which networks have learned, of outputs and targets.
        slack: an output as near to its target as this counts as no error.
        decay: the share of each weight that is taken off after each sweep.

    """
    now = Weights(dict(weights.links), dict(weights.biases))
    moves = Weights(_zeros(now.links), _zeros(now.biases))
    sweeps_S = np.full(len(now.biases[layout.output]), -1)
    errors: list[Floats] = []
    for sweep in range(most + 1):
        outputs = forward(layout, now, inputs)
        away = outputs[layout.output] - targets_NJ
        errors.append(np.square(away).sum(axis=(1, 2)) / 2)
        done_S = learned(outputs[layout.output], targets_NJ)
        sweeps_S[(sweeps_S < 0) & done_S] = sweep
        open_S11 = (sweeps_S < 0)[:, None, None]
        if sweep == most or not open_S11.any():
            break
        slopes = np.where(np.abs(away) > slack, away, 0.0)
        gradient, schedule = backward(layout, now, outputs, slopes), _at(schedules, sweep)
        _step(now.links, moves.links, gradient.links, schedule, decay, open_S11)
        _step(now.biases, moves.biases, gradient.biases, schedule, decay, open_S11)
    return Learned(now, sweeps_S, np.array(errors))


def _zeros(weights: dict[Key, Floats]) -> dict[Key, Floats]:
    return {at: np.zeros_like(own) for at, own in weights.items()}


def _step(
    own: dict[Key, Floats],
    move: dict[Key, Floats],
    slope: dict[Key, Floats],
    schedule: Schedule,
    decay: float,
    open_S11: NDArray[np.bool_],
) -> None:
    for at in own:
        move[at] = schedule.momentum * move[at] - schedule.rate * slope[at]
        own[at] = np.where(open_S11, (own[at] + move[at]) * (1 - decay), own[at])


def _at(schedules: Sequence[Schedule], sweep: int) -> Schedule:
    for schedule in schedules[:-1]:
        if sweep < schedule.sweeps:
            return schedule
        sweep -= schedule.sweeps
    return schedules[-1]
