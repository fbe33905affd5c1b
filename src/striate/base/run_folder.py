"""Run folders: `runs/<name>/`.

run.toml           everything needed to repeat it
record.json        id and settings of the run, and the SHA-256 of its files (`striate.base.run_record`)
environment.json   versions, device, threads, processes, precision, fingerprint of the data
data.json          what became of every file that was found
images.npz         of each image its id, label, part and a hash of its pixels (`striate.base.run_images`)
journal.jsonl      what happened, append-only
own_network.py     of a network of one's own: its file as it was
checkpoints/       to resume from
requested.toml     of a fine-tuning: the settings that were given, before rules completed them
strategies/        of a fine-tuning: what each of its strategies left
predictions-*.npz  ids, labels and logits of validation and test
small-copies.npz   of at most 20,000 training and validation images, 32 x 32 pixels, colors (`striate.workflows.stored_copies`)
model/             the artifact
result.json        what `striate train --json` printed
report.html        all of it on one page; report.json has its numbers
"""

import io
import json
import logging
import os
import platform
import re
import sys
from contextlib import suppress
from functools import cache
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from striate.base import files, run_record
from striate.base.errors import ArtifactError, RunError, StriateError, nearest
from striate.base.events import Json
from striate.base.phrases import without_controls

if TYPE_CHECKING:
    from striate.base import config

log = logging.getLogger("striate")

OUT = Path("runs")
_MOST_BYTES = 200  # of a run's name: 255 in most file systems, with room for what is beside it while it is written
_PACKAGES = ("torch", "torchvision", "numpy", "pillow", "scikit-learn", "safetensors", "pydantic")


class Row(NamedTuple):
    """One run of `striate runs`; `test` is None where there is no score yet."""

    name: str
    net: str
    data: str
    state: str
    test: Json | None
    bytes: int


def fresh_name(out: Path, data: str, net: str) -> str:
    """A readable name that no run in `out` has: `digits-mnist_cnn-1`."""
    short = "net" if re.search(r"[ ,]", net) else net.rpartition(":")[2]
    stem = "-".join(_slug(part) for part in (Path(data).stem or "data", short))
    names = (f"{stem}-{number}" for number in count(1))
    return next(name for name in names if not (out / name).exists())


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "_", text).strip("_.")[:40] or "data"


def claim(out: Path, name: str, resume: bool) -> Path:
    """The folder of a run that begins or is resumed."""
    if not name.strip() or Path(name).name != name or name.startswith("."):
        raise RunError(f"expected a plain name for --name, without a path; got {name!r}. The folder is --out.")
    if without_controls(name) != name or len(name.splitlines()) > 1:
        raise RunError(f"expected a name without control characters for --name; got {name!r}.")
    if len(os.fsencode(name)) > _MOST_BYTES:
        raise RunError(f"expected a name of at most {_MOST_BYTES} bytes for --name; got {len(os.fsencode(name))}.")
    files.check_new_folder(out / name)
    folder = out / name
    begun = (folder / "run.toml").exists()
    if begun and not resume:
        raise RunError(f"the run {folder} exists; resume it with --resume, or give another --name.")
    if resume and not begun:
        raise RunError(f"there is nothing to resume in {folder}; {_suggest(name, out, '.')}")
    return folder


def _suggest(name: str, out: Path, otherwise: str) -> str:
    known = [path.parent.name for path in out.glob("*/run.toml")]
    return nearest(name, known) if known else f"there are no runs in {out}{otherwise}"


def find(run: str | Path) -> Path:
    """The folder of a run, given as a path or as a name under `runs/`."""
    if not isinstance(run, str | Path):
        raise RunError(f"expected a run by its name or folder; got {type(run).__name__} {run!r}.")
    run = str(run)
    for folder in (Path(run), OUT / run):
        if (folder / "run.toml").is_file() or (folder / "model.json").is_file():
            return folder
    hint = _suggest(run, OUT, "; make one with `striate train DATA`.")
    raise RunError(f"expected a run or a model folder; there is none at {run} or {OUT / run}; {hint}")


def model_folder(run: str | Path) -> Path:
    """The artifact of a run, or the artifact itself where its own folder is given."""
    folder = find(run)
    if (folder / "model.json").is_file():
        return folder
    files.recover(folder / "model")
    command = "train" if settings(folder).finetune.weights is None else "finetune"
    if not (folder / "model").is_dir() or run_record.MODEL not in run_record.read(folder).sha256:
        raise RunError(f"the run {folder} has no model yet; resume it: striate {command} --name {folder.name} --resume.")
    if run_record.content(folder, run_record.MODEL) is None:
        raise ArtifactError(f"expected {files.MANIFEST} in {folder / 'model'}; there is none. Restore it from a copy.")
    return folder / "model"


def settings(folder: Path) -> "config.Run":
    """The settings of a run. Raises RunError: run.toml was edited, with the first difference."""
    from striate.base import config

    path, record = folder / "run.toml", run_record.read(folder)
    run = config.build(config.read_toml(path))
    if files.sha256(path) not in record.sha256.get(path.name, ()):
        edited = run_record.difference(record.identity.settings, config.given(run))
        if edited is not None:
            again = f": striate train --recipe {path} --name ANOTHER" if run.finetune.weights is None else ""
            raise RunError(f"{path} was edited after the run began: {edited}. Put it back, or start a new run{again}.")
    return run


def as_bytes(value: object) -> bytes:
    """A value as the content of a JSON file."""
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def read_json(path: Path) -> Json | None:
    """What a run wrote into a JSON file; None where there is no file. Raises ArtifactError: it is not what was written."""
    content = run_record.content(path.parent, path.name)
    if content is None:
        return None
    value: Json = json.loads(content)
    return value


def model_json(folder: Path) -> Json | None:
    """What describes the model of a run; None where there is none. Raises ArtifactError: the model is damaged."""
    path = folder / "model" / "model.json"
    if not path.is_file():
        return None
    files.verify(path.parent)
    described: Json = json.loads(path.read_text("utf-8"))
    return described


def environment(**more: object) -> Json:
    """Versions and machine, for environment.json."""
    system = f"{sys.platform} {platform.machine()}"
    return {"python": platform.python_version(), "system": system, **dict(map(_version, _PACKAGES)), **more}


@cache  # what a process has imported stays as it is, and to read it takes milliseconds
def _version(package: str) -> tuple[str, str]:
    try:
        return package, metadata.version(package)
    except metadata.PackageNotFoundError:
        return package, "not installed"


_HINTS = {  # how to resume with what the run began with, and on which device
    "processes": ", give --other-processes",
    "precision bf16 cpu": " on a processor that has it",
    "precision fp32 cpu": " by ONEDNN_MAX_CPU_ISA=AVX512_CORE",
}


def refuse_other_machine(folder: Path, now: Json, not_noted: Json | None = None) -> None:
    """Refuse to resume an interrupted run with what would end with other weights; `now` has those of them that are known.

    `not_noted` is what earlier versions did not write down.
    """
    before = {**(not_noted or {}), **(read_json(folder / "environment.json") or now)}
    for name in ("torch", "processes", "device", "threads", "precision"):
        if name in now and before.get(name, now[name]) != now[name]:
            began = f"{name} {before[name]}"
            hint = _HINTS.get(name) or _HINTS.get(f"{began} {now.get('device')}", "")
            raise RunError(
                f"{folder} began with {began}; now it is {now[name]}, so it would not end with the same weights. "
                f"Resume with {began}{hint}, or start a new run."
            )


def list_runs(out: Path) -> list[Row]:
    """The runs in a folder, by name; one whose files are not what was written is `damaged`, and a warning says why."""
    return [_row(path.parent) for path in sorted(out.glob("*/run.toml"))]


def _row(folder: Path) -> Row:
    size = bytes_of(folder)
    try:
        run, result = settings(folder), read_json(folder / "result.json")
    except StriateError as error:
        log.warning("%s: %s", folder.name, error)
        return Row(folder.name, "", "", "damaged", None, size)
    state = "done" if result else "unfinished"
    return Row(folder.name, run.net.name or "", run.data.path, state, result and result["test"], size)


def bytes_of(folder: Path) -> int:
    """The size of a run on the disk."""
    return sum(_bytes(path) for path in folder.rglob("*"))


def _bytes(path: Path) -> int:
    """The size of a file; 0 for a folder, and for what cannot be looked at."""
    with suppress(OSError):
        return path.stat().st_size if path.is_file() else 0
    return 0


def predictions_bytes(ids_N: Any, labels_N: Any, logits_NK: Any, stamp: dict[str, str]) -> bytes:
    """The content of predictions-*.npz: ids, labels, logits, and the run that they are of."""
    buffer = io.BytesIO()
    run: dict[str, Any] = {name: np.array(value) for name, value in stamp.items()}
    np.savez(buffer, ids=ids_N, labels=labels_N, logits=logits_NK, **run)
    return buffer.getvalue()


def load_predictions(path: Path) -> tuple[Any, Any, Any]:
    """(ids_N, labels_N, logits_NK) of predictions-*.npz.

    Raises RunError: there is no such file; ArtifactError: it is not what this run wrote.
    """
    content = run_record.content(path.parent, path.name)
    if content is None:
        raise RunError(f"expected the predictions of a finished run at {path}; there are none. Finish it with --resume.")
    with np.load(io.BytesIO(content), allow_pickle=False) as saved:
        return saved["ids"], saved["labels"], saved["logits"]
