"""`striate report`: everything that is known of a run on one page, `report.html`, and its numbers in `report.json`.

What was written down during the run is read from its folder; what needs the images is asked of the network anew
(`striate.workflows.report.rerun_network`), and left out, said so, where they are gone.

Legend: N images, K classes.
"""

import logging
import time
from contextlib import suppress
from pathlib import Path

from striate.base import files, run_folder, run_record
from striate.base.arguments import named_arguments
from striate.base.errors import DataError, RunError, SettingError
from striate.base.events import Json, Watch, progress, quiet
from striate.base.signals import catch_signals
from striate.metrics import intervals, trust_findings
from striate.metrics.intervals import Interval
from striate.model import Model
from striate.training import journal
from striate.workflows.checks import check_run
from striate.workflows.inspect.model_on_data import KnownFeatures, ModelOnDataset
from striate.workflows.open_run import open_run
from striate.workflows.report import page, pair_cards, rerun_network, run_facts, run_figures
from striate.workflows.report.run_facts import RunFacts
from striate.workflows.run_context import RunContext

log = logging.getLogger("striate")

PAGE, NUMBERS = "report.html", "report.json"
_WAIT_SECONDS = 1.0


@named_arguments()
def write_report(run: str | Path, follow: bool = False, watch: Watch = quiet) -> Json:
    """Write all that is known of a run on one page, `report.html` in its folder, and its numbers, `report.json`.

    Args:
        run: by name or folder; it may still be training.
        follow: rewrite it after each epoch, until the run has ended.
        watch: called with progress.

    Returns:
        run, report, numbers (the paths of both), bytes, state, trust {level, sentence, findings} and notes.

    """
    return _follow(run, watch) if follow else of_run(run, watch)


def of_run(name: str | Path, watch: Watch) -> Json:
    """Write the report of a run, whether it has ended or not; where it lies, how large it is, and its verdict."""
    folder = check_run(name)
    with suppress(RunError), files.lock(folder):  # where no process trains
        files.sweep(folder)
    known = run_facts.read(folder)
    figures = run_figures.draw(known, folder)
    if known.facts.state != "done":
        return _write(folder, known, figures)
    settings, model = run_folder.settings(folder), Model.load(run_folder.model_folder(folder))
    with catch_signals() as stop:
        try:
            with open_run(settings, model, stop, watch) as model_on_data:
                before = known.facts.environment.get("data_sha256")
                if before != model_on_data.dataset.fingerprint():
                    known.facts.notes.append(
                        "The images have changed since this run began; what is shown of them is as they are now."
                    )
                _add_network_results(known, figures, model_on_data)
        except (DataError, SettingError) as error:
            known.facts.notes.append(f"Nothing that needs the images is shown, as these cannot be read: {error}")
        written = _write(folder, known, figures)
        progress(watch, "page")(rerun_network.PARTS, rerun_network.PARTS)
        return written


def at_end(result: Json, model: Model, context: RunContext, features: KnownFeatures | None = None) -> Json:
    """Write the report of a run that has just ended, while its images are at hand; its result, which then names the page.

    `features` are what the head was given for its images, where they have been computed.

    The result lies on the disk before, so a run whose report fails has lost nothing.
    """
    log.info("Writing the report.")
    known = run_facts.read(context.folder)
    figures = run_figures.draw(known, context.folder)
    context.engine.place(model.net)
    on_data = ModelOnDataset(model, context.dataset, context.engine, context.stop, context.watch, features)
    _add_network_results(known, figures, on_data)
    written = _write(context.folder, known, figures)
    progress(context.watch, "page")(rerun_network.PARTS, rerun_network.PARTS)
    return _named(result, context.folder, written)


def later(result: Json, folder: Path, watch: Watch) -> Json:
    """The result of a run that has ended before, whose report is written now if it was stopped before that."""
    return result if result.get("report") else _named(result, folder, of_run(folder, watch))


def without(result: Json, folder: Path) -> Json:
    """The result of a run that has just ended, with the verdict that its report would have by what the run wrote down.

    What needs the network - over- and underfitting, labels, filters - is left to `striate report`.
    """
    result = {**result, "trust": run_facts.read(folder).trust()}
    run_record.add(folder, {"result.json": run_folder.as_bytes(result)})
    return result


def _named(result: Json, folder: Path, written: Json) -> Json:
    result = {**result, "report": written["report"], "trust": written["trust"]}
    run_record.add(folder, {"result.json": run_folder.as_bytes(result)})
    return result


def _add_network_results(known: RunFacts, figures: Json, model_on_data: ModelOnDataset) -> None:
    """Add the results that need the network: misclassified images, features, filters."""
    facts = known.facts
    if facts.label_scores is not None:
        facts.pairs, figures["pairs"] = pair_cards.of_run(model_on_data.dataset)
        rerun_network.add_filters(facts, figures, model_on_data)
    if known.scored is None:
        return
    facts.pairs, figures["pairs"] = pair_cards.of_run(model_on_data.dataset)
    rerun_network.add_network_results(facts, figures, model_on_data, *known.scored, known.val)
    assert facts.score is not None
    doubted = sum(card.doubted for card in facts.mistakes)
    known.findings.extend(trust_findings.of_labels(doubted, len(facts.mistakes), facts.score["accuracy"], facts.run))
    if facts.train is not None:
        known.findings.extend(_of_fit(facts.train, facts.score, model_on_data.model))
    if facts.filters:
        known.findings.extend(trust_findings.of_filters([advice for layer in facts.filters if (advice := layer.advice())]))


def _of_fit(train: Json, score: Json, model: Model) -> list[trust_findings.Finding]:
    grows = model.training.get("strategy") not in rerun_network.FROZEN
    return trust_findings.of_fit(Interval(**train), intervals.of_score(score), score["what"], grows)


def _follow(name: str | Path, watch: Watch) -> Json:
    """Rewrite the report after each epoch of a run that trains, until no process works on it any more."""
    folder, seen = check_run(name), -1
    with catch_signals() as stop:
        while _is_trained(folder):
            if (now := _epochs(folder)) != seen:
                if seen < 0:
                    log.info("%s is rewritten after each epoch; Ctrl-C ends that.", folder / PAGE)
                seen = now
                known = run_facts.read(folder)
                written = _write(folder, known, run_figures.draw(known, folder))
                watch({"event": "report", "epochs": seen, "report": written["report"]})
            time.sleep(_WAIT_SECONDS)
            stop.check("watching the run; the report is as of its last epoch")
    if not (folder / "result.json").is_file():
        log.warning("No process trains %s, and it has not ended; resume it with --resume.", folder)
    return of_run(name, watch)


def _epochs(folder: Path) -> int:
    return sum(event["event"] == "epoch" for path in folder.rglob("journal.jsonl") for event in journal.read(path))


def _is_trained(folder: Path) -> bool:
    try:
        with files.lock(folder):
            return False
    except RunError:
        return True


def _write(folder: Path, known: RunFacts, figures: Json) -> Json:
    facts = known.facts
    facts.trust = known.trust()
    cards = {name: [card.drawn for card in getattr(facts, name)] for name in ("mistakes", "uncertain")}
    numbers = facts.as_json()
    text = page.render(numbers, {**figures, **cards})
    files.write_text(folder / PAGE, text)
    files.write_bytes(folder / NUMBERS, run_folder.as_bytes(numbers))
    return {
        "run": str(folder), "report": str(folder / PAGE), "numbers": str(folder / NUMBERS), "bytes": len(text.encode()),
        "state": facts.state, "trust": facts.trust, "notes": facts.notes,
    }  # fmt: skip
