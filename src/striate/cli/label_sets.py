"""Scores and predictions of several labels an image, as lines and tables for people."""

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from striate.base.phrases import join_names, percent, plural
from striate.cli.console import Event, interval, label_set_line, table

_ALL, _WORST = 50, 20  # labels, up to which all are printed; and so many of more


def cells(prediction: Any) -> tuple[str, str]:
    """The labels of an image and their probabilities."""
    shares = ", ".join(f"{prediction.probabilities[name]:.3f}" for name in prediction.labels)
    return ", ".join(prediction.labels) or "(none)", shares


def parts(result: Event) -> Iterator[str | Table]:
    """What `striate evaluate` prints."""
    yield _labels(result)
    yield f"mAP {percent(result['map'])}  ({interval(result)}, {plural(result['n'], 'image')})"
    yield label_set_line(result)
    if (missing := result["without_images"]) or result["quarantined"]:
        if missing:
            yield f"no image has {join_names(missing[:10])}: not in the means"
        if result["quarantined"]:
            yield f"{len(result['quarantined'])} files could not be decoded and are not counted"
    if (looks := result["test_looks"])["runs"] > 1:
        yield (
            f"this test set has been scored {looks['looks']:,} times by {looks['runs']:,} runs; choosing among runs by it "
            "makes the best score too high"
        )


def _labels(result: Event) -> Table:
    """Scores of the labels; of more than 50, of those with the lowest average precision."""
    rows = [(name, score) for name, score in result["per_label"].items() if score["support"]]
    caption = None
    if len(rows) > _ALL:
        caption = f"the {_WORST} of {len(rows):,} labels with the lowest average precision; --json has all"
        rows = sorted(rows, key=lambda row: float(row[1]["average_precision"]["value"]))[:_WORST]
    heads = ("label", "average precision", "precision", "recall", "F1", "threshold", "images")
    scores = table(*heads, caption=caption)
    for name, score in rows:
        shares = (_with_ends(score[measure]) for measure in ("average_precision", "precision", "recall"))
        scores.add_row(name, *shares, f"{score['f1']:.3f}", f"{score['threshold']:.3f}", f"{score['support']:,}")
    return scores


def _with_ends(score: Event | None) -> str:
    return "-" if score is None else "{value:.3f} ({low:.3f} to {high:.3f})".format(**score)
