"""From the weights of another training to a run of one's own: what `striate finetune` does.

Legend: M images of a part, D features, K classes.
"""

import copy
import hashlib
import logging
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from striate import engine as machine
from striate import plan, runs
from striate.base import config, disk
from striate.base.errors import DataError, RunError, SettingError
from striate.base.stopping import Stop, asked
from striate.batches.stream import Stream
from striate.engine import Engine
from striate.images import sources
from striate.images.survey import glance
from striate.job import interval, write_beginning
from striate.material import Material, Watch, gather
from striate.model import Model
from striate.nets.reading import check, with_head
from striate.training.finetune import extract, features
from striate.training.journal import Journal
from striate.training.scoring import Predictions, predict

log = logging.getLogger("striate")

_BATCH = 64
Json = dict[str, Any]


class Tap(NamedTuple):
    """One layer as a source of features.

    Attributes:
        name: of the layer; None for the input of the head.
        features: D.
        linear: the classifier.
        cross_validated: share of left-out training images that it had right; None where none could be left out.

    """

    name: str | None
    features: int
    linear: extract.Linear
    cross_validated: float | None


def run_in(out: Path, name: str | None, settings: config.Tree, start: Model, watch: Watch) -> Json:
    """Fine-tune in `out/name`; the run's result."""
    with asked() as stop:
        run = config.build(_own_settings(settings, start))
        for tap in run.finetune.taps or ():
            check(start.net, tap)
        examples = sources.read(run.data)
        run = _fitted(run, start, glance(examples))
        engine = machine.pick(run.engine)
        if engine.world > 1:
            raise RunError(f"striate finetune works in one process; got {engine.world}. Start it without torchrun.")
        folder = runs.claim(out, name or runs.fresh_name(out, run.data.path, start.net_name), resume=False)
        with disk.lock(folder), closing(gather(examples, run, stop, watch, engine.workers)) as material:
            for note in (*material.examples.notes, *material.parts.notes, *material.hidden()):
                log.warning("%s", note)
            _refuse_few(material)
            return _extract(run, material, folder, engine, start, stop, watch)


def _own_settings(settings: config.Tree, start: Model) -> config.Tree:
    """The settings, with those that belong to the weights; the user may not set these."""
    for section in ("train", "augment", "net"):
        for name in settings.get(section, {}):
            raise SettingError(
                f"{section}.{name} does not apply to a classifier on the features of a frozen network; remove it."
            )
    for name in settings.get("prepare", {}):
        if name not in ("fit", "store_gb"):
            raise SettingError(f"prepare.{name} belongs to the weights that are started from; remove it.")
    look = start.look
    prepare = {"size_px": look.size_px, "channels": look.channels}
    return config.merge(settings, {"prepare": prepare, "net": {"name": start.net_name, **start.net_settings}})


def _fitted(run: config.Run, start: Model, seen: Any) -> config.Run:
    """How other shapes are made square, by rule where it was not given; and what is said of colour."""
    run, reason = plan.fit(run, seen)
    if reason:
        log.info("%s", reason)
    if seen.grey and start.look.channels == 3:
        log.info("The pictures are grey and %s takes colour: their grey goes into all three channels.", start.net_name)
    if not seen.grey and start.look.channels == 1:
        log.info("The pictures have colour and %s takes grey: their colour is left out.", start.net_name)
    return run


def _refuse_few(material: Material) -> None:
    """Refuse what cannot be learnt from, and say what a score will not tell."""
    classes, count = material.examples.classes, len(material.examples)
    if count < 2 * len(classes):
        raise DataError(
            f"{count} images of {len(classes)} classes are too few to fine-tune with: expected at least {2 * len(classes)}, "
            "two of each class. Add images."
        )
    for part, rows_M in (("validation", material.parts.val_M), ("test", material.parts.test_M)):
        missing = np.flatnonzero(np.bincount(material.examples.labels_N[rows_M], minlength=len(classes)) == 0)
        if len(missing) and len(rows_M):
            log.warning(
                "The %s part has no image of %d of the classes (%s), so its score does not tell of them.",
                part, len(missing), ", ".join(classes[k] for k in missing[:5]),
            )  # fmt: skip


def _streams(material: Material, start: Model, engine: Engine) -> dict[str, Stream]:
    def stream(rows_M: Any) -> Stream:
        return Stream(
            pixels_NHWC=material.stored.pixels_NHWC, labels_N=material.examples.labels_N, ids_N=material.examples.ids_N,
            rows_M=rows_M[np.argsort(material.examples.ids_N[rows_M], kind="stable")], preprocess=start.preprocess,
            batch_size=_BATCH, device=engine.device, channels_last=engine.channels_last,
        )  # fmt: skip

    parts = material.parts
    return {"train": stream(parts.train_M), "val": stream(parts.val_M), "test": stream(parts.test_M)}


def _extract(run: config.Run, material: Material, folder: Path, engine: Engine, start: Model, stop: Stop, watch: Watch) -> Json:
    """A linear classifier on what the frozen body makes of the images."""
    begun, given, classes = time.monotonic(), run.finetune, material.examples.classes
    journal = Journal(folder / "journal.jsonl")
    journal.write("start", reasons=list(engine.reasons), notes=list(material.hidden()))
    body = copy.deepcopy(start.net)
    engine.place(body)
    reads = list(given.taps or (None,))
    streams = _streams(material, start, engine)
    values = {part: _values(body, streams[part], material, start, reads, stop, watch) for part in ("train", "val")}
    labels = {part: material.examples.labels_N[streams[part].rows_M] for part in values}
    taps = []
    for number, read in enumerate(reads):
        linear = extract.fit(
            np.asarray(values["train"][number]), labels["train"], np.asarray(values["val"][number]), labels["val"],
            len(classes), given.classifier or "svm", given.normalise or "standardise", run.seed,
            tick=lambda: stop.check("fitting the classifiers"),
        )  # fmt: skip
        best = max((one.accuracy for one in linear.tried), default=None)
        taps.append(Tap(read, values["train"][number].shape[1], linear, best))
        journal.write("tap", name=read, features=taps[-1].features, c=linear.c, tried=[list(one) for one in linear.tried])
    chosen = max(taps, key=lambda tap: tap.cross_validated or 0.0)  # by the training images alone
    net = with_head(body, len(classes), chosen.name, chosen.linear.unit)
    engine.place(net)
    head: Any = net.head
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(chosen.linear.weight_KD))
        if head.bias is not None:
            head.bias.copy_(torch.from_numpy(chosen.linear.bias_K))
    val, test = predict(net, streams["val"], engine), predict(net, streams["test"], engine)
    seconds = time.monotonic() - begun
    more: Json = {"read": chosen.name} if chosen.name else {}
    more |= {"unit_features": True} if chosen.linear.unit else {}
    model = replace(
        start, net=net.eval(), net_settings={**start.net_settings, **more}, look=material.look, classes=classes,
        training={"start": given.start, "strategy": "extract", "seed": run.seed}, threshold=None, aliases={},
    )  # fmt: skip
    # Only now, so that a run which was interrupted does not stand in the way of the same command
    write_beginning(run, material, folder, engine, resumed=False)
    return _finish(run, material, folder, model, taps, chosen, val, test, seconds, journal)


def _values(
    body: Any, stream: Stream, material: Material, start: Model, reads: list[str | None], stop: Stop, watch: Watch
) -> list[features.Values]:
    def told(done: int) -> None:
        watch({"event": "features", "done": done, "total": len(stream)})
        stop.check("computing features")

    hasher = hashlib.sha256(stream.ids_N[stream.rows_M].tobytes())
    hasher.update(material.stored.pixel_hash_N[stream.rows_M].tobytes())
    for name, tensor in sorted(start.preprocess.tensors().items()):
        hasher.update(name.encode() + tensor.numpy().tobytes())
    about = {
        "images": hasher.hexdigest(), "look": [*material.look], "preprocess": start.preprocess.as_json(), "net": start.net_name,
        "settings": {name: start.net_settings[name] for name in sorted(start.net_settings)},
        "device": stream.device.type, "data": Path(str(material.examples.root)).name,
    }  # fmt: skip
    return features.kept(disk.cache_folder() / "features", body, stream, about, reads, told)


def _finish(
    run: config.Run,
    material: Material,
    folder: Path,
    model: Model,
    taps: list[Tap],
    chosen: Tap,
    val: Predictions | None,
    test: Predictions | None,
    seconds: float,
    journal: Journal,
) -> Json:
    assert val is not None
    parts = material.parts
    strategy = {"name": "extract", "val": interval(val), "test": interval(test), "seconds": round(seconds, 2), "p_value": None}
    result: Json = {
        "run": str(folder), "start": run.finetune.start, "net": model.net_name, "strategies": [strategy],
        "recommended": "extract", "tap": chosen.name or model.net.head_name, "c": chosen.linear.c,
        "taps": [
            {"name": tap.name or f"input of {model.net.head_name}", "features": tap.features, "c": tap.linear.c,
             "cross_validated": tap.cross_validated}
            for tap in taps
        ],
        "seconds": round(seconds, 2), "val": interval(val), "test": interval(test), "seed": run.seed,
        "images": {"train": len(parts.train_M), "val": len(parts.val_M), "test": len(parts.test_M)},
        "quarantined": len(material.examples.quarantined) + len(parts.leaked), "ignored": len(material.examples.ignored),
    }  # fmt: skip
    result["weights_sha256"] = model.save(folder / "model")
    for name, predictions in (("val", val), ("test", test)):
        if predictions is not None:
            runs.save_predictions(folder / f"predictions-{name}.npz", *predictions)
    journal.write("end", durable=True, seconds=result["seconds"], weights_sha256=result["weights_sha256"])
    runs.write_json(folder / "result.json", result)
    return result
