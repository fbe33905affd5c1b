"""What a training starts with: preprocessing, network, loaders and loss.

Legend: M images of a split, K classes.
"""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from striate.base import config
from striate.base.errors import RunError, ShapeError
from striate.batches import augment, image_patch_pca, preprocess, whitening
from striate.batches.loader import Loader
from striate.batches.preprocess import Preprocess
from striate.batches.sampler import balanced
from striate.data.examples import Examples
from striate.nets import catalogue, factory
from striate.nets.images_at_once import images_at_once
from striate.nets.init import first_convolution, whiten
from striate.nets.net import CHW, Net
from striate.training import epoch_scores, layer_lr, loop, optimizer, smallest_batch
from striate.training import loss as losses
from striate.training.epoch_scores import Scorer
from striate.training.journal import Journal
from striate.workflows.run_context import RunContext
from striate.workflows.train import defaults

log = logging.getLogger("striate")

_EVAL_BATCH = 256


class StartingWeights(NamedTuple):
    """Weights to start from in place of the network's own initialization."""

    net: Net  # on the device, with a head for the classes; its weights change
    preprocess: Preprocess  # from pixels to the network's input
    license: str  # of the weights
    about: dict[str, Any]  # entries for the artifact's record of its training
    # for a number of epochs, the epoch from which each parameter is trained, by name
    unfreeze_epochs: Callable[[Net, int], dict[str, int]] | None = None


class TrainingSetup(NamedTuple):
    """Preprocessing, the network on the device, and loaders for train, val and test."""

    preprocess: Preprocess
    net: Net
    loaders: dict[str, Loader]


def set_up(context: RunContext, starting_weights: StartingWeights | None = None) -> TrainingSetup:
    """What a training by back-propagation starts with."""
    run, dataset, world = context.run, context.dataset, context.engine.world
    if starting_weights is not None:
        net, fitted_preprocess = starting_weights.net, starting_weights.preprocess
    else:
        fitted_preprocess = fit_preprocess(context)
        net = build_network(context, fitted_preprocess)
    augmentation = augment.fit(run.augment, dataset.stored.pixels_NHWC, dataset.parts.train_M, run.seed)
    eval_batch = images_at_once(net, net.input_chw, _EVAL_BATCH)
    loaders = build_loaders(context, fitted_preprocess, augmentation, eval_batch)
    refuse_processes(run, loaders["train"].places, world)
    smallest_batch.check(net, loaders["train"], run.train.grad_accum_steps)
    return TrainingSetup(fitted_preprocess, net, loaders)


def refuse_processes(run: config.Run, images: int, world: int) -> None:
    """Refuse more processes than the smallest batch of an epoch of so many images has, or than the network learns in."""
    if world > 1 and catalogue.gradient_free(run.net.name or "") is not None:
        raise RunError(f"{run.net.name} learns in one process; got {world}. Start it without torchrun.")
    batches = -(-images // run.train.batch_size)
    if (smallest := images // batches) < world:
        raise RunError(
            f"{world} processes share each batch; expected an image for each of them, got batches of {smallest} ({images:,} "
            f"training images, train.batch_size={run.train.batch_size}). Start fewer processes, or raise train.batch_size."
        )


class _PlannedBatches(NamedTuple):
    """The batches of a training whose images are not decoded yet."""

    places: int
    batch_size: int
    world: int

    @property
    def steps(self) -> int:
        return -(-self.places // self.batch_size)


def check_network(run: config.Run, classes: int, labels_M: NDArray[np.int64], world: int) -> None:
    """Refuse before decoding what the network of a run cannot be trained with; nothing where it is yet to be chosen."""
    name, size_px, channels = run.net.name, run.preprocess.size_px, run.preprocess.channels
    if name is None or size_px is None or channels is None:
        return
    augment.check(run.augment, size_px, channels)
    chw: CHW = (channels, size_px, size_px)
    if run.preprocess.scale in ("pca", "zca"):
        whitening.check(run.preprocess.components, chw, len(labels_M))
    if run.preprocess.scale == "pca":
        chw = (run.preprocess.components or prod(chw), 1, 1)
    if catalogue.gradient_free(name) is not None:
        _build(run, chw, classes)
        return
    with nullcontext() if catalogue.is_own(name) else torch.device("meta"):  # code of others may need the values
        net = _build(run, chw, classes)
    optimizer.check(net, run.train, layer_lr.factors(net, run.train))
    if "batch_size" in run.train.model_fields_set:
        batches = _PlannedBatches(defaults.images_an_epoch(run, labels_M), run.train.batch_size, world)
        smallest_batch.check(net, batches, run.train.grad_accum_steps)


def build_loss(context: RunContext) -> losses.Loss:
    """The loss of a run, with the weights of its classes."""
    examples, train = context.dataset.examples, context.run.train
    weights_K = losses.class_weights(
        examples.labels_N[context.dataset.parts.train_M], len(examples.classes), train.class_weights
    )
    return losses.make(train, None if weights_K is None else weights_K.to(context.engine.device))


def build_task(context: RunContext, setup: TrainingSetup) -> loop.Task:
    """The training of a run, of one step, which writes nothing: what it is to write, and its length, are yet to be set."""
    return loop.Task(
        net=setup.net, train=setup.loaders["train"], val=setup.loaders["val"], settings=context.run.train, steps=1,
        loss=build_loss(context), engine=context.engine, seed=context.run.seed, journal=Journal(None), checkpoints=None,
        stop=context.stop, names=lambda ids_M: image_names(context.dataset.examples, ids_M), observers=[context.watch],
        scorer=scorer_of(context.run),
    )  # fmt: skip


def scorer_of(run: config.Run) -> Scorer:
    """How good an epoch is: of one label an image, or of several."""
    return epoch_scores.SEVERAL_LABELS if run.data.multi_label else epoch_scores.ONE_LABEL


def fit_preprocess(context: RunContext) -> Preprocess:
    """Preprocessing with the statistics of the training images."""
    dataset = context.dataset
    return preprocess.fit(dataset.stored.pixels_NHWC, dataset.parts.train_M, context.run.preprocess)


def build_network(context: RunContext, fitted_preprocess: Preprocess) -> Net:
    """The network of a run with its initial weights, on the device."""
    run, dataset = context.run, context.dataset
    side = dataset.input_spec.size_px
    chw = fitted_preprocess.output_chw((dataset.input_spec.channels, side, side))
    net = _build(run, chw, len(dataset.examples.classes))
    if run.net.init == "whitening":
        conv = first_convolution(net)
        rows_M = dataset.by_id(dataset.parts.train_M)
        side = conv.kernel_size[0]
        components = image_patch_pca.components(dataset.stored.pixels_NHWC, rows_M, fitted_preprocess, side, run.seed)
        whiten(conv, *components, epsilon=net.whitening_epsilon)
    context.engine.place(net)
    return net


def _build(run: config.Run, chw: CHW, classes: int) -> Net:
    """The network of a run for inputs of this shape."""
    assert run.net.name is not None
    own = run.net.own()
    if "aux" in factory.settings_of(run.net.name):
        own.setdefault("aux", True)
    try:
        return factory.build(run.net.name, chw, classes, seed=run.seed, **run.net.start(), **own)
    except ShapeError as error:
        if run.preprocess.scale != "pca":
            raise
        raise ShapeError(
            f"preprocess.scale=pca makes {chw[0]} numbers without places of each image, which {run.net.name} cannot take: "
            "expected a network of fully connected layers. Take preprocess.scale=zca, or --net mlp."
        ) from error


def build_loaders(
    context: RunContext, fitted_preprocess: Preprocess, augmentation: augment.Augmentation | None, eval_batch: int = _EVAL_BATCH
) -> dict[str, Loader]:
    """Loaders for train, val and test; with several processes, of this one's share of each batch."""
    run, dataset, engine, parts = context.run, context.dataset, context.engine, context.dataset.parts
    # by id, so that the order of training does not depend on the order of the source
    train_M, sampling = dataset.by_id(parts.train_M), None
    if run.train.sampling == "balanced":
        sampling = balanced(train_M, dataset.examples.labels_N[train_M])
        log.info("sampling balanced: an epoch shows %d images in place of %d", sampling.places, len(train_M))

    def loader(rows_M: NDArray[np.int64], batch_size: int, **options: Any) -> Loader:
        return dataset.loader(rows_M, fitted_preprocess, batch_size, engine, rank=engine.rank, world=engine.world, **options)

    return {
        "train": loader(train_M, run.train.batch_size, shuffle_seed=run.seed, augmentation=augmentation, sampling=sampling),
        "val": loader(parts.val_M, eval_batch),
        "test": loader(parts.test_M, eval_batch),
    }


def image_names(examples: Examples, ids_M: NDArray[np.uint64]) -> list[str]:
    """The paths of M images; looked up when there is something to report, since a table of all would cost memory."""
    return [examples.names[int(np.flatnonzero(examples.ids_N == i)[0])] for i in ids_M]
