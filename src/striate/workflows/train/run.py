"""`striate train`: from settings to a run's result - the folder, the processes, the folds."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from striate.base import config, files, run_folder, run_record
from striate.base.arguments import named_arguments
from striate.base.errors import SettingError
from striate.base.events import Json, Watch, progress, quiet
from striate.base.signals import catch_signals
from striate.base.wall_clock import counting, measured
from striate.data import in_memory, sources
from striate.data.survey import Sample, SampleStats, sample_stats
from striate.nets import own_network
from striate.training import device as machine
from striate.training import processes
from striate.training.device import Engine
from striate.training.inference import Predictions
from striate.workflows import baselines, shortcuts, spread, stored_copies
from striate.workflows import folds as folding
from striate.workflows.dataset import Dataset, gather
from striate.workflows.finetune import run as finetuning
from striate.workflows.finetune import start
from striate.workflows.report import build
from striate.workflows.run_context import Resume, RunContext
from striate.workflows.train import check, defaults, mirroring, one_fold
from striate.workflows.train.artifacts import Trained, count_look, refuse_other_engine, score, scores_beside
from striate.workflows.train.fit import fit
from striate.workflows.train.one_training import lr_range_test
from striate.workflows.train.setup import check_network, refuse_processes

log = logging.getLogger("striate")


@named_arguments()
@counting()
@sources.listed_once
def train(
    data: str | Path | Any = None, *, labels: Any = None, net: str | None = None, weights: str | Path | None = None,
    recipe: str | Path | None = None, epochs: int | None = None, minutes: float | None = None, folds: int | None = None,
    seed: int | None = None, name: str | None = None, out: str | Path = "runs", data_dir: str | Path | None = None,
    pixel_cache_gb: float | None = None, resume: bool = False, other_processes: bool = False, report: bool = True,
    tensorboard: bool = False, trust_code: bool = False, ray_address: str | None = None,
    settings: Mapping[str, Any] | None = None, watch: Watch = quiet,
) -> Json:  # fmt: skip
    """Train a classifier on labeled images, test it, and save it under `out/name`.

    Args:
        data: a folder, a table, or digits, mnist, fashion-mnist, cifar10; or images in memory (`data.labeled_objects`).
        labels: one for each image, where they are not in `data`.
        net: a name of the catalogue, a line of layers, or `file.py:Class`; else by the rule in `workflows/train/defaults.py`.
        weights: pretrained ones to start from, as for `finetune`, or none; else by the rule in `workflows/finetune/start.py`.
        recipe: a name of the package's recipes, or a TOML file; the other arguments win over it.
        epochs: passes over the training images.
        minutes: of the whole command, decoding and report included, in place of epochs.
        folds: test on every image once by so many trainings, then train on all.
        seed: of initialization, order and dropout.
        name: of the run; else a readable one is chosen.
        out: the folder of runs.
        data_dir: where named data sets lie.
        pixel_cache_gb: most GB of decoded pixels to keep in the cache; above, each epoch decodes them anew.
        resume: resume the run `name` from its last checkpoint; takes no other setting.
        other_processes: with `resume`: go on also where the run began with another number of processes; the weights at its end
            are then others than without the change.
        report: end by writing the report; the verdict comes without it too, but for what needs the network.
        tensorboard: also log epochs, weights, filters and settings for TensorBoard, in the run's folder; needs `striate[log]`.
        trust_code: run the file of a network that a recipe or the run to resume names; one named by `net` is trusted.
        ray_address: of a Ray cluster whose workers train the folds: HOST:PORT, `auto` for the one that this machine belongs to,
            or `local` to start one here; all its machines see the images and `out` under the same paths.
        settings: nested settings of `striate.base.config.Run`, as in `{"train": {"lr": 0.1}}`.
        watch: called with every event: decode, step, epoch.

    Returns:
        from pretrained weights as `finetune`; else run, net, steps, seconds (of training), val and test {accuracy, low, high,
        n}, weights_sha256, wall_seconds (of the whole command), images_per_second (training images shown, by wall_seconds), and
        more.

    Raises:
        StriateError: see `striate.base.errors`; Interrupted where a signal stopped it, after a checkpoint.

    """
    tree = config.settings_from_args(
        in_memory.stored(data, labels, watch=watch), settings, net=net, weights=weights, recipe=recipe, epochs=epochs,
        minutes=minutes, folds=folds, seed=seed, data_dir=data_dir, pixel_cache_gb=pixel_cache_gb,
        tensorboard=tensorboard or None,
    )  # fmt: skip
    own_network.trust_named(_named_net(net, settings))
    if other_processes and not resume:
        raise SettingError("other_processes applies with resume alone; leave it out.")
    going_on: Resume = "other-processes" if other_processes else resume
    with spread.over(ray_address):
        result = run_in(Path(out), name, tree, going_on, watch, report, trust_code)
    images = result["images"]
    return result | measured(sum(images.values()) if "strategies" in result else images["train"] * result["epochs"])


def _named_net(net: str | None, settings: Mapping[str, Any] | None) -> str | None:
    """The network that the user has named, in place of a file."""
    section = (settings or {}).get("net")
    named = section.get("name") if isinstance(section, Mapping) else None
    return net if net is not None or not isinstance(named, str) else named


@named_arguments("net", "recipe", "epochs", "minutes", "seed", "data_dir")
@processes.met()
def find_lr(
    data: str | Path | Any = None, *, labels: Any = None, draw: str | Path = "find-lr.svg",
    settings: Mapping[str, Any] | None = None, watch: Watch = quiet, **arguments: Any,
) -> Json:  # fmt: skip
    """Propose a learning rate: up to 100 steps at rates that rise from 1e-6 to 10, of which nothing is kept but a plot.

    Args:
        data: as for `train`.
        labels: one for each image, where they are not in `data`.
        draw: the plot, as .svg, .png or .pdf.
        settings: as for `train`.
        watch: called with every event: decode, step.
        arguments: `net`, `recipe`, `epochs`, `minutes`, `seed` and `data_dir`, as for `train`.

    Returns:
        net, rates, losses, smooth (the losses' running mean), proposal (a tenth of the rate at which that is least; None where
        the loss never fell), lr (what the settings have now) and drawn.

    """
    from striate.plots.training import lr_finder as drawing

    path = Path(draw)
    tree = config.settings_from_args(in_memory.stored(data, labels, watch=watch), settings, **arguments)
    own_network.trust_named(_named_net(arguments.get("net"), settings))
    checked = check.check_range_test(tree, path)
    with catch_signals() as stop:
        engine = _pick_engine(checked.run)
        watch = watch if engine.writes else quiet
        run, stats = _resolve(checked, engine, watch)
        examples = checked.examples
        with processes.joined(engine.device), closing(gather(examples, run, stop, watch, engine.workers)) as dataset:
            run, dataset = mirroring.choose(run, dataset)
            run = defaults.complete_schedule(run, stats, dataset.train_labels_M)
            curve = lr_range_test(RunContext(run, dataset, path.parent, engine.with_one_precision(), stop, watch))
        name = run.net.name or ""
        if engine.writes:
            drawing.draw(f"{name} on {run.data.path}, {run.train.optimizer}", *curve, path)
    drawn = str(path) if engine.writes else None
    return {
        "net": name, "rates": list(curve.rates), "losses": list(curve.losses), "smooth": list(curve.smooth),
        "proposal": curve.proposal, "lr": run.train.lr, "drawn": drawn,
    }  # fmt: skip


@processes.met()
def run_in(
    out: Path, name: str | None, settings: config.Tree, resume: Resume, watch: Watch = quiet, report: bool = True,
    trust_code: bool = False,
) -> Json:  # fmt: skip
    """Train with these settings in `out/name`, anew or from its last checkpoint; the run's result for JSON."""
    settings, named = (settings, None) if resume else check.named_start(settings)
    if named not in (None, start.NONE):
        return finetuning.run_in(out, name, check.pretrained(settings, named), False, watch, report)
    checked = None if resume else check.check(out, name, settings)
    run = check.settings_to_resume(out, name, settings) if checked is None else checked.run
    if run.finetune.weights is not None:
        if resume == "other-processes":
            raise SettingError("other_processes does not apply to a fine-tuning, which has one process; leave it out.")
        return finetuning.run_in(out, name, settings, True, watch, report)
    examples = stats = None
    with catch_signals() as stop:
        if trust_code:
            own_network.trust_named(run.net.name)
        engine = _pick_engine(run)
        watch = watch if engine.writes else quiet
        if checked is not None:
            if named is None and not start.of_scratch(run):
                stats = sample_stats(checked.examples, run.data, progress=progress(watch, "sample"))
                if (begin := start.choose(run, stats)).weights is not None:
                    log.info("%s", begin.reason)
                    settings, sample = check.pretrained(settings, begin.weights), Sample(checked.examples, stats)
                    return finetuning.run_in(out, name, settings, False, watch, report, sample)
            run, stats = _resolve(checked, engine, watch, stats)
            if named is None:
                log.info("%s", start.choose(checked.run, stats).reason)
            examples = checked.examples
        name = run_folder.fresh_name(out, run.data.path, run.net.name or "") if name is None else name
        folder = run_folder.claim(out, name, bool(resume))
        with processes.joined(engine.device), _locked(folder, engine):
            if resume and (result := _finished(run, folder)) is not None:
                return build.later(result, folder, watch) if report and engine.writes else result
            engine = engine.with_one_precision()
            if resume and engine.writes:
                refuse_other_engine(folder, engine, run, resume == "other-processes")
            for reason in engine.reasons:
                log.info("%s", reason)
            with closing(gather(examples or sources.read(run.data), run, stop, watch, engine.workers)) as dataset:
                if stats is not None:
                    run, dataset = mirroring.choose(run, dataset)
                    run = defaults.complete_schedule(run, stats, dataset.train_labels_M)
                return _train(RunContext(run, dataset, folder, engine, stop, watch, report=report), resume)


def _resolve(
    checked: check.Checked, engine: Engine, watch: Watch, stats: SampleStats | None = None
) -> defaults.Resolved:  # fmt: skip
    """The settings that decoding depends on; what the network cannot do is refused as soon as its settings are known."""
    labels_M, classes = checked.train_labels_M, len(checked.examples.classes)
    refuse_processes(checked.run, len(labels_M), engine.world)
    check_network(checked.run, classes, labels_M, engine.world)
    resolved = defaults.resolve(checked.run, checked.examples, watch, stats)
    planned = defaults.choose_schedule(resolved.run, resolved.stats, defaults.images_an_epoch(checked.run, labels_M)).run
    check_network(planned, classes, labels_M, engine.world)
    return resolved


def _pick_engine(run: config.Run) -> Engine:
    """The engine of a run; of several processes, those that do not write log errors alone."""
    engine = machine.pick(run.engine)
    if not engine.writes:
        log.setLevel(logging.CRITICAL)
    return engine


@contextmanager
def _locked(folder: Path, engine: Engine) -> Iterator[None]:
    """Lock the folder for the process that writes, and remove what an interruption left half written."""
    if not engine.writes:
        yield
        return
    with files.lock(folder):
        files.sweep(folder)
        yield


def _finished(run: config.Run, folder: Path) -> Json | None:
    """The result of a run that has ended; None where it has not, as when its folds have ended but the whole has not."""
    result = run_folder.read_json(folder / "result.json")
    if result is None or (run.data.folds is not None and "folds" not in result):
        return None
    log.info("%s is finished already; this is its result.", folder)
    return result


def _train(context: RunContext, resume: Resume) -> Json:
    """Train, with folds where the settings have them, and write the report."""
    dataset, run = context.dataset, context.run
    for note in (*dataset.examples.notes, *dataset.parts.notes, *dataset.hidden()):
        log.warning("%s", note)
    _warn_of_bad_files(dataset)
    spread.refuse_unused(folding.requested(run))
    trained = _train_folds(context, resume) if folding.requested(run) else fit(context, resume)
    if trained.test is not None and context.engine.writes:
        tested_N = np.isin(dataset.examples.ids_N, trained.test.ids_N)
        count_look(dataset.stored.pixel_hash_N[tested_N], context.folder, "train")
        stored_copies.add(context.folder, dataset, run.data.near_duplicates)
        if not dataset.examples.several:
            baselines.add(context.folder, dataset)
            shortcuts.warn(run_folder.read_json(context.folder / "data.json"), trained.test)
    result = trained.result.as_json()
    if not context.engine.writes:
        return result
    return build.at_end(result, trained.model, context) if context.report else build.without(result, context.folder)


def _warn_of_bad_files(dataset: Dataset) -> None:
    bad = (*dataset.examples.quarantined, *dataset.parts.leaked)
    if bad:
        log.warning("%d of the files found are quarantined and not used:", len(bad))
        for path, reason in bad[:10]:
            log.warning("  %s: %s", path.encode("utf-8", "backslashreplace").decode(), reason)
        if len(bad) > 10:
            log.warning("  and %d more; `striate data` lists them all.", len(bad) - 10)


def _bind_folds(run: config.Run, folder: Path, resume: bool) -> None:
    """Write the settings before the first fold, so that the run can be resumed; the training on all images writes the rest."""
    if not resume:
        identity = run_record.identify(config.given(run))
        run_record.begin(folder, identity, {"run.toml": config.to_toml(run).encode()})


def _train_folds(context: RunContext, resume: Resume) -> Trained:
    """Train K times, each time testing on another part, then once on all; the score is that of all K parts together."""
    run, folder, engine = context.run, context.folder, context.engine
    count = folding.requested(run)
    if engine.writes:
        _bind_folds(run, folder, bool(resume))
    one_fold.spread_folds(context)
    tests: list[Predictions] = []
    for fold in range(count):
        tests.append(one_fold.train_fold(context, fold, resume))
    log.info("The model itself: trained on all images, tested by the %d folds.", count)
    final = fit(context, resume)
    pooled = folding.pool(tests)
    result = final.result._replace(
        test=score(pooled),
        folds=tuple(score(test) for test in tests),
        class_scores=scores_beside(final.model, pooled, pooled),
    )
    if engine.writes:
        predictions = run_folder.predictions_bytes(*pooled, run_record.read(folder).identity.stamp())
        run_record.add(folder, {"predictions-test.npz": predictions, "result.json": run_folder.as_bytes(result.as_json())})
    return final._replace(result=result, test=pooled)
