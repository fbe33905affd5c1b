"""What a run wrote down of itself, as the facts of its report and findings; nothing is computed by a network or drawn here.

Legend: N images, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from striate._version import __version__
from striate.base import config, looks_ledger, run_folder, run_images, run_record
from striate.base.errors import ArtifactError
from striate.base.events import Json
from striate.base.phrases import format_duration, plural, printable
from striate.interpret import filter_health
from striate.metrics import class_findings, classification, intervals, reliability_diagram, trust_findings
from striate.metrics.confidence import Confidence, of_artifact
from striate.metrics.misclassified import confused
from striate.training import epoch_scores, journal, weight_histograms
from striate.training.inference import Predictions
from striate.workflows import score_origin, selective, shortcuts
from striate.workflows.report import imbalance, label_set_facts
from striate.workflows.report.image_cards import Card
from striate.workflows.report.label_set_facts import LabelSetScores
from striate.workflows.train import mirroring

_CONFUSED = 10
_POINTS = 60  # of the risk-coverage curve
_PARTS = {"test": "test", "val": "validation"}


@dataclass
class ReportFacts:
    """What a report says, by the names that report.json has; what needs the network or the images is filled in later."""

    run: str
    striate: str
    created: str
    state: str  # training or done
    progress: str
    finished: str | None
    net: str
    data: str
    parameters: int | None
    account: Json | None  # data.json
    curves: list[Json]
    best_epoch: int | None
    training: str
    health: list[Json]
    val: Json | None
    test: Json | None
    folds: list[Json]
    starting_weights: str | None
    strategies: list[Json] | None
    sentence: str | None
    recommended: str | None
    weights_sha256: str | None
    settings: str
    environment: Json
    repeat: list[str]
    origin: Json | None = None  # where the test score comes from (`striate.workflows.score_origin`)
    score: Json | None = None
    label_scores: Json | None = None  # in place of `score` where an image may have several labels
    train: Json | None = None  # accuracy on training images, as the model is used
    reliability: list[Json] = field(default_factory=list)
    reliability_unscaled: list[Json] = field(default_factory=list)
    calibration_error_unscaled: float | None = None
    calibration_by_chance: float | None = None
    temperature: float = 1.0
    risk_coverage: Json | None = None  # what is answered where the least probable predictions are left out
    abstention: Json | None = None  # what the threshold of the model does on the test images
    sets: Json | None = None  # how its sets of classes do on them
    confused: list[Json] = field(default_factory=list)
    mistakes: list[Card] = field(default_factory=list)
    uncertain: list[Card] = field(default_factory=list)
    mistakes_note: str = ""
    pairs: list[Json] = field(default_factory=list)  # near-duplicates, at most eight
    unknown: Json | None = None  # how unknown images are told, and what was flagged of the test images
    plane: Json | None = None
    filters: Sequence[filter_health.Layer] = ()
    filters_note: str = ""
    weights: dict[str, list[Json]] = field(default_factory=lambda: {"start": [], "end": []})
    notes: list[str] = field(default_factory=list)
    trust: Json | None = None

    def as_json(self) -> Json:
        """As report.json."""
        cards = {name: [card.as_json() for card in getattr(self, name)] for name in ("mistakes", "uncertain")}
        return {**vars(self), **cards, "filters": filter_health.as_json(self.filters)}


class RunFacts(NamedTuple):
    """What the report says, and findings so far.

    `scored` are the predictions whose mistakes can be looked at, with the name of their part; None where there are none yet.
    """

    facts: ReportFacts
    findings: list[trust_findings.Finding]
    scored: tuple[Predictions, str] | None = None
    val: Predictions | None = None
    label_sets: LabelSetScores | None = None  # in place of `scored` where an image may have several labels

    def trust(self) -> Json:
        """The verdict of the findings so far, as report.json has it."""
        verdict = trust_findings.judge(self.findings)
        findings = [finding._asdict() for finding in verdict.findings]
        return {"level": verdict.level, "sentence": verdict.sentence, "findings": findings}


def read(folder: Path) -> RunFacts:
    """Read the folder of a run that trains, was interrupted, or has ended."""
    run, result = run_folder.settings(folder), run_folder.read_json(folder / "result.json")
    if result is not None:
        run_record.refuse_missing(folder)
    events = _events(folder, result)
    account = run_folder.read_json(folder / "data.json")
    epochs = list({event["epoch"]: event for event in events if event["event"] == "epoch"}.values())
    best = max(epochs, key=epoch_scores.rank, default=None)
    best_epoch = None if best is None else int(best["epoch"])
    facts = ReportFacts(
        run=folder.name, striate=__version__, created=_date(datetime.now(UTC).timestamp()),
        state="training" if result is None else "done", progress=_progress(run, epochs),
        finished=None if result is None else _date(events[-1]["time"] if events else datetime.now(UTC).timestamp()),
        net=_net(run, result), data=run.data.path, parameters=_parameters(result), account=account,
        curves=epochs, best_epoch=best_epoch, training=_describe_training(result, epochs, best_epoch),
        health=[event for event in events if event["event"] == "health"],
        val=result and result["val"], test=result and result["test"], folds=(result or {}).get("folds", []),
        starting_weights=(result or {}).get("weights"),
        strategies=(result or {}).get("strategies"), sentence=(result or {}).get("sentence"),
        recommended=(result or {}).get("recommended"), weights_sha256=(result or {}).get("weights_sha256"),
        settings=config.to_toml(run), environment=run_folder.read_json(folder / "environment.json") or {},
        repeat=_repeat(run, folder),
    )  # fmt: skip
    facts.notes += _check_journal(folder)
    findings: list[trust_findings.Finding] = []
    if account is not None:
        findings += trust_findings.of_data(account["used"], len(account["quarantined"]), len(account["leaks"]))
        if (tested := account.get("mirroring")) is not None:
            sentence = mirroring.describe(tested)
            findings += trust_findings.of_mirroring(run.augment.flip is True, tested["verdict"], sentence)
    if epochs:
        findings += trust_findings.of_training(epochs, best_epoch)
    spreads = weight_histograms.read(weights_journal(facts, folder))
    if spreads["start"]:
        facts.weights = {when: [row.as_json() for row in rows] for when, rows in spreads.items()}
    if run.data.multi_label:
        label_sets = label_set_facts.read(folder) if facts.state == "done" else None
        if label_sets is not None:
            facts.label_scores = label_sets.as_json()
            findings += label_sets.findings()
        return RunFacts(facts, findings, label_sets=label_sets)
    scored, val = _score(facts, findings, folder, account)
    return RunFacts(facts, findings, scored, val)


def weights_journal(facts: ReportFacts, folder: Path) -> Path:
    """The journal that has the distribution of the weights: the run's own, or that of the strategy which was kept."""
    own = folder / "journal.jsonl"
    return own if facts.recommended is None else folder / "strategies" / facts.recommended / "journal.jsonl"


def _events(folder: Path, result: Json | None) -> list[journal.Event]:
    """The journal that has the epochs: the run's own, that of the strategy which was kept, or of the last one or fold begun."""
    own = journal.read(folder / "journal.jsonl")
    if any(event["event"] == "epoch" for event in own):
        return own
    if result is not None and result.get("recommended"):
        chosen = journal.read(folder / "strategies" / result["recommended"] / "journal.jsonl")
        return [*chosen, *own]
    inner = [*folder.glob("strategies/*/journal.jsonl"), *folder.glob("folds/*/journal.jsonl")]
    return journal.read(max(inner, key=lambda path: path.stat().st_mtime)) if inner else own


def _check_journal(folder: Path) -> list[str]:
    """What the report says of a journal with damaged lines. Raises ArtifactError: the journal is of another run."""
    path, run_id = folder / "journal.jsonl", run_record.read(folder).identity.run_id
    for event in journal.read(path):
        if event["event"] == "start" and event["run"]["run_id"] != run_id:
            other = event["run"]["run_id"]
            raise ArtifactError(f"{path} is of another run: expected {run_id}, got {other}. {run_record.RESTORE}")
    damaged = journal.damaged_lines(path)
    note = f"{plural(damaged, 'line')} of journal.jsonl left out: cut by a crash, or changed since."
    return [note] if damaged else []


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _progress(run: config.Run, epochs: Sequence[Json]) -> str:
    done = len(epochs)
    return f"{done} of {run.train.epochs} epochs done" if run.train.epochs else f"{done} epochs done"


def _net(run: config.Run, result: Json | None) -> str:
    return str((result or {}).get("net") or run.net.name or run.finetune.weights or "a network")


def _parameters(result: Json | None) -> int | None:
    if result is None:
        return None
    rows = {row["name"]: row for row in result.get("strategies", [])}
    parameters: int | None = result.get("parameters") or rows.get(result.get("recommended"), {}).get("parameters")
    return parameters


def _describe_training(result: Json | None, epochs: Sequence[Json], best_epoch: int | None) -> str:
    if not epochs:
        return ""
    took = f" in {format_duration(result['seconds'])}" if result is not None else ""
    chosen = f" The weights of epoch {best_epoch} were kept, the best on the validation images." if result is not None else ""
    return f"{plural(len(epochs), 'epoch')}, {plural(epochs[-1]['step'], 'step')}{took}.{chosen}"


def _repeat(run: config.Run, folder: Path) -> list[str]:
    if run.finetune.weights is not None:
        return [
            f"striate finetune {run.data.path} --from {run.finetune.weights} --name again",
            "# with the settings below, each as --set SECTION.NAME=VALUE where it is not the default",
        ]
    return [
        f"striate train --recipe {folder / 'run.toml'} --name again",
        "# the same bytes with the same data, versions, device and number of threads, which stand below",
    ]


def _score(
    facts: ReportFacts, findings: list[trust_findings.Finding], folder: Path, account: Json | None
) -> tuple[tuple[Predictions, str] | None, Predictions | None]:
    predictions = {
        part: Predictions(*run_folder.load_predictions(folder / f"predictions-{part}.npz"))
        for part in _PARTS
        if (folder / f"predictions-{part}.npz").is_file()
    }
    if not predictions or facts.state != "done":
        return None, None
    part = "test" if "test" in predictions else "val"
    described, raw = run_folder.model_json(folder), predictions[part]
    names = _classes(described, account, raw.logits_NK.shape[1])
    confidence = Confidence() if described is None else of_artifact(described)
    shown = raw._replace(logits_NK=confidence.scaled(raw.logits_NK))
    summary = classification.summary(shown.logits_NK, shown.labels_N, names)
    chance = reliability_diagram.by_chance(shown.logits_NK)
    bins, unscaled = _bins(shown), _bins(raw)
    pairs = [
        {"true": names[true], "predicted": names[predicted], "images": images}
        for true, predicted, images in confused(summary.confusion_KK, _CONFUSED)
    ]
    facts.score = {"part": part, "what": f"{_PARTS[part]} images", **summary.as_json()}
    facts.reliability, facts.calibration_by_chance, facts.confused = bins, chance, pairs
    facts.temperature, facts.reliability_unscaled = confidence.temperature, unscaled
    facts.calibration_error_unscaled = classification.calibration_error(raw.logits_NK, raw.labels_N)
    tested = selective.Scored(classification.softmax(shown.logits_NK), raw.labels_N, _fingerprint(folder, raw))
    answers = selective.Answers(confidence, tested, tested).as_json(_POINTS)
    facts.risk_coverage, facts.abstention, facts.sets = (answers[name] for name in ("risk_coverage", "abstention", "sets"))
    val = intervals.of_score(facts.val) if facts.val else None
    findings += trust_findings.of_score(summary.accuracy if part == "test" else None, val, summary.majority, len(names))
    if part == "test" and (origin := score_origin.read(folder, raw, account)) is not None:
        facts.origin = origin.as_json()
        findings += origin.findings(summary.accuracy, folder.name)
    findings += trust_findings.of_shortcuts(shortcuts.described((account or {}).get("shortcuts", []), shown))
    findings += imbalance.findings(facts.score, run_folder.settings(folder).train, account, folder)
    findings += class_findings.of_classes(facts.score["per_class"], summary.accuracy)
    mean = float(classification.softmax(shown.logits_NK).max(axis=1).mean())
    findings += trust_findings.of_calibration(summary.calibration_error, chance, mean, summary.accuracy.value)
    return (shown, _PARTS[part]), predictions.get("val")


def _fingerprint(folder: Path, predictions: Predictions) -> str:
    """The fingerprint of the images of these predictions; empty where the run kept no list of its images."""
    images = run_images.read(folder)
    if images is None:
        return ""
    return looks_ledger.fingerprint(images.pixel_hash_N[np.searchsorted(images.ids_N, predictions.ids_N)])


def _bins(predictions: Predictions) -> list[Json]:
    """The bins of the reliability diagram, as report.json has them."""
    bins = reliability_diagram.bins(predictions.logits_NK, predictions.labels_N)
    return [{**row._asdict(), "accuracy": row.accuracy._asdict()} for row in bins]


def _classes(described: Json | None, account: Json | None, count: int) -> tuple[str, ...]:
    if described is not None:
        return tuple(printable(described["classes"]))
    return tuple(account["classes"]) if account is not None else tuple(str(k) for k in range(count))
