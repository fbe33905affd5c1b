"""How many labels images have, where they may have several.

Legend: N images, K labels.
"""

from typing import NamedTuple

import numpy as np

from striate.base.phrases import plural
from striate.data.examples import Examples


class LabelCounts(NamedTuple):
    """Labels of the images that no correction leaves out."""

    images: int
    mean: float  # labels of an image
    most: int
    without: int  # images that have none
    sets: int  # different sets of labels


def of(examples: Examples) -> LabelCounts:
    """The counts of images with several labels each."""
    labels_NK = examples.labels_N[examples.used_M()]
    count_N = labels_NK.sum(axis=1)
    sets = len(np.unique(np.packbits(labels_NK > 0, axis=1), axis=0))
    return LabelCounts(len(count_N), float(count_N.mean()), int(count_N.max()), int((count_N == 0).sum()), sets)


def facts(examples: Examples) -> dict[str, float]:
    """The same for JSON."""
    return of(examples)._asdict()


def describe(examples: Examples) -> str:
    """The same as a sentence, with the rarest label."""
    counts, images = of(examples), examples.counts()
    rarest = min(images, key=lambda name: images[name])
    return (
        f"{counts.mean:.2f} labels an image on average, at most {counts.most}, {plural(counts.without, 'image')} without any, "
        f"in {plural(counts.sets, 'different set')}; the rarest label is {rarest}, of {plural(images[rarest], 'image')}."
    )
