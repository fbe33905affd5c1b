"""Near-duplicates for the report: which, in which order, with which parts."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from striate.workflows.report import pair_cards


def dataset(*pairs: tuple[str, str]) -> Any:
    """Images a to f of 4 px, of which a to c are for training, d for validation, e for testing, and f is left out."""
    rows = {"train_M": np.arange(3), "val_M": np.array([3]), "test_M": np.array([4])}
    return SimpleNamespace(
        examples=SimpleNamespace(names=tuple("abcdef")), parts=SimpleNamespace(near_duplicates=pairs, **rows),
        stored=SimpleNamespace(pixels_NHWC=np.zeros((6, 4, 4, 3), np.uint8)),
    )  # fmt: skip


def test_pairs_across_the_split_come_first_and_images_left_out_do_not():
    cards = pair_cards.of_run(dataset(("a", "b"), ("a", "f"), ("c", "e")))
    assert cards.rows == [
        {"paths": ["c", "e"], "parts": ["training", "test"]}, {"paths": ["a", "b"], "parts": ["training", "training"]}
    ]  # fmt: skip
    assert all(uri.startswith("data:image/png;base64,") for row in cards.drawn for uri in row["images"])
    assert [row["kind"] for row in cards.drawn] == ["", ""]


def test_at_most_eight_are_shown_and_of_none_none():
    assert len(pair_cards.of_run(dataset(*[("a", "b")] * 9)).rows) == 8
    assert pair_cards.of_run(dataset()) == ([], [])
