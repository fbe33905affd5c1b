"""How many of the first suspects of `striate labels` are labels that were made wrong.

    python bench/label_errors.py trashnet          # photographs by class
    python bench/label_errors.py mnist --images 5000

For each seed 5 % of the labels, drawn at random, are replaced by another class, drawn evenly. Precision is the share of the
first k suspects whose labels were replaced: k = 20, and k = the number replaced. The features are computed once, since no label
has a part in them. Wrong labels that the data had before count against it.
"""

import argparse
import time

import numpy as np

from striate.base import config
from striate.base.events import quiet
from striate.base.signals import catch_signals
from striate.workflows.labels.features import ImageFeatures, of_images
from striate.workflows.labels.run import judge


def planted(labels_N: np.ndarray, classes: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels with a share of them replaced, and which."""
    draw = np.random.default_rng(seed)
    wrong_M = draw.choice(len(labels_N), round(share * len(labels_N)), replace=False)
    changed_N = labels_N.copy()
    changed_N[wrong_M] = (labels_N[wrong_M] + draw.integers(1, classes, len(wrong_M))) % classes
    return changed_N, wrong_M


def some(images: ImageFeatures, count: int | None, seed: int) -> ImageFeatures:
    """So many of the images, drawn at random; or all."""
    if count is None:
        return images
    chosen = np.sort(np.random.default_rng(seed).choice(len(images.rows_N), count, replace=False))
    return images._replace(rows_N=images.rows_N[chosen], values_ND=images.values_ND[chosen])


def main() -> None:
    parser = argparse.ArgumentParser(description="How many of the first suspects are labels that were made wrong.")
    parser.add_argument("data", help="images by class")
    parser.add_argument("--images", type=int, help="of each seed, drawn at random; else all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.05, help="of the labels that are replaced")
    parsed = parser.parse_args()
    print("| seed | images | replaced | estimated | precision at 20 | at the number replaced | seconds |")
    print("|---|---|---|---|---|---|---|")
    with catch_signals() as stop, of_images(config.data_section(parsed.data), stop, quiet) as every:
        for seed in range(parsed.seeds):
            images = some(every, parsed.images, seed)
            examples = images.dataset.examples
            changed_N, wrong_M = planted(examples.labels_N[images.rows_N], len(examples.classes), parsed.share, seed)
            begun = time.monotonic()
            judged = judge(images, changed_N)
            suspects = judged.places_N[judged.errors.rows_S]
            shares = [np.isin(suspects[:k], wrong_M).mean() for k in (20, len(wrong_M))]
            cells = (seed, len(changed_N), len(wrong_M), judged.errors.estimated, *(f"{share:.2f}" for share in shares))
            print("| " + " | ".join(map(str, cells)) + f" | {time.monotonic() - begun:.0f} |", flush=True)


if __name__ == "__main__":
    main()
