"""What fine-tuning does where it was not told, and how long that will take.

| strategy | rule |
|---|---|
| all that train | batches of a tenth of the training images, at least 8 and at most 64 |
| adapt | 3,000 steps, between 20 and 200 epochs: they cost next to nothing |
| adapt, views | 2 changed copies of each image where images are changed at random, else the image itself |
| retrain | as many epochs as show 20,000 images, 5 to 30; a tenth of the usual rate, and a tenth of that at the first layer |
| scratch | as `striate train`: as many epochs as show 400,000 images, at most 60 |
| mirroring | images in color are mirrored at random, for every strategy but extract |
"""

import copy
import logging
from collections.abc import Mapping, Sequence
from math import ceil

from striate.base import config
from striate.base.errors import UnsupportedError
from striate.base.phrases import spoken
from striate.batches import augment
from striate.model import Model
from striate.nets.feature_layer import with_head
from striate.training import timing
from striate.training.transfer import full_finetune as retraining
from striate.workflows.finetune.strategies import STRATEGIES, begin_with, training_run, within
from striate.workflows.finetune.task import Case
from striate.workflows.train import one_training

log = logging.getLogger("striate")
_HEAD_STEPS, _RETRAINED, _SCRATCH, _RETRAIN_RATE, _VIEWS = 3000, 20_000, 400_000, 3e-4, 2


def complete(run: config.Run, start: Model, train_images: int) -> config.Run:
    """The settings of each strategy that is asked for, completed from the number of images to learn from."""
    given = run.finetune
    names = given.strategies or ("extract",)
    batch = max(8, min(64, train_images // 10))
    rules: dict[str, config.Tree] = {}
    own: config.Tree = {}
    if {"adapt", "retrain"} & {*names}:
        epochs = max(20, min(200, ceil(_HEAD_STEPS * batch / train_images)))
        rules["adapt"] = {"epochs": epochs, "batch_size": batch, "label_smoothing": 0.0}
        own["views"] = given.views or (_VIEWS if augment.is_on(run.augment) else None)
    if "retrain" in names:
        epochs = max(5, min(30, ceil(_RETRAINED / train_images)))
        rules["retrain"] = {"epochs": epochs, "batch_size": batch, "lr": _RETRAIN_RATE, "warmup": 0.1}
        if given.retrain is None or given.retrain.layer_decay is None:
            rules["retrain"] |= _rate_decay(start)
    if "scratch" in names:
        rules["scratch"] = {"epochs": max(1, min(60, ceil(_SCRATCH / train_images))), "batch_size": batch}
    own |= {name: _laid(rule, getattr(given, name)) for name, rule in rules.items()}
    return config.build(config.merge(config.given_by_user(run), {"finetune": own}))


def _rate_decay(start: Model) -> config.Tree:
    try:
        return {"layer_decay": round(retraining.layer_decay(start.net), 4)}
    except UnsupportedError:
        log.info("The layers of %s cannot be put in order, so all of them are retrained at one rate.", start.net_name)
        return {}


def _laid(rule: config.Tree, given: config.Train | None) -> config.Tree:
    above: config.Tree = {} if given is None else config.given_by_user(given)
    laid: config.Tree = config.lay_over({"train": rule}, {"train": above})["train"]
    return laid


def estimates(case: Case, cases: Sequence[Case]) -> dict[str, float]:
    """Seconds that each strategy will take over all `cases`, of which `case` is the one with all images."""
    names = [*(case.run.finetune.strategies or ("extract",))]
    reads = [within(case.start.net, tap) for tap in case.run.finetune.taps or (None,)]
    pass_1 = timing.seconds_an_image(case.body, case.stream("train"))
    shared = sum(case.missing(part, [None]) for part in ("val", "test"))
    found: dict[str, float] = {}
    if "extract" in names:
        found["extract"] = pass_1 * sum(case.missing(part, reads) for part in ("train", "val", "test"))
    if {"adapt", "retrain"} & {*names}:
        found["adapt"] = pass_1 * (sum(case.missing("train", [None], view) for view in case.views) + shared)
    trained = [name for name in ("retrain", "scratch") if name in names]
    if trained:
        net = with_head(copy.deepcopy(case.body), len(case.classes))
        a_shown = one_training.seconds_an_image(
            training_run(case, getattr(case.run.finetune, trained[0])), case.dataset, case.engine, begin_with(case, net)
        )
        for name in trained:
            found[name] = sum(_seconds(one, getattr(one.run.finetune, name), a_shown) for one in cases)
    return {name: found[name] for name in STRATEGIES if name in found}


def _seconds(case: Case, settings: config.Train, a_shown: float) -> float:
    minutes = settings.minutes or case.run.finetune.minutes
    count = len(case.dataset.parts.train_M)
    steps_an_epoch = -(-count // settings.batch_size)
    planned = a_shown * timing.planned(settings, steps_an_epoch) * count / steps_an_epoch
    if settings.minutes is not None:
        return 60 * settings.minutes
    return planned if minutes is None else min(planned, 60 * minutes)


def told(found: Mapping[str, float]) -> str:
    """Estimates as a sentence.

    >>> told({"extract": 3.2, "retrain": 400.0})
    'Estimated: extract 3 s, retrain 7 min; fits of classifiers and heads come on top.'
    """
    return f"Estimated: {', '.join(f'{n} {spoken(s)}' for n, s in found.items())}; fits of classifiers and heads come on top."
