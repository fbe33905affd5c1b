"""The defaults of fine-tuning.

| strategy | rule |
|---|---|
| all that train | batches of a tenth of the training images, at least 8 and at most 64 |
| adapt | 3,000 steps, between 20 and 200 epochs: they cost next to nothing |
| adapt, augmented_copies | 2 of each image where augmentation is on, else the image itself |
| retrain | as many epochs as show 20,000 images, 5 to 30; a tenth of the usual rate, and a tenth of that at the first layer |
| scratch | as `striate train`: as many epochs as show 400,000 images, at most 60 |
| mirroring | as `striate train`, for every strategy but extract |
"""

import logging
from math import ceil

from striate.base import config, several_labels
from striate.base.errors import SettingError, UnsupportedError
from striate.batches import augment
from striate.data.survey import SampleStats
from striate.model import Model
from striate.nets.feature_layer import body_of, check_feature_layer, check_head, settings_with
from striate.training import layer_lr
from striate.training.transfer import full_finetune as retraining
from striate.workflows.finetune import start
from striate.workflows.train import defaults

log = logging.getLogger("striate")
_HEAD_STEPS, _RETRAINED, _SCRATCH, _RETRAIN_RATE, _COPIES = 3000, 20_000, 400_000, 3e-4, 2


def check(run: config.Run, pretrained: Model) -> None:
    """Refuse layers that the pretrained network does not have, and a size that it does not take.

    Raises:
        SettingError: naming the setting, and what to do.
        UnsupportedError: the head cannot be replaced, which a strategy needs.

    """
    strategies = run.finetune.strategies or ("extract",)
    if run.preprocess.size_px is not None:
        start.at_size(pretrained, run.preprocess.size_px)
    for layer in run.finetune.layers or ():
        check_feature_layer(body_of(pretrained.net), layer)
    if {"adapt", "retrain"} & {*strategies} or ("extract" in strategies and not run.finetune.layers):
        check_head(pretrained.net)
    for settings in (run.finetune.retrain, run.finetune.scratch):
        if settings is not None:
            layer_lr.factors(pretrained.net, settings)
    if run.augment.flip is not None:  # else the images decide
        refuse_copies(run)


def resolve(run: config.Run, pretrained: Model, stats: SampleStats) -> config.Run:
    """The settings with those of the pretrained weights and those that depend on the images; the choices are logged."""
    input_spec, net_name = pretrained.input_spec, pretrained.net_name
    weights = run.finetune.weights or ""
    if (sentence := start.advice(weights, stats)) is not None:
        log.warning("%s", sentence)
    preprocess: config.Tree = {"channels": input_spec.channels, "interpolation": input_spec.interpolation}
    preprocess["size_px"] = run.preprocess.size_px or start.size_px(weights, pretrained, stats)
    chosen: config.Tree = {
        "preprocess": preprocess, "net": {"name": net_name, **settings_with(pretrained.net, pretrained.net_settings)},
    }  # fmt: skip
    if run.preprocess.resize_mode is None:
        mode, reason = defaults.resize_mode(stats)
        if (measured := start.resize_mode(weights, stats)) is not None:
            mode, reason = measured, f"resize {measured} to {preprocess['size_px']} px: the whole image, as measured best"
        elif mode == "squash" and input_spec.resize_mode == "crop" and input_spec.share < 1:
            mode, reason = "crop", "resize crop: the images are nearly square, and the weights were trained on crops"
        preprocess["resize_mode"] = mode
        log.info("%s", reason)
    mode = run.preprocess.resize_mode or preprocess["resize_mode"]
    if mode == "crop" and run.preprocess.crop_share is None and input_spec.share < 1:
        preprocess["crop_share"] = input_spec.share
        log.info("%.1f %% of the short side is kept, as %s was trained", 100 * input_spec.share, net_name)
    if stats.gray and input_spec.channels == 3:
        log.info("The images are gray and %s takes color: their gray goes into all three channels.", net_name)
    if not stats.gray and input_spec.channels == 1:
        log.info("The images have color and %s takes gray: their color is left out.", net_name)
    if run.augment.flip is None and (run.finetune.strategies or ("extract",)) != ("extract",):
        chosen["augment"] = {"flip": False if stats.gray else None}  # images in color are tested first
    reading = start.READINGS.get(weights)
    if reading is not None and "extract" in (run.finetune.strategies or ("extract",)) and run.finetune.classifier != "knn":
        by_measurement: config.Tree = {"layers": [reading.layer], "classifier": reading.classifier}
        chosen["finetune"] = by_measurement | config.given_by_user(run.finetune)
    run = config.change(run, chosen)
    if stats.gray or run.augment.flip is not None:
        refuse_copies(run)
    return run


def refuse_copies(run: config.Run) -> None:
    """Refuse augmented copies where nothing is augmented, which is known once it is decided whether images are mirrored."""
    if run.finetune.augmented_copies is not None and not augment.is_on(run.augment):
        raise SettingError(
            "finetune.augmented_copies does not apply without augmentation; remove it, or set one of augment, as in "
            "augment.flip=true."
        )


def complete(run: config.Run, pretrained: Model, train_images: int) -> config.Run:
    """The settings with those of each strategy completed from the number of images to learn from."""
    given = run.finetune
    names = given.strategies or ("extract",)
    batch = max(8, min(64, train_images // 10))
    rules: dict[str, config.Tree] = {}
    own: config.Tree = {}
    if {"adapt", "retrain"} & {*names}:
        epochs = max(20, min(200, ceil(_HEAD_STEPS * batch / train_images)))
        rules["adapt"] = {"epochs": epochs, "batch_size": batch} | ({} if run.data.multi_label else {"label_smoothing": 0.0})
        own["augmented_copies"] = given.augmented_copies or (_COPIES if augment.is_on(run.augment) else None)
    if "retrain" in names:
        epochs = max(5, min(30, ceil(_RETRAINED / train_images)))
        rules["retrain"] = {"epochs": epochs, "batch_size": batch, "lr": _RETRAIN_RATE, "warmup": 0.1}
        if given.retrain is None or given.retrain.layer_decay is None:
            rules["retrain"] |= _layer_decay(pretrained)
    if "scratch" in names:
        rules["scratch"] = {"epochs": max(1, min(60, ceil(_SCRATCH / train_images))), "batch_size": batch}
    loss = {"loss": several_labels.LOSS} if run.data.multi_label else {}
    own |= {name: _train_settings(rule | loss, getattr(given, name)) for name, rule in rules.items()}
    return config.change(run, {"finetune": own})


def _layer_decay(pretrained: Model) -> config.Tree:
    try:
        return {"layer_decay": round(retraining.layer_decay(pretrained.net), 4)}
    except UnsupportedError:
        log.info("The layers of %s cannot be put in order, so all of them are retrained at one rate.", pretrained.net_name)
        return {}


def _train_settings(rule: config.Tree, given: config.Train | None) -> config.Tree:
    above: config.Tree = {} if given is None else config.given_by_user(given)
    if not {"epochs", "steps", "minutes"} & {*above}:
        rule = {**rule, "early_stop": True}
    settings: config.Tree = config.lay_over({"train": rule}, {"train": above})["train"]
    return settings
