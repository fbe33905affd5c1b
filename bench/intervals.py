"""How often 95 % intervals cover the truth: accuracy, macro F1, balanced accuracy and the difference of two classifiers.

    python bench/intervals.py [--sets 1000]

Each row is a classifier whose confusion probabilities are known, scored on so many simulated test sets; the goal is 93 to 97 %.
The truth of macro F1 and balanced accuracy is what they are where each image has its share of every prediction. Classes have
the same number of images in each test set, as the split of `striate train` gives them, or are drawn, as where images come.
"""

import argparse
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.metrics import macro_scores
from striate.metrics.intervals import wilson
from striate.metrics.paired_test import difference

METRICS = ("accuracy", "macro F1", "balanced accuracy", "difference of two")


class Situation(NamedTuple):
    """A classifier of K classes and the test set that it is scored on."""

    name: str
    share_K: NDArray[np.float64]  # of the images, by class
    recall_K: NDArray[np.float64]
    images: int
    drawn: bool = False  # the classes of the images, too, else the same in each test set

    def probabilities(self) -> NDArray[np.float64]:
        """Of each prediction (column) for an image of a class (row); most mistakes fall on few classes."""
        rng, classes = np.random.default_rng(0), len(self.share_K)
        rows = []
        for k, recall in enumerate(self.recall_K):
            rows.append(np.insert((1 - recall) * rng.dirichlet(np.full(classes - 1, 0.5)), k, recall))
        return np.array(rows)


def situations() -> Iterator[Situation]:
    """Two, ten and a hundred classes, of one size and of very different ones."""
    for drawn in (False, True):
        yield Situation("2 classes, 200 images", np.full(2, 0.5), np.full(2, 0.9), 200, drawn)
        yield Situation("2 classes 49:1, 1,000 images", np.array([0.98, 0.02]), np.array([0.99, 0.6]), 1000, drawn)
        yield Situation("6 classes, 120 images", np.full(6, 1 / 6), np.full(6, 0.7), 120, drawn)
        yield Situation("10 classes, 1,000 images", np.full(10, 0.1), np.full(10, 0.95), 1000, drawn)
        sizes_K = 0.7 ** np.arange(10)
        yield Situation(
            "10 classes 25:1, 1,000 images", sizes_K / sizes_K.sum(), np.linspace(0.95, 0.5, 10), 1000, drawn
        )  # fmt: skip
        yield Situation("100 classes, 2,000 images", np.full(100, 0.01), np.linspace(0.5, 0.95, 100), 2000, drawn)


def coverage(situation: Situation, sets: int, seed: int = 0) -> tuple[float, ...]:
    """The share of test sets whose interval holds the truth, for each of METRICS."""
    rng, probability_KK = np.random.default_rng(seed), situation.probabilities()
    images, classes = situation.images, len(situation.share_K)
    size_K = np.maximum(1, np.round(situation.share_K * images)).astype(np.int64)
    truth_KK = (situation.share_K if situation.drawn else size_K / size_K.sum())[:, None] * probability_KK
    recall = float(np.diag(truth_KK).sum())
    # the other is right where the first is in 95 of 100 cases, and elsewhere in 30
    other_after = np.array([0.30, 0.95])
    gap = recall - (recall * other_after[1] + (1 - recall) * other_after[0])
    exact_KK = np.round(truth_KK * 1e9).astype(np.int64)
    f1, balanced = (score.value for score in macro_scores.of_confusion(exact_KK))
    covered = np.zeros(len(METRICS))
    for _ in range(sets):
        if situation.drawn:
            counts_KK = rng.multinomial(images, truth_KK.ravel() / truth_KK.sum()).reshape(classes, classes)
        else:
            counts_KK = np.array([rng.multinomial(n, row_K) for n, row_K in zip(size_K, probability_KK, strict=True)])
        n, right = int(counts_KK.sum()), int(np.trace(counts_KK))
        right_N = np.arange(n) < right
        other_N = rng.random(n) < other_after[right_N.astype(int)]
        scores = macro_scores.of_confusion(counts_KK)
        intervals = (wilson(right, n), scores.macro_f1, scores.balanced_accuracy, difference(right_N, other_N))
        truths = (recall, f1, balanced, gap)
        covered += [low.low <= truth <= low.high for low, truth in zip(intervals, truths, strict=True)]
    return tuple((covered / sets).tolist())


def table(rows: Sequence[tuple[Situation, tuple[float, ...]]]) -> Iterator[str]:
    """Markdown."""
    yield f"| | {' | '.join(METRICS)} |"
    yield "|---" * (len(METRICS) + 1) + "|"
    for situation, shares in rows:
        name = situation.name + (", classes drawn" if situation.drawn else "")
        yield f"| {name} | {' | '.join(f'{100 * share:.1f} %' for share in shares)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=1000)
    sets = parser.parse_args().sets
    for line in table([(situation, coverage(situation, sets)) for situation in situations()]):
        print(line)


if __name__ == "__main__":
    main()
