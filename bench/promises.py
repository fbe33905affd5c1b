"""Do thresholds, prediction sets and temperatures keep what they promise?

`threshold` and `sets`: `lenet5` is trained on MNIST for one epoch, and its probabilities for the 10,000 test images, which
chose nothing, are divided 200 times at random: one part chooses the threshold or the sets, the other measures them. "Kept"
counts the divisions in which the answers of the other part have at most the promised error; an excess by the chance of that
part counts against it. "Drawn" takes the 10,000 images for all that there are: those that choose are drawn with replacement,
and the error is that of all 10,000, so only the chance that the promise speaks of is left.

`calibration`: five runs on the digits, of several networks and label smoothings; calibration error and log-loss on the test
images before and after the temperature that validation images chose, and the calibration error that true probabilities stay
below 19 times of 20.

    STRIATE_DATA=FOLDER python bench/promises.py [threshold] [sets] [calibration]      # some five minutes on one core
"""

import argparse
import tempfile
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import striate
from striate.base import run_folder
from striate.metrics import abstention, classification, conformal, reliability_diagram
from striate.metrics.confidence import of_artifact

SPLITS = 200
ERRORS = (0.005, 0.01, 0.02)
COVERAGES = (0.9, 0.95, 0.99)
CHOOSING = (1000, 3000)  # images that choose; all others measure
RUNS: dict[str, dict[str, Any]] = {
    "mlp, 5 epochs": {"net": {"name": "mlp"}, "train": {"epochs": 5}},
    "mlp, 40 epochs, no smoothing": {"net": {"name": "mlp"}, "train": {"epochs": 40, "label_smoothing": 0.0}},
    "lenet5, 8 epochs": {"net": {"name": "lenet5"}, "train": {"epochs": 8}},
    "mnist_cnn, 4 epochs": {"net": {"name": "mnist_cnn"}, "train": {"epochs": 4}},
    "mnist_cnn, 4 epochs, smoothing 0.2": {"net": {"name": "mnist_cnn"}, "train": {"epochs": 4, "label_smoothing": 0.2}},
}


class Known(NamedTuple):
    """Test images with their calibrated probabilities."""

    shares_NK: NDArray[np.float64]
    labels_N: NDArray[np.int64]


def trained(cache: Path | None) -> Known:
    """A network that is wrong in a few percent of the test images of MNIST; kept in `cache`, where one is given."""
    if cache is None or not cache.exists():
        with tempfile.TemporaryDirectory() as out:
            striate.train(
                "mnist", net="lenet5", epochs=1, name="r", out=out, weights="none", report=False,
                settings={"data": {"val_share": 0.05}, "train": {"batch_size": 256}},
            )  # fmt: skip
            _, labels_N, logits_NK = run_folder.load_predictions(Path(out) / "r" / "predictions-test.npz")
            shares_NK = striate.load(Path(out) / "r").probabilities(logits_NK)
        if cache is None:
            return Known(shares_NK, labels_N)
        np.savez(cache, shares_NK=shares_NK, labels_N=labels_N)
    with np.load(cache) as saved:
        return Known(saved["shares_NK"], saved["labels_N"])


def halves(known: Known, choosing: int) -> list[tuple[Known, Known]]:
    """The images that choose and those that measure, `SPLITS` times."""
    pairs = list[tuple[Known, Known]]()
    for seed in range(SPLITS):
        order = np.random.default_rng(seed).permutation(len(known.labels_N))
        chosen, others = order[:choosing], order[choosing:]
        pairs.append((rows_of(known, chosen), rows_of(known, others)))
    return pairs


def rows_of(known: Known, rows: NDArray[np.int64]) -> Known:
    """Some of the images."""
    return Known(known.shares_NK[rows], known.labels_N[rows])


def right(known: Known) -> NDArray[np.bool_]:
    """Which predictions are correct."""
    correct: NDArray[np.bool_] = known.shares_NK.argmax(axis=1) == known.labels_N
    return correct


def print_row(*cells: object) -> None:
    """A row of a table in Markdown."""
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def percent(share: float) -> str:
    """A share in percent, with two places."""
    return f"{100 * share:.2f} %"


def redrawn(known: Known, choosing: int) -> list[tuple[Known, Known]]:
    """The same with the images taken for all that there are: those that choose are drawn with replacement."""
    draws = [np.random.default_rng(seed).integers(0, len(known.labels_N), choosing) for seed in range(SPLITS)]
    return [(rows_of(known, drawn), known) for drawn in draws]


class Kept(NamedTuple):
    """What thresholds did in all divisions."""

    kept: int  # divisions in which the error is at most what was promised, or nothing is answered
    silent: int  # those without a threshold
    answered: list[float]  # of the others: the share that is answered
    errors: list[float]  # and the error


def kept_in(pairs: list[tuple[Known, Known]], most: float, level: float) -> Kept:
    """How often the images that measure have at most the promised error."""
    errors, answered = list[float](), list[float]()
    for fitted, tried in pairs:
        rule = abstention.choose(fitted.shares_NK.max(axis=1), right(fitted), most, level)
        if rule.threshold is not None:
            measured = abstention.tried(tried.shares_NK.max(axis=1), right(tried), rule.threshold)
            errors.append(measured.errors / max(1, round(measured.coverage * measured.n)))
            answered.append(measured.coverage)
    return Kept(SPLITS - sum(error > most for error in errors), SPLITS - len(errors), answered, errors)


def print_thresholds(known: Known) -> None:
    """How often the error on other images is at most what was promised, and what share is answered."""
    print(f"error of all {len(known.labels_N):,} images: {percent(1 - right(known).mean())}\n")
    heads = (
        "chosen by", "largest error", "confidence", "kept, other images", "kept, drawn", "without threshold", "answered",
        "error, mean", "largest",
    )  # fmt: skip
    print_row(*heads)
    print_row(*["---"] * len(heads))
    for choosing in CHOOSING:
        divided, drawn = halves(known, choosing), redrawn(known, choosing)
        for most, level in product(ERRORS, (0.9, 0.95)):
            if choosing < abstention.images_needed(most, confidence=level):
                continue
            row, exact = kept_in(divided, most, level), kept_in(drawn, most, level).kept
            values = (float(np.mean(row.answered)), float(np.mean(row.errors)), max(row.errors)) if row.errors else ()
            print_row(
                f"{choosing:,}", f"{100 * most:g} %", f"{100 * level:g} %", f"{row.kept} of {SPLITS}",
                f"{exact} of {SPLITS}", row.silent, *map(percent, values),
            )  # fmt: skip


def print_sets(known: Known) -> None:
    """How often sets have the true class on other images, and how many classes they have."""
    heads = ("chosen by", "coverage", "measured, mean", "std", "std expected", "least", "largest", "classes", "one class")
    print()
    print_row(*heads)
    print_row(*["---"] * len(heads))
    for choosing in CHOOSING:
        pairs = halves(known, choosing)
        for coverage in COVERAGES:
            scores = [conformal.score(*tried, coverage, conformal.set_threshold(*fitted, coverage)) for fitted, tried in pairs]
            measured = np.array([score.measured for score in scores])
            # Vovk 2012: a beta distribution over draws of the images that choose, and the scatter of those that measure
            spread = float(np.sqrt(coverage * (1 - coverage) * (1 / (choosing + 2) + 1 / scores[0].n)))
            values = (float(measured.mean()), float(measured.std()), spread, float(measured.min()), float(measured.max()))
            size, single = (float(np.mean([getattr(score, name) for score in scores])) for name in ("size", "single"))
            print_row(f"{choosing:,}", f"{100 * coverage:g} %", *map(percent, values), f"{size:.3f}", percent(single))


def print_calibration() -> None:
    """The calibration error of five runs before and after the temperature."""
    print()
    print_row("run", "test accuracy", "temperature", "before", "after", "by chance", "log-loss before", "after")
    print_row(*["---"] * 8)
    for name, settings in RUNS.items():
        with tempfile.TemporaryDirectory() as out:
            folder = Path(out) / "r"
            striate.train("digits", name="r", out=out, weights="none", report=False, settings=settings)
            scored = striate.evaluate(folder)
            _, labels_N, logits_NK = run_folder.load_predictions(folder / "predictions-test.npz")
            described = run_folder.model_json(folder)
        assert described is not None
        scaled_NK = of_artifact(described).scaled(logits_NK)
        chance = reliability_diagram.by_chance(scaled_NK)
        losses = (classification.log_loss(values_NK, labels_N) for values_NK in (logits_NK, scaled_NK))
        errors = (scored["calibration_error_unscaled"], scored["calibration_error"], chance)
        print_row(
            name, percent(scored["accuracy"]), f"{scored['temperature']:.3f}", *(f"{error:.4f}" for error in (*errors, *losses))
        )


def main() -> None:
    """Print what was asked for, or all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="threshold, sets, calibration; all where none is given")
    parser.add_argument("--cache", type=Path, help="an .npz for the probabilities of the network, made where it is not there")
    options = parser.parse_args()
    parts = options.parts or ["threshold", "sets", "calibration"]
    if {"threshold", "sets"} & {*parts}:
        known = trained(options.cache)
        if "threshold" in parts:
            print_thresholds(known)
        if "sets" in parts:
            print_sets(known)
    if "calibration" in parts:
        print_calibration()


if __name__ == "__main__":
    main()
