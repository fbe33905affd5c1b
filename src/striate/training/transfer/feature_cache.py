"""Features of images from a frozen backbone: computed once and cached.

Legend: M images, D features.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from striate.base import files
from striate.nets.eval_mode import evaluating
from striate.nets.feature_layer import features
from striate.nets.knn_head import KNNHead
from striate.nets.net import Net
from striate.training.inference import Batches

log = logging.getLogger("striate")

Values = NDArray[np.float32]
Watch = Callable[[int], None]


class CachedFeatures(NamedTuple):
    """Features in the cache."""

    values: list[Values]  # of every image, M x D for each layer read, memory-mapped
    seconds: float  # that computing them took, now or when it was done; of layers that one pass gave, those of the pass


def compute(
    net: Net, batches: Batches, reads: Sequence[str | None] = (None,), epoch: int = 0, watch: Watch | None = None
) -> list[Values]:
    """The features of every image by one forward pass in evaluation mode, M x D for each layer read.

    Dropout is off, norms use what they have learned, and nothing of the network changes. `reads` are layers, None for the input
    of the head. `watch` is called with the number of images done and may raise.
    """
    values: list[list[Values]] = [[] for _ in reads]
    done = 0
    with evaluating(net), torch.inference_mode():
        for batch in batches.epoch(epoch):
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
        begun = time.monotonic()
        computed = compute(net, batches, [reads[number] for number in missing], epoch, watch)
        seconds = time.monotonic() - begun
        for number, values_MD in zip(missing, computed, strict=True):
            with files.new_folder(paths[number]) as new, files.explained(new, "write"):
                np.save(new / "values.npy", values_MD)
                facts = {**expected[number], "seconds": round(seconds, 3)}
                (new / "about.json").write_text(json.dumps(facts), "utf-8")
    took = max(float(_facts(path)["seconds"]) for path in paths)
    return CachedFeatures([np.load(path / "values.npy", mmap_mode="r") for path in paths], took)


def _facts(path: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((path / "about.json").read_text("utf-8"))
    return facts


def _is_whole(path: Path, expected: dict[str, Any]) -> bool:
    """Whether these features are there as they were written; with a warning where they are there and are not."""
    if not _is_cached(path):
        return False
    clause = files.damage(path)
    if clause is None and _facts(path) != {**expected, "seconds": _facts(path)["seconds"]}:
        clause = f"{path} holds other features"
    if clause is not None:
        log.warning("Features in the cache are damaged (%s); they are computed anew.", clause)
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
