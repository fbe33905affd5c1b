"""Features of images from a frozen backbone: computed once and cached.

Of many images they are computed in parts, by all processes that want the same ones: `base.shared_parts`.

Legend: M images, D features.
"""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from striate.base import files, shared_parts
from striate.base.errors import RunError
from striate.nets.eval_mode import evaluating
from striate.nets.feature_layer import features
from striate.nets.knn_head import KNNHead
from striate.nets.net import Net
from striate.training.inference import Batches

log = logging.getLogger("striate")

Values = NDArray[np.float32]
Watch = Callable[[int], None]

_PART_STEPS = 256  # batches
_WAIT_SECONDS = 0.5


class CachedFeatures(NamedTuple):
    """Features in the cache."""

    values: list[Values]  # of every image, M x D for each layer read, memory-mapped
    seconds: float  # that computing them took, now or when it was done; of layers that one pass gave, those of the pass


def compute(
    net: Net, batches: Batches, reads: Sequence[str | None] = (None,), epoch: int = 0, watch: Watch | None = None,
    steps: range | None = None,
) -> list[Values]:  # fmt: skip
    """The features of every image by one forward pass in evaluation mode, M x D for each layer read.

    Dropout is off, norms use what they have learned, and nothing of the network changes. `reads` are layers, None for the input
    of the head. `watch` is called with the number of images done and may raise. `steps` are some of the batches, in a row.
    """
    values: list[list[Values]] = [[] for _ in reads]
    done, own = 0, range(batches.steps) if steps is None else steps
    with evaluating(net), torch.inference_mode():
        for _, batch in zip(own, batches.epoch(epoch, own.start), strict=False):
            for columns, features_ND in zip(values, features(net, batch.images_NCHW, reads), strict=True):
                columns.append(features_ND.float().cpu().numpy())
            done += len(batch.ids_N)
            if watch is not None:
                watch(done)
    return [np.concatenate(columns) for columns in values]


def load_or_compute(
    folder: Path, net: Net, batches: Batches, about: dict[str, Any], reads: Sequence[str | None], epoch: int = 0,
    watch: Watch | None = None,
) -> CachedFeatures:  # fmt: skip
    """The same, from the cache where they are there; all that are not are computed by one pass, and kept.

    Each set of features has a folder of its own in `folder`. `about` is all that they depend on besides the network's weights
    without the head's: images, preprocessing, size, random changes and with those the epoch; and "body", the hash of the
    weights, where it is known.
    """
    paths = _paths(folder, net, about, reads)
    expected = [json.loads(json.dumps({**about, "read": read})) for read in reads]
    missing = [number for number, path in enumerate(paths) if not _is_whole(path, expected[number])]
    if missing:
        wanted = {paths[number]: expected[number] for number in missing}

        def part(steps: range, watch: Watch) -> list[Values]:
            return compute(net, batches, [reads[number] for number in missing], epoch, watch, steps)

        _make(folder, wanted, batches.steps, part, watch or (lambda _done: None))
    took = max(float(_facts(path)["seconds"]) for path in paths)
    return CachedFeatures([np.load(path / "values.npy", mmap_mode="r") for path in paths], took)


def _make(
    folder: Path,
    wanted: dict[Path, dict[str, Any]],
    steps: int,
    compute_part: Callable[[range, Watch], list[Values]],
    watch: Watch,
) -> None:
    """Compute these sets of features in parts, with the other processes that want the same, and join each."""
    parts = [range(first, min(first + _PART_STEPS, steps)) for first in range(0, steps, _PART_STEPS)]
    work = folder / f".{_key({'wanted': sorted(path.name for path in wanted)})}.parts"

    def are_there() -> bool:
        return all(_is_cached(path) for path in wanted)

    def images() -> int:
        numbers = {*range(len(parts))} - {*shared_parts.missing(work, len(parts))}
        return sum(int(_facts(shared_parts.path_of(work, number))["images"]) for number in numbers)

    def write(number: int, new: Path) -> None:
        before = images()
        begun = time.monotonic()
        values = compute_part(parts[number], lambda done: watch(before + done))
        facts = {"images": len(values[0]), "seconds": time.monotonic() - begun}
        for place, values_MD in enumerate(values):
            np.save(new / f"values-{place}.npy", values_MD)
        (new / "about.json").write_text(json.dumps(facts), "utf-8")

    while not are_there():
        shared_parts.make(work, len(parts), write, are_there, lambda: watch(images()))
        with ExitStack() as held:
            try:
                held.enter_context(files.lock(work / "join", "set of features"))
            except RunError:  # another process joins them
                time.sleep(_WAIT_SECONDS)
                continue
            if not are_there() and shared_parts.sound(work, len(parts), _tell_of_damage):
                _join([shared_parts.path_of(work, number) for number in range(len(parts))], wanted)
    shared_parts.remove(work)


def _tell_of_damage(clause: str) -> None:
    log.warning("A part of the features in the cache is damaged (%s); it is computed anew.", clause)


def _join(parts: list[Path], wanted: dict[Path, dict[str, Any]]) -> None:
    """Write each set of features of its parts, a part at a time."""
    seconds = sum(float(_facts(part)["seconds"]) for part in parts)
    for place, (path, expected) in enumerate(wanted.items()):
        pieces = [np.load(part / f"values-{place}.npy", mmap_mode="r") for part in parts]
        with files.new_folder(path) as new, files.explained(new, "write"):
            shape = (sum(map(len, pieces)), *pieces[0].shape[1:])
            header = {"descr": pieces[0].dtype.str, "fortran_order": False, "shape": shape}
            with (new / "values.npy").open("wb") as file:
                np.lib.format.write_array_header_1_0(file, header)
                for piece in pieces:
                    file.write(np.ascontiguousarray(piece).data)
            (new / "about.json").write_text(json.dumps({**expected, "seconds": round(seconds, 3)}), "utf-8")


def _facts(path: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((path / "about.json").read_text("utf-8"))
    return facts


def _is_whole(path: Path, expected: dict[str, Any]) -> bool:
    """Whether these features are there as they were written; where they are there and are not, they are removed and a warning
    says so.
    """
    if not _is_cached(path):
        return False
    clause = files.damage(path)
    if clause is None and _facts(path) != {**expected, "seconds": _facts(path)["seconds"]}:
        clause = f"{path} holds other features"
    if clause is not None:
        log.warning("Features in the cache are damaged (%s); they are computed anew.", clause)
        shutil.rmtree(path)
    return clause is None


def are_cached(folder: Path, net: Net, about: dict[str, Any], reads: Sequence[str | None]) -> bool:
    """Whether all of these are in the cache."""
    return all(_is_cached(path) for path in _paths(folder, net, about, reads))


def _paths(folder: Path, net: Net, about: dict[str, Any], reads: Sequence[str | None]) -> list[Path]:
    body = about.get("body") or body_sha256(net)
    return [folder / _key({**about, "body": body, "read": read}) for read in reads]


def body_sha256(net: Net) -> str:
    """SHA-256 of every tensor but the head's, by name."""
    hasher, head = hashlib.sha256(), f"{net.head_name}."
    for name, tensor in sorted(net.state_dict().items()):
        if not name.startswith(head):
            hasher.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
            hasher.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    kinds = [type(module).__name__ for module in net.modules() if not isinstance(module, nn.Linear | KNNHead)]
    hasher.update(repr(kinds).encode())
    return hasher.hexdigest()


def _key(about: dict[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=16).hexdigest()


def _is_cached(path: Path) -> bool:
    files.recover(path)
    return path.is_dir()
