"""`striate tune`: a search for better settings, by the validation images alone.

Successive halving (Jamieson & Talwalkar 2016): every trial is trained for a short time, the best third of them for three times
as long, and so on while more than three are left; the best one's settings are trained for the rest of the time. All trials
share one split and, of the same image size, one pixel cache. Each is an ordinary run without a test score; the test images are
scored once, by the final training.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from striate.base import config, files, run_folder
from striate.base.arguments import named_arguments
from striate.base.errors import Interrupted, NumbersError, RunError, SettingError, ShapeError
from striate.base.events import Json, Watch, progress, quiet
from striate.base.phrases import plural
from striate.base.signals import Stop, catch_signals
from striate.base.wall_clock import counting, elapsed, measured
from striate.data import in_memory, sources
from striate.data.survey import sample_stats
from striate.metrics import classification
from striate.metrics.choice_optimism import corrected_best
from striate.nets import own_network
from striate.workflows import spread
from striate.workflows.finetune import start
from striate.workflows.train import check as training
from striate.workflows.train.run import run_in
from striate.workflows.tune import check
from striate.workflows.tune.check import PLAN, SEARCH, Plan
from striate.workflows.tune.result import Trial, TuneResult
from striate.workflows.tune.space import default_space, draw

log = logging.getLogger("striate")


@named_arguments()
@counting()
@sources.listed_once
def tune(
    data: str | Path | Any = None, *, labels: Any = None, minutes: float | None = None, trials: int | None = None,
    vary: Iterable[str] = (), net: str | None = None, weights: str | Path | None = None, seed: int | None = None,
    name: str | None = None, out: str | Path = "runs", data_dir: str | Path | None = None, resume: bool = False,
    report: bool = True, ray_address: str | None = None, settings: Mapping[str, Any] | None = None, watch: Watch = quiet,
) -> Json:  # fmt: skip
    """Search for better settings by short trainings, train with the best of them, and test that once.

    Args:
        data: as for `train`.
        labels: one for each image, where they are not in `data`.
        minutes: of the whole command; else 30.
        trials: number of settings that are tried, the defaults among them; else 9, fewer where they would be too short.
        vary: settings and their values, as `train.lr=0.001..0.1` or `preprocess.size_px=28|32`; else by rule.
        net: as for `train`.
        weights: as for `train`.
        seed: of the trials' settings and of each training.
        name: of the final run, beside which the trials lie in `NAME-tuning`; else a readable one is chosen.
        out: the folder of runs.
        data_dir: where named data sets lie.
        resume: resume the search `name`; takes no other setting.
        report: end by writing the report of the final run.
        ray_address: of a Ray cluster whose workers train the trials of a round, as for `train`.
        settings: of all trials, nested as for `train`.
        watch: called with every event.

    Returns:
        what `train` returns for the final training; trials [{number, round, changes, run, val, log_loss, seconds, error}],
        best, corrected (the best trial's validation accuracy without what the choice by it adds) and sentence.

    Raises:
        StriateError: see `striate.base.errors`; Interrupted where a signal stopped it, to be resumed.

    """
    out, vary = Path(out), tuple(vary)
    own = config.settings_from_args(
        in_memory.stored(data, labels, watch=watch), settings, net=net, weights=weights, seed=seed, data_dir=data_dir
    )
    if resume:
        check.to_resume(out, name, own, minutes, trials, vary)
        folder = check.folder_of(out, str(name))
        plan = Plan.read(folder)
    else:
        own_network.trust_named(net)
        plan = _plan(check.search(out, name, own, minutes, trials, vary), out, name, watch)
        folder = check.folder_of(out, plan.name)
        files.make_folder(folder)
        files.write_bytes(folder / PLAN, run_folder.as_bytes(plan._asdict()))
    with files.lock(folder), catch_signals() as stop, _resumable(plan.name):
        with spread.over(ray_address):
            tried = _search(plan, folder, watch, stop)
        best = max((trial for trial in tried if trial.round == tried[-1].round), key=Trial.rank)
        corrected = _corrected(tried)
        log.info("Training with the settings of trial %d: %s.", best.number, config.describe(best.changes))
        left = (1 - SEARCH) * plan.minutes if resume else max(plan.minutes - elapsed() / 60, (1 - SEARCH) / 2 * plan.minutes)
        with counting(anew=True):
            final = _train(out, plan.name, plan.final(best.number, left), watch, report)
    return TuneResult(final, tuple(tried), best, corrected).as_json() | measured(None)


def _plan(search: check.Search, out: Path, name: str | None, watch: Watch) -> Plan:
    """The start of all trials, what the search varies, and the settings of each trial."""
    settings, named, space = search.settings, search.weights, search.space
    checked = training.check_images(config.build(settings if named in (None, start.NONE) else {**settings, "finetune": {}}))
    stats = sample_stats(checked.examples, checked.run.data, progress=progress(watch, "sample"))
    if named is None:
        begin = start.choose(config.build(config.merge(settings, *draw(space, 2, 0))), stats)
        log.info("%s", begin.reason)
        named = begin.weights or start.NONE
    settings = check.with_start(settings, named)
    run = config.build(settings)
    if not space:
        space = default_space(run, stats)
    changes = draw(space, search.trials, run.seed)
    check.check_trials(settings, changes)
    if named == start.NONE:
        settings = config.merge(settings, {"finetune": {"weights": start.NONE}})
    timed = named == start.NONE or any(
        set(config.merge(settings, change)["finetune"].get("strategies") or ["extract"]) != {"extract"} for change in changes
    )
    log.info("%s over %s; trial 0 has the defaults.", plural(len(changes), "trial"), ", ".join(space))
    name = run_folder.fresh_name(out, run.data.path, "tuned") if name is None else name
    return Plan(name, search.minutes, settings, changes, timed)


def _search(plan: Plan, folder: Path, watch: Watch, stop: Stop) -> list[Trial]:
    """Train the trials, round by round; those of the last round at the end."""
    tried: list[Trial] = []
    numbers = list(range(len(plan.changes)))
    for turn, size in enumerate(plan.rounds()):
        numbers = numbers if turn == 0 else [trial.number for trial in _best(tried, turn - 1, size)]
        if not _is_late(plan, tried):
            _spread(plan, [(number, turn, size) for number in sorted(numbers)], folder, stop)
        untried = 0
        for number in sorted(numbers):
            stop.check("searching", "resume it with --resume.")
            if _is_late(plan, tried) and not _is_trained(folder, number, turn):
                untried += 1
                continue
            tried.append(_trial(plan, number, turn, size, folder, watch))
            trial = tried[-1]
            log.info("Round %d, %s", turn + 1, trial)
        if untried:
            log.warning("The time of the search is over: %s of round %d not tried.", plural(untried, "trial"), turn + 1)
            return tried
        if not any(trial.val for trial in tried if trial.round == turn):
            raise RunError(f"every trial failed; the first: {tried[0].error}")
    return tried


def _is_late(plan: Plan, tried: Sequence[Trial]) -> bool:
    """Whether the time of the search is over, and there is a trial to choose."""
    return elapsed() > 60 * plan.minutes * (SEARCH + 0.1) and any(trial.val for trial in tried)


def _spread(plan: Plan, trials: Sequence[tuple[int, int, int]], folder: Path, stop: Stop) -> None:
    """Train the trials of a round by the workers of a cluster, where there is one; `_trial` finds them trained."""
    calls = [
        spread.Call(
            f"Round {turn + 1}, trial {number}", _train,
            (folder, _name(number, turn), plan.trial(number, size), quiet, False),
        )
        for number, turn, size in trials
        if not _is_trained(folder, number, turn)
    ]  # fmt: skip
    spread.run(calls, lambda: stop.check("searching", "resume it with --resume."))


def _is_trained(folder: Path, number: int, turn: int) -> bool:
    """Whether a trial has its result, as of a worker or from before."""
    return (folder / _name(number, turn) / "result.json").is_file()


def _name(number: int, turn: int) -> str:
    return f"round-{turn + 1}-trial-{number}"


def _best(tried: Sequence[Trial], turn: int, count: int) -> list[Trial]:
    ranked = sorted((trial for trial in tried if trial.round == turn and trial.val), key=Trial.rank, reverse=True)
    return ranked[:count]


def _trial(plan: Plan, number: int, turn: int, size: int, folder: Path, watch: Watch) -> Trial:
    """One trial, trained or read from where it was trained before."""
    name, changes = _name(number, turn), plan.changes[number]
    with counting(anew=True), _quiet_log():
        try:
            result = _train(folder, name, plan.trial(number, size), _without_epochs(watch), report=False)
        except (NumbersError, SettingError, ShapeError) as error:
            return Trial(number, turn, changes, str(folder / name), None, None, elapsed(), str(error))
        seconds = elapsed()
    _, labels_N, logits_NK = run_folder.load_predictions(folder / name / "predictions-val.npz")
    accuracy, loss = classification.accuracy(logits_NK, labels_N), classification.log_loss(logits_NK, labels_N)
    return Trial(number, turn, changes, str(folder / name), accuracy, loss, max(seconds, result["seconds"]))


def _train(out: Path, name: str, settings: config.Tree, watch: Watch, report: bool) -> Json:
    """A training in `out/name`, which is resumed where it has begun."""
    begun = (out / name / "run.toml").is_file()
    return run_in(out, name, {} if begun else settings, begun, watch, report)


def _corrected(tried: Sequence[Trial]) -> float:
    """The validation accuracy to expect of the choice among the trials, each as it was trained longest."""
    last = {trial.number: trial for trial in tried if trial.val}
    right = []
    for trial in last.values():
        ids_N, labels_N, logits_NK = run_folder.load_predictions(Path(trial.run) / "predictions-val.npz")
        right.append((logits_NK.argmax(axis=1) == labels_N)[np.argsort(ids_N)])
    right_TN = np.stack(right)
    return min(corrected_best(right_TN), float(right_TN.mean(axis=1).max()))


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Without what each trial would log of its choices."""
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _without_epochs(watch: Watch) -> Watch:
    """The same, without the line that is printed after each epoch."""
    return lambda event: None if event["event"] in ("epoch", "report") else watch(event)


@contextmanager
def _resumable(name: str) -> Iterator[None]:
    """Name the search in place of one of its trainings where a signal stops it."""
    try:
        yield
    except Interrupted as error:
        what = str(error).partition(";")[0]
        raise Interrupted(f"{what}; resume the search: striate tune --name {name} --resume.") from error
