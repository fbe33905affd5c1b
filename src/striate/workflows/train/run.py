"""From what was asked for to a run's result: the plan, the folder, the processes, the folds."""

import logging
from contextlib import closing
from pathlib import Path

import numpy as np

from striate.base import config, files, run_folder
from striate.base.errors import RunError, SettingError
from striate.base.signals import Stop, catch_signals
from striate.data import sources
from striate.data.examples import Examples
from striate.training import device as machine
from striate.training import weight_histograms
from striate.training.device import Engine
from striate.training.inference import Predictions
from striate.workflows.dataset import Dataset, divided, gather
from striate.workflows.train import defaults, one_training
from striate.workflows.train.one_training import Watch, interval

log = logging.getLogger("striate")


def run_in(
    out: Path, name: str | None, settings: config.Tree, resume: bool, watch: Watch, report: bool = True
) -> run_folder.Json:
    """Train with these settings in `out/name`, anew or on from its last checkpoint; the run's result."""
    if resume and name is None:
        raise RunError("--resume needs the run's --name; `striate runs` lists them.")
    examples = None
    with catch_signals() as stop:
        if not resume:
            run, examples = _asked_for(settings)
        else:
            folder = run_folder.claim(out, str(name), resume=True)
            run = run_folder.settings(folder)
            if run.finetune.start is not None:
                raise RunError(
                    f"{folder} was made by `striate finetune`; go on with it by `striate finetune --resume --name {name}`."
                )
            config.refuse_other(settings, run)
        engine = machine.pick(run.engine)
        if not engine.writes:
            log.setLevel(logging.CRITICAL)
        name = name or run_folder.fresh_name(out, run.data.path, run.net.name or "")
        folder = run_folder.claim(out, name, resume)
        with machine.processes(engine.device):
            if not engine.writes:
                return _train(run, examples, folder, engine, stop, _nothing, resume, report)
            with files.lock(folder):
                for inner in (folder, folder / "checkpoints"):
                    files.sweep(inner)
                return _train(run, examples, folder, engine, stop, watch, resume, report)


def _asked_for(settings: config.Tree) -> tuple[config.Run, Examples]:
    """Complete settings, and the examples that they were completed from."""
    run = config.build(settings)
    if run.finetune.start is not None:
        raise SettingError("finetune.start does not apply to a training: write `striate finetune DATA --from NAME`.")
    if not run.data.path:
        raise SettingError("expected DATA: a folder of images by class, a table, or digits, mnist, cifar10.")
    examples = sources.read(run.data)
    return defaults.complete(run, examples), examples


def find_rate(settings: config.Tree, path: Path, watch: Watch) -> run_folder.Json:
    """The range test for these settings: its curve, drawn at `path`, and the rate that it proposes."""
    from striate.plots import save_figure
    from striate.plots.training import lr_finder as drawing

    save_figure.check_ending(path)
    with catch_signals() as stop:
        run, examples = _asked_for(settings)
        if run.data.folds is not None:
            raise SettingError("data.folds does not apply to the range test, which is one short training; leave it out.")
        engine = machine.pick(run.engine)
        if not engine.writes:
            log.setLevel(logging.CRITICAL)
        with machine.processes(engine.device):
            seen_by = watch if engine.writes else _nothing
            with closing(gather(examples, run, stop, seen_by, engine.workers)) as dataset:
                curve = one_training.find_rate(run, dataset, engine, stop, seen_by)
        name, drawn = run.net.name or "", str(path) if engine.writes else None
        if drawn is not None:
            drawing.draw(f"{name} on {run.data.path}, {run.train.optimizer}", *curve, path)
    return {
        "net": name, "rates": list(curve.rates), "losses": list(curve.losses), "smooth": list(curve.smooth),
        "proposal": curve.proposal, "lr": run.train.lr, "drawn": drawn,
    }  # fmt: skip


def weights_of(run: str, path: Path | None) -> run_folder.Json:
    """What the journal of a run says of its weights, drawn at `path`."""
    folder = run_folder.find(run)
    found = weight_histograms.noted(folder / "journal.jsonl")
    if not found["start"]:
        raise RunError(f"expected histograms of the weights in {folder / 'journal.jsonl'}; there are none. Train it anew.")
    if path is not None:
        from striate.plots.training import weight_histograms as drawing

        drawing.draw(folder.name, found["start"], found["end"], weight_histograms.BIN, weight_histograms.NEAR, path)
    told = {when: [{**row._asdict(), "counts": list(row.counts)} for row in rows] for when, rows in found.items()}
    return {"run": str(folder), "drawn": None if path is None else str(path), **told}


def _nothing(_event: dict[str, object]) -> None:
    """What the processes watch that do not speak."""


def _finished(run: config.Run, folder: Path) -> run_folder.Json | None:
    """The result of a run that has ended; None where it has not, as when its folds have but their sum has not."""
    done = run_folder.read_json(folder / "result.json")
    if done is None or (run.data.folds is not None and "folds" not in done):
        return None
    log.info("%s is finished already; this is its result.", folder)
    return done


def _train(
    run: config.Run,
    examples: Examples | None,
    folder: Path,
    engine: Engine,
    stop: Stop,
    watch: Watch,
    resume: bool,
    report: bool,
) -> run_folder.Json:
    """Train with the examples that the plan was made from; a resumed run reads its own, unless it has ended."""
    if resume and (done := _finished(run, folder)) is not None:
        if report and engine.writes:
            from striate.workflows.report import build

            return build.later(done, folder, watch)
        return done
    for reason in engine.reasons:
        log.info("%s", reason)
    with closing(gather(examples or sources.read(run.data), run, stop, watch, engine.workers)) as dataset:
        for note in (*dataset.examples.notes, *dataset.parts.notes, *dataset.hidden()):
            log.warning("%s", note)
        _say_bad_files(dataset)
        if run.data.folds is not None and run.data.fold is None:
            trained = _folds(run, dataset, folder, engine, stop, watch, resume)
        else:
            trained = one_training.train(run, dataset, folder, engine, stop, watch, resume)
        if report and engine.writes:
            from striate.workflows.report import build

            return build.at_end(trained.result, folder, trained.model, dataset, engine, stop, watch)
        return trained.result


def _say_bad_files(dataset: Dataset) -> None:
    bad = (*dataset.examples.quarantined, *dataset.parts.leaked)
    if bad:
        log.warning("%d of the files found are quarantined and not used:", len(bad))
        for path, reason in bad[:10]:
            log.warning("  %s: %s", path.encode("utf-8", "backslashreplace").decode(), reason)
        if len(bad) > 10:
            log.warning("  and %d more; `striate data` lists them all.", len(bad) - 10)


def _folds(
    run: config.Run, dataset: Dataset, folder: Path, engine: Engine, stop: Stop, watch: Watch, resume: bool
) -> one_training.Trained:
    """Train K times, each time testing on another part, then once on all; the score is that of all K parts together."""
    count = run.data.folds or 0
    if engine.writes:
        files.write_text(folder / "run.toml", config.to_toml(run))
    tests: list[Predictions] = []
    for fold in range(count):
        inner = folder / "folds" / f"fold-{fold}"
        one = config.build(config.merge(config.given_by_user(run), {"data": {"fold": fold}}))
        if engine.agree(float((inner / "result.json").exists())):  # one answer for all processes, while one of them writes
            tests.append(Predictions(*run_folder.load_predictions(inner / "predictions-test.npz")))
            continue
        log.info("Fold %d of %d.", fold + 1, count)
        begun = bool(engine.agree(float(resume and (inner / "run.toml").exists())))
        test = one_training.train(one, divided(dataset, one), inner, engine, stop, watch, begun).test
        assert test is not None
        tests.append(test)
    log.info("The model itself: trained on all images, tested by the %d folds.", count)
    final = one_training.train(run, dataset, folder, engine, stop, watch, resume)
    ids_N = np.concatenate([part.ids_N for part in tests])
    order = np.argsort(ids_N)
    pooled = Predictions(*(np.concatenate(columns)[order] for columns in zip(*tests, strict=True)))
    result = {**final.result, "test": interval(pooled), "folds": [interval(part) for part in tests]}
    if engine.writes:
        run_folder.save_predictions(folder / "predictions-test.npz", *pooled)
        run_folder.write_json(folder / "result.json", result)
    return final._replace(result=result, test=pooled)
