"""A run as it is now: what its journal says, how fast it is, and its result once it has ended."""

import json
from pathlib import Path
from typing import Any

from striate.base import config, files, run_folder
from striate.base.errors import RunError, StriateError
from striate.base.phrases import format_duration
from striate.lab.workbench import trainings

Json = dict[str, Any]
REPORT, CARD = "report.html", "model/README.md"


def folder_of(out: Path, name: str) -> Path:
    """The folder of a run by its name. RunError: there is none."""
    folder = out / name
    if Path(name).name != name or name in (".", "..") or not (folder / "run.toml").is_file():
        raise RunError(f"expected a run in {out}; there is none of the name {name[:200]!r}.")
    return folder


def state(out: Path, name: str) -> Json:
    """What is known of a run, whether it runs, was interrupted or has ended."""
    from striate.training import journal

    folder = folder_of(out, name)
    path = folder / "journal.jsonl"
    events = journal.read(path) if path.is_file() else []
    answer: Json = {"name": name, "result": None, "fault": None, "files": present(folder), "trainings": []}
    try:
        run = config.build(config.read_toml(folder / "run.toml"))
        answer |= {"net": run.net.name or run.finetune.weights, "data": run.data.path, "settings": config.given_by_user(run)}
        answer["result"] = run_folder.read_json(folder / "result.json")
        account = run_folder.read_json(folder / "data.json")
        inner = trainings.of_run(folder, run)
        now = trainings.current(inner, (answer["result"] or {}).get("recommended")) if inner else None
        if now is not None:
            answer["trainings"] = [training.as_json() for training in inner]
            shown = progress(now.events(), now.images_an_epoch()) | _of_all(events, inner[0].events())
        else:
            shown = progress(events, ((account or {}).get("split") or {}).get("train"))
    except StriateError as error:
        answer["fault"] = str(error)
        shown = progress(events, None)
    return {**answer, **shown, "ended": any(event["event"] == "end" for event in events)}


def _of_all(events: list[Json], first: list[Json]) -> Json:
    """What a run with several trainings says of all of them together; how long all take, its first training says of folds."""
    start: Json = next((event for event in events if event["event"] == "start"), {})
    estimates = [event.get("seconds") for event in events if event["event"] == "estimate"]
    estimates += [event.get("estimate") for event in first if event["event"] == "start"]
    estimate = next((seconds for seconds in estimates if seconds), None)
    return {
        "left": None, "estimate": format_duration(estimate) if estimate else None, "reasons": start.get("reasons", []),
        "notes": start.get("notes", []),
    }  # fmt: skip


def present(folder: Path) -> Json:
    """Which of the files that pages link to are there."""
    return {"report": (folder / REPORT).is_file(), "card": (folder / CARD).is_file()}


def progress(events: list[Json], images: int | None) -> Json:
    """Curves, pace and filters from the events of a journal; `images` are those of an epoch."""
    start: Json = next((event for event in reversed(events) if event["event"] == "start"), {})
    epochs = trainings.epochs_of(events)
    health: Json = next((event for event in reversed(events) if event["event"] == "health"), {})
    stopped = next((event for event in reversed(events) if event["event"] in ("stopped", "resumed", "start")), {})
    last = epochs[-1] if epochs else {}
    pace = _pace(epochs)
    left = None if pace is None or not start.get("steps") else (start["steps"] - last["step"]) / pace[0]
    return {
        "steps": start.get("steps"), "step": last.get("step"), "epoch": last.get("epoch"), "epochs": epochs,
        "images_per_second": None if pace is None or not images else pace[1] * images,
        "left": None if not left else format_duration(left),
        "estimate": format_duration(start["estimate"]) if start.get("estimate") else None,
        "reasons": start.get("reasons", []), "notes": start.get("notes", []), "health": health.get("layers", []),
        "health_epoch": health.get("epoch"), "stopped": stopped.get("reason") if stopped.get("event") == "stopped" else None,
    }  # fmt: skip


def _pace(epochs: list[Json]) -> tuple[float, float] | None:
    """Steps and epochs a second, of the last two epochs, else of the first."""
    if not epochs:
        return None
    now, before = epochs[-1], epochs[-2] if len(epochs) > 1 else {"seconds": 0.0, "step": 0, "epoch": 0}
    seconds = now["seconds"] - before["seconds"]
    return ((now["step"] - before["step"]) / seconds, (now["epoch"] - before["epoch"]) / seconds) if seconds > 0 else None


def content(folder: Path, name: str) -> bytes:
    """A file of a run that pages link to. RunError: it is not there."""
    path = folder / name
    if not path.is_file():
        raise RunError(f"{folder.name} has no {name} yet.")
    with files.explained(path, "read"):
        return path.read_bytes()


def result_of(text: str) -> Json | None:
    """The JSON object that a command printed last; None where it did not."""
    lines = text.strip().splitlines()
    try:
        value = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
