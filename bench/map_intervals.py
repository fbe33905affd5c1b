"""How often the 95 % intervals of mAP, and of the difference of two, cover the truth.

    python bench/map_intervals.py [--sets 300]

An image has each label with a known probability, half of them with the label before it too; its score is drawn from a normal
distribution whose mean is higher by a known distance where it has the label. The truth is the mAP of 400,000 such images.
A second classifier shares half of the variance of each score; it is as good as the first, or its distances are 0.3 greater.
Each row is scored on so many simulated test sets; the goal is 93 to 97 %.
"""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.metrics.average_precision import average_precision, map_difference, mean_average_precision

_WHOLE = 400_000


class Situation(NamedTuple):
    """K labels and the test set that they are scored on."""

    name: str
    share_K: NDArray[np.float64]  # of the images that have the label
    distance_K: NDArray[np.float64]  # between the means of the scores, in standard deviations
    images: int


class Drawn(NamedTuple):
    """Scores and labels of images, N x K."""

    scores_NK: NDArray[np.float64]
    true_NK: NDArray[np.bool_]


def situations() -> Iterator[Situation]:
    """Two, five and twenty labels, of many images and of few."""
    yield Situation("2 labels, 200 images", np.full(2, 0.3), np.full(2, 1.5), 200)
    yield Situation("5 labels of 10 to 40 %, 300 images", np.linspace(0.1, 0.4, 5), np.linspace(1, 3, 5), 300)
    yield Situation("5 labels of 5 %, 400 images", np.full(5, 0.05), np.full(5, 2.5), 400)
    yield Situation("20 labels of 2 to 20 %, 1,000 images", np.linspace(0.02, 0.2, 20), np.linspace(3, 1, 20), 1000)
    yield Situation("5 labels, nearly all right, 300 images", np.full(5, 0.2), np.full(5, 4.5), 300)


def draw(situation: Situation, images: int, rng: np.random.Generator) -> Drawn:
    """Images of a situation."""
    true_NK = rng.random((images, len(situation.share_K))) < situation.share_K
    together_N = rng.random(images) < 0.5
    true_NK[together_N, 1::2] = rng.permuted(true_NK[together_N, 0::2][:, : true_NK.shape[1] // 2], axis=0)
    return Drawn(rng.standard_normal(true_NK.shape) + true_NK * situation.distance_K, true_NK)


def coverage(situation: Situation, sets: int, seed: int = 0) -> float:
    """The share of test sets whose interval holds the truth."""
    rng, covered = np.random.default_rng(seed), 0
    whole = draw(situation, _WHOLE, rng)
    truth = float(np.mean([average_precision(*columns) for columns in zip(whole.scores_NK.T, whole.true_NK.T, strict=True)]))
    for _ in range(sets):
        mean = mean_average_precision(*draw(situation, situation.images, rng)).mean
        covered += mean.low <= truth <= mean.high
    return covered / sets


class Compared(NamedTuple):
    """What intervals of the difference do."""

    covered: float  # share of test sets whose interval holds the truth
    alarms: float  # share of test sets with p < 0.05


def comparison(situation: Situation, better: float, sets: int, seed: int = 0) -> Compared:
    """Two classifiers on the same images, the second better by a distance."""
    rng, covered, alarms = np.random.default_rng(seed), 0, 0

    def second(first: Drawn) -> NDArray[np.float64]:
        mean_NK = first.true_NK * situation.distance_K
        noise_NK = (first.scores_NK - mean_NK + rng.standard_normal(mean_NK.shape)) / np.sqrt(2)
        return mean_NK + first.true_NK * better + noise_NK

    def mean(scores_NK: NDArray[np.float64], true_NK: NDArray[np.bool_]) -> float:
        return float(np.mean([average_precision(*columns) for columns in zip(scores_NK.T, true_NK.T, strict=True)]))

    whole = draw(situation, _WHOLE, rng)
    truth = mean(second(whole), whole.true_NK) - mean(whole.scores_NK, whole.true_NK)
    for _ in range(sets):
        first = draw(situation, situation.images, rng)
        interval, p_value = map_difference(first.scores_NK, second(first), first.true_NK)
        covered += interval.low <= truth <= interval.high
        alarms += p_value < 0.05
    return Compared(covered / sets, alarms / sets)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=300)
    sets = parser.parse_args().sets
    print("| | mAP | difference, equally good | p < 0.05 | difference, one better | p < 0.05 |\n|---|---|---|---|---|---|")
    for situation in situations():
        shares = [coverage(situation, sets), *comparison(situation, 0.0, sets), *comparison(situation, 0.3, sets)]
        print(f"| {situation.name} | {' | '.join(f'{100 * share:.1f} %' for share in shares)} |")


if __name__ == "__main__":
    main()
