"""From the weights of another training to a run of one's own: what `striate finetune` does.

All strategies see one split, one pixel store and one set of kept features. Which is taken is decided on the validation images;
the test images are asked once, at the end, how far the others are from it.

Legend: M images of a part, K classes.
"""

import copy
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from striate.base import config, files, run_folder
from striate.base.errors import DataError, RunError, SettingError
from striate.base.hash_rng import words
from striate.base.signals import catch_signals
from striate.batches import augment
from striate.data import sources
from striate.data.survey import SampleStats, sample_stats
from striate.metrics import classification
from striate.metrics.strategy_choice import Candidate, Recommendation, recommend
from striate.model import Model
from striate.nets.feature_layer import body_of, check_feature_layer, check_head, settings_with
from striate.training import device as machine
from striate.training import journal
from striate.training.transfer.feature_cache import body_sha256
from striate.workflows.dataset import Dataset, Watch, gather
from striate.workflows.finetune import plan as finetuning_plan
from striate.workflows.finetune.strategies import STRATEGIES, attempt
from striate.workflows.finetune.task import Case, Outcome
from striate.workflows.train import defaults
from striate.workflows.train.one_training import interval, write_beginning

log = logging.getLogger("striate")

ASKED = "asked.toml"
Json = dict[str, Any]


def run_in(
    out: Path,
    name: str | None,
    settings: config.Tree,
    resume: bool,
    load: Callable[[str], Model],
    watch: Watch,
    report: bool = True,
) -> Json:
    """Fine-tune in `out/name`, anew or on from what is there; the run's result. `load` gives the model of a name."""
    if resume and name is None:
        raise RunError("--resume needs the run's --name; `striate runs` lists them.")
    with catch_signals() as stop:
        if resume:
            folder = run_folder.claim(out, str(name), resume=True)
            run, start = _begun(folder, settings, load)
            if (result := run_folder.read_json(folder / "result.json")) is not None:
                log.info("%s is finished already; this is its result.", folder)
                if report:
                    from striate.workflows.report import build

                    return build.later(result, folder, watch)
                return result
            examples = sources.read(run.data)
        else:
            start = load(config.build(settings).finetune.start or "")
            run = config.build(_own_settings(settings, start))
            _check_layers(run, start)
            examples = sources.read(run.data)
            run = _fitted(run, start, sample_stats(examples))
        engine = machine.pick(run.engine)
        if engine.world > 1:
            raise RunError(f"striate finetune works in one process; got {engine.world}. Start it without torchrun.")
        folder = run_folder.claim(out, name or run_folder.fresh_name(out, run.data.path, start.net_name), resume)
        with files.lock(folder), closing(gather(examples, run, stop, watch, engine.workers)) as dataset:
            for note in (*dataset.examples.notes, *dataset.parts.notes, *dataset.hidden()):
                log.warning("%s", note)
            _refuse_few(dataset, run)
            body = copy.deepcopy(start.net)
            engine.place(body)
            whole = Case(run, start, body, dataset, dataset, folder / "strategies", engine, stop, watch)
            cases = [_completed(whole)]
            cases += [_completed(_fewer(whole, count)) for count in run.finetune.per_class or ()]
            if not resume:  # the rules depend on the number of images, so what was given is kept beside what they made of it
                files.write_text(folder / ASKED, config.to_toml(run, defaults=False))
            write_beginning(cases[0].run, dataset, folder, engine, resumed=resume)
            events = journal.Journal(folder / "journal.jsonl")
            events.write("resumed" if resume else "start", reasons=list(engine.reasons), body=body_sha256(start.net))
            log.info("%s", finetuning_plan.told(finetuning_plan.estimates(cases[0], cases)))
            tables = [_table(case) for case in cases]
            result = _finish(cases, tables, folder, events)
            if report:
                from striate.workflows.report import build

                model = tables[0].outcomes[tables[0].recommended.name].model
                return build.at_end(result, folder, model, dataset, engine, stop, watch)
            return result


def _begun(folder: Path, settings: config.Tree, load: Callable[[str], Model]) -> tuple[config.Run, Model]:
    """The settings of a run that was begun, and what it started from."""
    run = run_folder.settings(folder)
    if run.finetune.start is None:
        raise RunError(
            f"{folder} was not made by `striate finetune`; go on with it by `striate train --resume --name {folder.name}`."
        )
    config.refuse_other(config.merge(settings), run)
    run = config.build(config.read_toml(folder / ASKED))
    start = load(run.finetune.start or "")
    began = [event.get("body") for event in journal.read(folder / "journal.jsonl") if event["event"] == "start"]
    if began and began[0] != body_sha256(start.net):
        raise RunError(
            f"{folder} began with other weights than {run.finetune.start} has now, so its strategies would not compare. Bring "
            "those weights back, or start a new run."
        )
    return run, start


def _own_settings(settings: config.Tree, start: Model) -> config.Tree:
    """The settings, with those that belong to the weights; the user may not set these."""
    strategies = config.build(settings).finetune.strategies or ("extract",)
    for name in settings.get("train", {}):
        raise SettingError(
            f"train.{name} does not say which strategy it is for; write finetune.adapt.{name}, finetune.retrain.{name} or "
            f"finetune.scratch.{name}."
        )
    for name in settings.get("net", {}):
        raise SettingError(f"net.{name} belongs to the weights that are started from; remove it.")
    for name in settings.get("preprocess", {}):
        if name not in ("resize_mode", "pixel_cache_gb"):
            raise SettingError(f"preprocess.{name} belongs to the weights that are started from; remove it.")
    for name in settings.get("augment", {}):
        if strategies == ("extract",):
            raise SettingError(f"augment.{name} does not apply to extract, which sees each image as it is; remove it.")
        if name in ("mixup", "cutmix"):
            raise SettingError(f"augment.{name} mixes images, whose features cannot be kept one by one; remove it.")
    if "folds" in settings.get("data", {}) or "fold" in settings.get("data", {}):
        raise SettingError("data.folds does not apply to striate finetune, which has one split for all strategies; remove it.")
    input_spec = start.input_spec
    preprocess = {"size_px": input_spec.size_px, "channels": input_spec.channels}
    kept = settings_with(start.net, start.net_settings)
    return config.merge(settings, {"preprocess": preprocess, "net": {"name": start.net_name, **kept}})


def _check_layers(run: config.Run, start: Model) -> None:
    """Refuse a network whose head cannot be replaced where that is needed, and layers that it does not have."""
    for tap in run.finetune.taps or ():
        check_feature_layer(body_of(start.net), tap)
    names = {*(run.finetune.strategies or ("extract",))}
    if {"adapt", "retrain"} & names or ("extract" in names and not run.finetune.taps):
        check_head(start.net)


def _fitted(run: config.Run, start: Model, seen: SampleStats) -> config.Run:
    """How other shapes are made square, and whether images are mirrored, by rule where it was not given; and what is said."""
    run, reason = defaults.fit(run, seen)
    if reason:
        log.info("%s", reason)
    if seen.gray and start.input_spec.channels == 3:
        log.info("The images are gray and %s takes color: their gray goes into all three channels.", start.net_name)
    if not seen.gray and start.input_spec.channels == 1:
        log.info("The images have color and %s takes gray: their color is left out.", start.net_name)
    if run.augment.flip is None and (run.finetune.strategies or ("extract",)) != ("extract",):
        if not seen.gray:
            log.info("mirrored at random, but for extract: the images have color (augment.flip=false if left and right matter)")
        run = config.build(config.merge(config.given_by_user(run), {"augment": {"flip": not seen.gray}}))
    if run.finetune.views is not None and not augment.is_on(run.augment):
        raise SettingError(
            "finetune.views does not apply where images are not changed at random; remove it, or set one of augment, as in "
            "augment.flip=true."
        )
    return run


def _refuse_few(dataset: Dataset, run: config.Run) -> None:
    """Refuse what cannot be learned from, and say what a score will not tell."""
    classes, count, labels_N = dataset.examples.classes, len(dataset.examples), dataset.examples.labels_N
    if count < 2 * len(classes):
        raise DataError(
            f"{count} images of {len(classes)} classes are too few to fine-tune with: expected at least {2 * len(classes)}, "
            "two of each class. Add images."
        )
    for part, rows_M in (("validation", dataset.parts.val_M), ("test", dataset.parts.test_M)):
        missing = np.flatnonzero(np.bincount(labels_N[rows_M], minlength=len(classes)) == 0)
        if len(missing) and len(rows_M):
            log.warning(
                "The %s part has no image of %d of the classes (%s), so its score does not tell of them.",
                part, len(missing), ", ".join(classes[k] for k in missing[:5]),
            )  # fmt: skip
    counts_K = np.bincount(labels_N[dataset.parts.train_M], minlength=len(classes))
    most = max(run.finetune.per_class or (0,))
    if most > counts_K.min():
        scarce = int(counts_K.argmin())
        raise SettingError(
            f"finetune.per_class: {most} images of each class are more than class {classes[scarce]!r} has to learn from: "
            f"{counts_K[scarce]}. Leave it out, or add images."
        )


def _completed(case: Case) -> Case:
    count = len(case.dataset.parts.train_M)
    return replace(case, run=finetuning_plan.complete(case.run, case.start, count))


def _fewer(whole: Case, count: int) -> Case:
    """The same case with so many training images of each class; more images hold those of fewer."""
    examples, parts = whole.dataset.examples, whole.dataset.parts
    order = np.argsort(words(examples.ids_N[parts.train_M], whole.run.seed, "per class"), kind="stable")
    drawn_M = parts.train_M[order]
    kept = [drawn_M[examples.labels_N[drawn_M] == k][:count] for k in range(len(examples.classes))]
    fewer = replace(whole.dataset, parts=replace(parts, train_M=np.sort(np.concatenate(kept))))
    return replace(whole, dataset=fewer, folder=whole.folder.parent / "per-class" / str(count))


class Table(NamedTuple):
    """What the strategies of a case left, and which to take."""

    outcomes: dict[str, Outcome]
    recommended: Recommendation


def _table(case: Case) -> Table:
    found: dict[str, Outcome] = {}
    names = case.run.finetune.strategies or ("extract",)
    if case.dataset is not case.whole:
        log.info("With %d training images:", len(case.dataset.parts.train_M))
    for name in STRATEGIES:
        if name in names:
            found[name] = attempt(case, name, found)
    return Table(found, recommend([_candidate(name, outcome) for name, outcome in found.items()]))


def _candidate(name: str, outcome: Outcome) -> Candidate:
    val, test = outcome.val, outcome.test
    right_N = None if test is None else test.logits_NK.argmax(axis=1) == test.labels_N
    score = classification.accuracy(val.logits_NK, val.labels_N)
    return Candidate(name, score, right_N, outcome.seconds)


def _rows(table: Table) -> list[Json]:
    return [
        {
            "name": name, "val": interval(outcome.val), "test": interval(outcome.test), "seconds": round(outcome.seconds, 2),
            "p_value": table.recommended.p_values.get(name),
            "parameters": sum(parameter.numel() for parameter in outcome.model.net.parameters()), **outcome.more,
        }
        for name, outcome in table.outcomes.items()
    ]  # fmt: skip


def _finish(cases: Sequence[Case], tables: Sequence[Table], folder: Path, events: journal.Journal) -> Json:
    case, table = cases[0], tables[0]
    dataset, run = case.dataset, case.run
    best = table.outcomes[table.recommended.name]
    kept = case.folder / table.recommended.name
    curve = [
        {"per_class": count, "images": len(one.dataset.parts.train_M), "strategies": _rows(found)}
        for count, one, found in zip(run.finetune.per_class or (), cases[1:], tables[1:], strict=True)
    ]
    result: Json = {
        "run": str(folder), "start": run.finetune.start, "net": best.model.net_name, "strategies": _rows(table),
        "recommended": table.recommended.name, "sentence": table.recommended.sentence,
        **(table.outcomes["extract"].more if "extract" in table.outcomes else {}),
        "seconds": round(best.seconds, 2), "val": interval(best.val), "test": interval(best.test), "seed": run.seed,
        "images": {"train": len(dataset.parts.train_M), "val": len(dataset.parts.val_M), "test": len(dataset.parts.test_M)},
        "quarantined": len(dataset.examples.quarantined) + len(dataset.parts.leaked),
        "ignored": len(dataset.examples.ignored), "curve": curve, "drawn": None, "report": None,
    }  # fmt: skip
    if curve:
        from striate.plots.training import accuracy_by_train_size

        result["drawn"] = str(folder / "learning-curve.svg")
        all_images = {"images": result["images"]["train"], "strategies": result["strategies"]}
        accuracy_by_train_size.draw(f"{result['net']} on {run.data.path}", [*curve, all_images], Path(result["drawn"]))
    _share(kept / "model", folder / "model")
    result["weights_sha256"] = files.sha256(folder / "model" / "weights.safetensors")
    for part in ("val", "test"):
        if (kept / f"predictions-{part}.npz").exists():
            files.write_bytes(folder / f"predictions-{part}.npz", (kept / f"predictions-{part}.npz").read_bytes())
    events.write("end", durable=True, recommended=result["recommended"], weights_sha256=result["weights_sha256"])
    run_folder.write_json(folder / "result.json", result)
    for one in cases[
        1:
    ]:  # only the scores of these were wanted; not before the result is there, since a resumed run reads them
        for left in one.folder.glob("*/model"):
            shutil.rmtree(left)
    return result


def _share(source: Path, target: Path) -> None:
    """The same files in another folder, without taking their room twice where the file system can do that."""
    with files.new_folder(target) as new:
        for path in source.iterdir():
            if path.name == files.MANIFEST:  # is written anew
                continue
            try:
                os.link(path, new / path.name)
            except OSError:
                with files.explained(new, "write"):
                    shutil.copyfile(path, new / path.name)
