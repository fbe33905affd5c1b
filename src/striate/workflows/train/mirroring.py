"""Whether the training images are mirrored at random: a test on training and validation images decides it before training.

| augment.flip | images | verdict of the test | mirrored |
|---|---|---|---|
| not given | gray | not tested | no, since digits and letters would change |
| not given | in color | swapped: mirror images of a class look like another | no |
| not given | in color | same, worse, unknown | yes; of the last two it is said what to set if that is wrong |
| true | any | swapped | yes, with a warning |
| false | any | not tested | no |

Where a classifier on features of pretrained weights is all that learns, nothing is mirrored, and the test warns instead.

The test is `metrics.mirror_test` on responses to patches (`batches.patch_responses`) of up to 800 images, which take about a
second; of files the result is kept in the cache, by their pixels and labels. Features of a pretrained network are no better:
these were learned on mirrored images, and hardly tell left from right. Test images are never used.

Legend: N images.
"""

import logging
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from striate.base import config
from striate.base.events import Json
from striate.base.hash_rng import words
from striate.base.phrases import percent, printable
from striate.batches import patch_responses
from striate.data import result_cache
from striate.data.on_the_fly import in_chunks
from striate.metrics.mirror_test import mirror_test
from striate.nets import catalogue
from striate.workflows.dataset import Dataset

log = logging.getLogger("striate")

_MOST_IMAGES = 800
_FEWEST_IMAGES = 10
_TEST_VERSION = 1  # raised whenever the result for the same images may be another
_AT_ONCE = 64  # of their full size


class Choice(NamedTuple):
    """Complete settings, and the data set with the test's result, which the run writes down."""

    run: config.Run
    dataset: Dataset


def choose(run: config.Run, dataset: Dataset) -> Choice:
    """Decide whether training images are mirrored, where the settings leave it open; the choice is logged."""
    given = run.augment.flip
    if given is False or catalogue.gradient_free(run.net.name or "") is not None:
        return Choice(run, dataset)
    if dataset.examples.several:
        if given is None:
            log.info("not mirrored: several labels are not tested for left and right; augment.flip=true mirrors.")
        return Choice(config.complete(run, {"augment": {"flip": False}}), dataset)
    tested = _test(dataset)
    sentence, swapped = describe(tested), tested["verdict"] == "swapped"
    if given and swapped:
        log.warning("augment.flip=true, but %s Without mirroring the accuracy may be higher.", sentence)
    elif not given and swapped:
        log.warning("not mirrored: %s augment.flip=true mirrors all the same.", sentence)
    elif not given:
        advice = "" if tested["verdict"] == "same" else " augment.flip=false if left and right matter."
        log.info("mirrored at random: the images have color. %s%s", sentence[:1].upper() + sentence[1:], advice)
    return Choice(config.complete(run, {"augment": {"flip": not swapped}}), replace(dataset, mirroring=tested))


def warn_of_features(run: config.Run, dataset: Dataset) -> Dataset:
    """Test the images whose features pretrained weights compute, and warn where classes depend on left and right.

    Several labels are not tested.
    """
    if dataset.examples.several:
        return dataset
    tested = _test(dataset)
    if tested["verdict"] == "swapped":
        sentence = describe(tested)
        log.warning(
            "%s Features of %s hardly tell left from right, since these weights were learned from mirrored images too: compare "
            "with --weights none.", sentence[:1].upper() + sentence[1:], run.finetune.weights,
        )  # fmt: skip
    return replace(dataset, mirroring=tested)


def describe(tested: Json) -> str:
    """The result of the test as a sentence, which begins in lower case."""
    if tested["images"] == 0:
        return "there are too few images to test whether classes depend on left and right."
    right, mirrored = percent(tested["accuracy"]), percent(tested["mirrored_accuracy"])
    numbers = f"of {tested['images']:,} training and validation images a cross-validated linear classifier gets {right} right"
    match tested["verdict"]:
        case "swapped":
            first, second = (repr(printable(name)) for name in tested["classes"])
            return (
                f"the classes {first} and {second} depend on left and right: mirror images of one look like the other. Of "
                f"{tested['images']:,} images of these two a cross-validated linear classifier gets {right} right, and "
                f"{mirrored} of their mirror images (p = {tested['p_value']:.1g})."
            )
        case "worse":
            return f"{numbers}, and {mirrored} of their mirror images, but does not take these for another class."
        case "same":
            return f"{numbers}, and {mirrored} of their mirror images."
    return f"whether classes depend on left and right cannot be told: {numbers}, no better than the majority class."


def _test(dataset: Dataset) -> Json:
    """Test the mirror images of the training and validation images, or of so many; the result for JSON."""
    examples, parts = dataset.examples, dataset.parts
    rows_N = np.concatenate([parts.train_M, parts.val_M])
    rows_N = rows_N[np.argsort(words(examples.ids_N[rows_N], "mirror test"), kind="stable")][:_MOST_IMAGES]
    labels_N = examples.labels_N[rows_N]
    if len(rows_N) < _FEWEST_IMAGES or len(np.unique(labels_N)) < 2:
        return {"verdict": "unknown", "images": 0}
    if examples.pixels_NHWC is not None:  # of images in memory nothing is left behind
        return _compute(dataset, rows_N, labels_N)
    hashes_N = dataset.stored.pixel_hash_N[rows_N]
    depends = (hashes_N.tobytes().hex(), labels_N.tolist(), examples.classes, tuple(dataset.input_spec))
    place = result_cache.folder(result_cache.MIRRORING, _TEST_VERSION, torch.__version__, np.__version__, *depends)
    if (tested := result_cache.read(place)) is not None:
        return tested
    tested = _compute(dataset, rows_N, labels_N)
    result_cache.write(place, tested, examples)
    return tested


def _compute(dataset: Dataset, rows_N: NDArray[np.int64], labels_N: NDArray[np.int64]) -> Json:
    """The result for JSON of these images, which have at least two classes."""
    chunks = in_chunks(dataset.stored.pixels_NHWC, rows_N, _AT_ONCE)
    images_NCHW = torch.cat([patch_responses.shrink(pixels_NHWC) for pixels_NHWC in chunks])
    filters = patch_responses.fit(images_NCHW)
    tested = mirror_test(filters.features(images_NCHW), filters.features(images_NCHW.flip(3)), labels_N)
    result = tested._asdict()
    pair = result.pop("pair")
    return result if pair is None else {**result, "classes": [dataset.examples.classes[k] for k in pair]}
