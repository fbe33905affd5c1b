"""`striate evaluate` of a model of several labels an image.

Legend: N images, K labels.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from striate.base import looks_ledger
from striate.base.events import Json
from striate.base.phrases import percent, plural
from striate.base.wall_clock import measured
from striate.metrics import multi_label
from striate.metrics.average_precision import mean_average_precision
from striate.model import Model
from striate.onnx_model import OnnxModel
from striate.workflows.several_labels.label_set_scores import MapScore
from striate.workflows.trained_on import Seen

if TYPE_CHECKING:
    from striate.workflows.evaluate import LabeledLogits

log = logging.getLogger("striate")


def of_tested(run: str | Path, model: Model | OnnxModel, tested: "LabeledLogits", seen: Seen | None, stored: bool) -> Json:
    """The scores of predictions, for JSON: those of `metrics.multi_label`, and what is known of the images.

    `seen` says which the run learned from; `stored` that they are the stored predictions of a run, which are no new look at its
    test images.
    """
    assert model.label_thresholds is not None
    scores = multi_label.summary(tested.logits_NK, tested.labels_N, model.classes, model.label_thresholds).as_json()
    overlap = None if seen is None else _overlap(tested, seen)
    if overlap is not None and not stored:
        _warn(overlap, len(tested.labels_N))
    test_set = looks_ledger.fingerprint(tested.pixel_hash_N)
    who = str(model.training.get("run_id") or run)
    looks = looks_ledger.count(test_set) if stored else looks_ledger.add(test_set, who, "evaluate")
    return {
        "run": str(run), "data": tested.data, "quarantined": [bad._asdict() for bad in tested.quarantined], "crops": 1,
        "computed_in": model.precision, **scores, "trained_on": overlap, "test_looks": looks._asdict(),
        **measured(None if stored else len(tested.labels_N)),
    }  # fmt: skip


def _overlap(tested: "LabeledLogits", seen: Seen) -> Json:
    """How many of the images the run learned from, and the mAP without them; None where no label is left to score."""
    counts = {
        name: None if rows_M is None else int(rows_M.sum()) for name, rows_M in zip(("train", "val", "near"), seen, strict=True)
    }
    new_M, unseen = ~seen.any_M, None
    true_NK = tested.labels_N > 0
    if seen.any_M.any() and true_NK[new_M].any():
        unseen = MapScore(*mean_average_precision(tested.logits_NK[new_M], true_NK[new_M]).mean)._asdict()
    return {**counts, "unseen": unseen}


def _warn(overlap: Json, images: int) -> None:
    """Log what a score on images that a model learned from is worth."""
    seen = sum(overlap[name] or 0 for name in ("train", "val", "near"))
    if not seen:
        return
    rest = "`striate evaluate` without DATA scores the test images of the run."
    if (unseen := overlap["unseen"]) is not None:
        ends = f"{percent(unseen['low'])} to {percent(unseen['high'])}"
        rest = f"Without them mAP is {percent(unseen['map'])} (95 % interval {ends}, {plural(unseen['n'], 'image')})."
    log.warning(
        "%s of %s are ones that the run was trained on, or nearly equal to one, so these scores say little of new images. %s",
        plural(seen, "image"), f"{images:,}", rest,
    )  # fmt: skip
