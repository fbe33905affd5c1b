"""`striate finetune`: train a classifier from pretrained weights, by one strategy or several compared.

All strategies share one split, one pixel cache and one set of cached features. The validation images decide which is
recommended; the test images are used once, at the end, to compare the others with it.

Legend: M images of a part, K classes.
"""

import copy
import logging
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.base import config, files, run_folder, run_record
from striate.base.arguments import named_arguments
from striate.base.errors import DataError, RunError
from striate.base.events import Json, Watch, progress, quiet
from striate.base.hash_rng import words
from striate.base.signals import catch_signals
from striate.base.wall_clock import counting, measured
from striate.data import in_memory, sources
from striate.data.survey import Sample, sample_stats
from striate.metrics import average_precision, classification
from striate.metrics.strategy_choice import Candidate, recommend
from striate.model import Model
from striate.training import device as machine
from striate.training import journal
from striate.training.transfer.feature_cache import body_sha256
from striate.workflows import baselines, shortcuts, spread, stored_copies
from striate.workflows import folds as folding
from striate.workflows.dataset import Dataset, gather
from striate.workflows.finetune import check, cross_validation, estimates, plan, start
from striate.workflows.finetune.result import FinetuneResult, Table
from striate.workflows.finetune.spread_attempts import spread_attempts
from striate.workflows.finetune.strategies import STRATEGIES, attempt
from striate.workflows.finetune.task import Outcome, TransferTask
from striate.workflows.load_model import load_network
from striate.workflows.report import build
from striate.workflows.train import mirroring
from striate.workflows.train.artifacts import (
    count_look,
    log_result,
    predictions_files,
    refuse_other_engine,
    score,
    scores_beside,
    write_start,
)

log = logging.getLogger("striate")


@named_arguments()
@counting()
@sources.listed_once
def finetune(
    data: str | Path | Any = None, *, labels: Any = None, weights: str | Path | None = None,
    strategies: str | Iterable[str] | None = None, layers: Iterable[str] = (), per_class: Iterable[int] = (),
    minutes: float | None = None, folds: int | None = None, seed: int | None = None, name: str | None = None,
    out: str | Path = "runs", resume: bool = False, report: bool = True, tensorboard: bool = False,
    ray_address: str | None = None, settings: Mapping[str, Any] | None = None, watch: Watch = quiet,
) -> Json:  # fmt: skip
    """Make a classifier of one's own images out of the weights of another training, test it, and save it under `out/name`.

    Strategies: extract, a classifier on what the frozen network makes of them; adapt, a new last layer on it; retrain, all
    weights, the last layer first; scratch, from its initialization, as a control. The best on the validation images is kept.

    Args:
        data: as for `train`.
        labels: one for each image, where they are not in `data`.
        weights: `NET@cifar10`, `NET@imagenet`, `NET@FILE`, a run, or a model's folder; else the best that need no download.
        strategies: all, or one or some of extract, adapt, retrain and scratch; else extract.
        layers: of extract: layers to compare, by cross-validation on the training images; else the last before the head.
        per_class: numbers of training images of each class, rising: all strategies are run with each of them too.
        minutes: most minutes of the whole command, features and report included.
        folds: test on every image once by so many trainings of one strategy, then train on all.
        seed: of folds, order, augmentation and initialization.
        name: of the run; else a readable one is chosen.
        out: the folder of runs.
        resume: resume the run `name` where it was interrupted; takes no other setting.
        report: end by writing the report.
        tensorboard: as for `train`.
        ray_address: of a Ray cluster whose workers run the strategies, or the folds, as for `train`.
        settings: nested settings, as in `{"finetune": {"retrain": {"epochs": 10}}}`.
        watch: called with every event.

    Returns:
        run, strategies [{name, val, test, seconds, p_value, parameters, ...}], recommended, sentence, curve, and more.

    """
    more = config.join(dict(settings or {}), {"tensorboard": tensorboard or None, "data": {"folds": folds}})
    own = check.tree(
        in_memory.stored(data, labels, watch=watch), more, seed, weights=weights, strategies=strategies, layers=layers,
        per_class=per_class, minutes=minutes,
    )  # fmt: skip
    if not resume and not own["finetune"].get("weights"):
        own = check.with_weights(own)
        log.info("from %s, the best weights that are here; --from names others", own["finetune"]["weights"])
    with spread.over(ray_address):
        result = run_in(Path(out), name, own, resume, watch, report)
    return result | measured(sum(result["images"].values()))


def run_in(
    out: Path, name: str | None, settings: config.Tree, resume: bool, watch: Watch = quiet, report: bool = True,
    sample: Sample | None = None,
) -> Json:  # fmt: skip
    """Fine-tune in `out/name`, anew or from what is there; the run's result for JSON.

    `sample` are the images and their statistics where they have been read already.
    """
    checked = None if resume else check.check(out, name, settings)
    run = check.settings_to_resume(out, name, settings) if checked is None else checked.run
    with catch_signals() as stop:
        if checked is None:
            folder = out / str(name)
            if (result := run_folder.read_json(folder / "result.json")) is not None:
                log.info("%s is finished already; this is its result.", folder)
                return build.later(result, folder, watch) if report else result
        engine = machine.pick(run.engine)
        if engine.world > 1:
            raise RunError(f"striate finetune works in one process; got {engine.world}. Start it without torchrun.")
        if checked is None:
            refuse_other_engine(folder, engine, run)
            pretrained, examples = _pretrained_to_resume(folder, run, watch), sources.read(run.data)
        else:
            pretrained = load_network(run.finetune.weights or "", watch=watch)
            examples = checked.examples
            plan.check(run, pretrained)
            stats = sample.stats if sample else sample_stats(examples, run.data, progress=progress(watch, "sample"))
            run = plan.resolve(run, pretrained, stats)
        pretrained = start.at_size(pretrained, run.preprocess.size_px or pretrained.input_spec.size_px)
        folder = run_folder.claim(
            out, run_folder.fresh_name(out, run.data.path, pretrained.net_name) if name is None else name, resume
        )
        with files.lock(folder), closing(gather(examples, run, stop, watch, engine.workers)) as dataset:
            files.sweep(folder)
            for note in (*dataset.examples.notes, *dataset.parts.notes, *dataset.hidden()):
                log.warning("%s", note)
            _refuse_few(dataset, run)
            if not resume and (run.finetune.strategies or ("extract",)) != ("extract",):
                run, dataset = mirroring.choose(run, dataset)
                plan.refuse_copies(run)
            elif not resume:
                dataset = mirroring.warn_of_features(run, dataset)
            body = copy.deepcopy(pretrained.net)
            engine.place(body)
            whole = TransferTask(run, dataset, folder / "strategies", engine, stop, watch, pretrained, body, dataset)
            return _compare(whole, folder, resume, report)


def _pretrained_to_resume(folder: Path, run: config.Run, watch: Watch) -> Model:
    """The pretrained model of an interrupted run."""
    pretrained = load_network(run.finetune.weights or "", watch=watch)
    starts = [event.get("body") for event in journal.read(folder / "journal.jsonl") if event["event"] == "start"]
    if starts and starts[0] != body_sha256(pretrained.net):
        raise RunError(
            f"{folder} began with other weights than {run.finetune.weights} has now, so its strategies would not compare. "
            "Bring those weights back, or start a new run."
        )
    return pretrained


def _compare(whole: TransferTask, folder: Path, resume: bool, report: bool) -> Json:
    """Run every strategy, with all images and with fewer, and write the result and the report."""
    tasks = [_completed(whole)]
    tasks += [_completed(_fewer(whole, count)) for count in whole.run.finetune.per_class or ()]
    # the rules depend on the number of images, so the settings before them are written too
    requested = config.to_toml(whole.run, defaults=False).encode()
    identity = write_start(replace(tasks[0], folder=folder), {} if resume else None, requested=requested)
    trained = len({"retrain", "scratch"} & {*(whole.run.finetune.strategies or ())})
    tasks = [
        replace(task, stamp=identity.stamp(), trainings=max(1, trained * (len(tasks) - number)), report=report)
        for number, task in enumerate(tasks)
    ]
    events = journal.Journal(folder / "journal.jsonl")
    reasons, body = list(whole.engine.reasons), body_sha256(whole.pretrained.net)
    events.write("resumed" if resume else "start", run=identity.stamp(), reasons=reasons, body=body)
    estimate = estimates.estimate(tasks * (1 + folding.requested(whole.run)))
    events.write("estimate", seconds=round(estimate.whole, 2))
    log.info("%s", estimate)
    spread_attempts(tasks[0], folder)
    tests = cross_validation.test_folds(tasks[0], (whole.run.finetune.strategies or ("extract",))[0], folder)
    tables = [cross_validation.tested(_table(task), tests) for task in tasks]
    result = _finish(tasks, tables, folder, events).as_json()
    model = tables[0].outcomes[tables[0].recommended.name].model
    if not report:
        return build.without(result, folder)
    layer = None if tables[0].recommended.name == "adapt" else result.get("layer")
    return build.at_end(result, model, replace(whole, folder=folder), tasks[0].head_inputs(model, layer))


def _refuse_few(dataset: Dataset, run: config.Run) -> None:
    """Refuse what cannot be learned from, and warn of classes that a score does not cover."""
    classes, count = dataset.examples.classes, len(dataset.examples)
    if count < 2 * len(classes):
        raise DataError(
            f"{count} images of {len(classes)} classes are too few to fine-tune with: expected at least {2 * len(classes)}, "
            "two of each class. Add images."
        )
    for part, rows_M in (("validation", dataset.parts.val_M), ("test", dataset.parts.test_M)):
        missing = np.flatnonzero(dataset.examples.count(rows_M) == 0)
        if len(missing) and len(rows_M):
            log.warning(
                "The %s part has no image of %d of the classes (%s), so its score does not cover them.",
                part, len(missing), ", ".join(classes[k] for k in missing[:5]),
            )  # fmt: skip
    check.check_per_class(run, classes, dataset.examples.count(dataset.parts.train_M))


def _completed(task: TransferTask) -> TransferTask:
    count = len(task.dataset.parts.train_M)
    return replace(task, run=plan.complete(task.run, task.pretrained, count))


def _fewer(whole: TransferTask, count: int) -> TransferTask:
    """The same task with so many training images of each class; more images hold those of fewer."""
    examples, parts = whole.dataset.examples, whole.dataset.parts
    order = np.argsort(words(examples.ids_N[parts.train_M], whole.run.seed, "per class"), kind="stable")
    drawn_M = parts.train_M[order]
    rows = [drawn_M[examples.labels_N[drawn_M] == k][:count] for k in range(len(examples.classes))]
    fewer = replace(whole.dataset, parts=replace(parts, train_M=np.sort(np.concatenate(rows))))
    return replace(whole, dataset=fewer, folder=whole.folder.parent / "per-class" / str(count))


def _table(task: TransferTask) -> Table:
    outcomes: dict[str, Outcome] = {}
    names = task.run.finetune.strategies or ("extract",)
    if task.dataset is not task.whole:
        log.info("With %d training images:", len(task.dataset.parts.train_M))
    for name in STRATEGIES:
        if name in names:
            outcomes[name] = attempt(task, name, outcomes)
    return Table(outcomes, recommend([_candidate(name, outcome) for name, outcome in outcomes.items()]))


def _candidate(name: str, outcome: Outcome) -> Candidate:
    val, test = outcome.val, outcome.test
    if val.labels_N.ndim == 2:
        ranked = average_precision.mean_average_precision(val.logits_NK, val.labels_N > 0).mean
        return Candidate(name, ranked, None, outcome.seconds, "mAP")
    correct_N = None if test is None else test.logits_NK.argmax(axis=1) == test.labels_N
    return Candidate(name, classification.accuracy(val.logits_NK, val.labels_N), correct_N, outcome.seconds)


def _finish(tasks: Sequence[TransferTask], tables: Sequence[Table], folder: Path, events: journal.Journal) -> FinetuneResult:
    """Copy the recommended model into the run's folder, and write the result."""
    task, table = tasks[0], tables[0]
    dataset, run, parts = task.dataset, task.run, task.dataset.parts
    best = table.outcomes[table.recommended.name]
    best_folder = task.folder / table.recommended.name
    curve: list[Json] = [
        {"per_class": count, "images": len(small.dataset.parts.train_M), "strategies": small_table.as_json()}
        for count, small, small_table in zip(run.finetune.per_class or (), tasks[1:], tables[1:], strict=True)
    ]
    _share(best_folder / "model", folder / "model")
    run_record.add_model(folder)
    result = FinetuneResult(
        run=str(folder), weights=run.finetune.weights, net=best.model.net_name, strategies=table.as_json(),
        recommended=table.recommended.name, sentence=table.recommended.sentence,
        extract=table.outcomes["extract"].more if "extract" in table.outcomes else {},
        steps=best.more.get("steps", 0), seconds=round(best.seconds, 2), val=score(best.val), test=score(best.test),
        seed=run.seed,
        images={"train": len(parts.train_M), "val": len(parts.val_M), "test": len(parts.test_M)},
        quarantined=len(dataset.examples.quarantined) + len(parts.leaked), ignored=len(dataset.examples.ignored), curve=curve,
        drawn=_draw_curve(task, table, curve, folder / "learning-curve.svg"), report=None,
        weights_sha256=files.sha256(folder / "model" / "weights.safetensors"),
        class_scores=scores_beside(best.model, best.val, best.test), folds=table.folds,
    )  # fmt: skip
    run_record.add(folder, predictions_files(best.val, best.test, task.stamp))
    if best.test is not None:
        tested_N = np.isin(dataset.examples.ids_N, best.test.ids_N)
        count_look(dataset.stored.pixel_hash_N[tested_N], folder, "finetune")
        stored_copies.add(folder, dataset, task.run.data.near_duplicates)
        if not dataset.examples.several:
            baselines.add(folder, dataset)
            shortcuts.warn(run_folder.read_json(folder / "data.json"), best.test)
    events.write("end", durable=True, recommended=result.recommended, weights_sha256=result.weights_sha256)
    run_record.add(folder, {"result.json": run_folder.as_bytes(result.as_json())})
    log_result(run, folder, best.val, best.test)
    for small in tasks[1:]:  # only their scores are needed; not before the result is written, since a resumed run reads them
        for model_folder in small.folder.glob("*/model"):
            shutil.rmtree(model_folder)
    cross_validation.remove_models(folder)
    return result


def _draw_curve(task: TransferTask, table: Table, curve: list[Json], path: Path) -> str | None:
    if not curve:
        return None
    from striate.plots.training import accuracy_by_train_size

    all_images = {"images": len(task.dataset.parts.train_M), "strategies": table.as_json()}
    net_name = table.outcomes[table.recommended.name].model.net_name
    accuracy_by_train_size.draw(f"{net_name} on {task.run.data.path}", [*curve, all_images], path)
    return str(path)


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
