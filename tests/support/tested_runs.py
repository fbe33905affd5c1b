"""Runs with stored predictions, written as a training writes them, though nothing is trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.base import config, files, run_folder, run_images, run_record
from striate.base.events import Json
from striate.data import sources
from striate.metrics.intervals import wilson


def write(
    folder: Path, images: dict[str, Any], predicted: Sequence[int], classes: Sequence[str] = ("a", "b"), **settings: Any
) -> Path:
    """A finished run that was tested on `images` {ids, labels, hashes}, with these predictions, each at 0.9."""
    k = len(classes)
    logits_NK = np.where(np.eye(k, dtype=bool)[list(predicted)], np.log(0.9), np.log(0.1 / max(1, k - 1))).astype(np.float32)
    score = wilson(int((np.array(images["labels"]) == np.array(predicted)).sum()), len(predicted))
    return _write(folder, images, logits_NK, classes, dict(zip(("accuracy", "low", "high", "n"), score, strict=True)), settings)


def write_several(
    folder: Path, images: dict[str, Any], shares_NK: Sequence[Sequence[float]], classes: Sequence[str], threshold: float = 0.5
) -> Path:
    """A finished run of several labels, N x K of 0 and 1, with these probabilities and one threshold."""
    shares = np.array(shares_NK)
    logits_NK = (np.log(shares) - np.log1p(-shares)).astype(np.float32)
    _write(folder, images, logits_NK, classes, {"map": 0.5, "low": 0.4, "high": 0.6, "n": len(shares)}, {})
    described = {"classes": list(classes), "label_thresholds": [threshold] * len(classes)}
    files.write_folder(folder / "model", {"model.json": run_folder.as_bytes(described)})
    return folder


def _write(
    folder: Path, images: dict[str, Any], logits_NK: NDArray[np.float32], classes: Sequence[str], test: Json,
    settings: dict[str, Any],
) -> Path:  # fmt: skip
    run = config.build({"data": {"path": "digits"}, "net": {"name": "mlp"}, **settings})
    ids_N, hashes_N = (np.array(images[name], np.uint64) for name in ("ids", "hashes"))
    labels = np.array(images["labels"], np.int64)
    identity, none = run_record.identify(config.given(run), name=folder.name), np.empty(0, np.int64)
    spec = {
        "size_px": 8, "channels": 1, "resize_mode": "squash", "background": [255] * 3, "share": 1.0, "white_level": None,
        "interpolation": "bilinear",
    }  # fmt: skip
    folder.mkdir(parents=True)
    contents = {
        "data.json": run_folder.as_bytes({"classes": dict.fromkeys(classes), "input_spec": spec}),
        "images.npz": run_images.of_parts(ids_N, labels, hashes_N, none, none, np.arange(len(ids_N))).as_bytes(),
        "predictions-test.npz": run_folder.predictions_bytes(ids_N, labels, logits_NK, identity.stamp()),
        "result.json": run_folder.as_bytes({"net": "mlp", "seconds": 2.0, "test": test, "val": None}),
    }
    run_record.begin(folder, identity, {**contents, "run.toml": config.to_toml(run).encode()})
    return folder


def digits(count: int) -> dict[str, Any]:
    """The first images of the digits as test images."""
    from striate.data.image_facts import pixel_hash

    examples = sources.read(config.Data(path="digits"))
    assert examples.pixels_NHWC is not None
    hashes = [pixel_hash(image_HWC) for image_HWC in examples.pixels_NHWC[:count]]
    return {"ids": examples.ids_N[:count], "labels": examples.labels_N[:count], "hashes": hashes}
