"""Whether facts beside what the images show predict the class: asked of a data set, and said at the end of a training.

Legend: N images.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from striate.base.events import Json
from striate.data import shortcut_facts
from striate.data.pixel_cache import CachedPixels
from striate.metrics import classification, shortcuts
from striate.metrics.shortcuts import Described, Shortcut

if TYPE_CHECKING:
    from striate.training.inference import Predictions

log = logging.getLogger("striate")


def examine(columns: Mapping[str, Any], labels_N: NDArray[np.int64]) -> list[Json]:
    """The shortcuts of a data set for JSON, each with its sentence or None; columns are those of `CachedPixels`."""
    strong = shortcuts.find(shortcut_facts.facts(columns), labels_N, columns["pixel_hash_N"])
    sentences = {one.fact: described.sentence for one in strong for described in shortcuts.described([one])}
    return [{**one._asdict(), "sentence": sentences.get(one.fact)} for one in strong]


def of_stored(stored: CachedPixels) -> list[Json]:
    """The shortcuts of the images of a run."""
    return examine(vars(stored), stored.examples.labels_N)


def described(rows: Sequence[Json], predictions: "Predictions") -> list[Described]:
    """What to say of the shortcuts of `data.json` beside the accuracy of a network."""
    strong = [Shortcut(*(row[name] for name in Shortcut._fields)) for row in rows]
    predicted_N = predictions.logits_NK.argmax(axis=1).astype(np.int64)
    scores = classification.per_class(
        classification.confusion(predicted_N, predictions.labels_N, predictions.logits_NK.shape[1])
    )
    recall = float(np.mean([score.recall for score in scores if score.support]))
    return shortcuts.described(strong, recall)


def warn(account: Json | None, predictions: "Predictions") -> None:
    """Log what to say of the shortcuts in the `data.json` of a run that has ended."""
    for serious, sentence in described((account or {}).get("shortcuts", []), predictions):
        log.log(logging.WARNING if serious else logging.INFO, "%s", sentence)
