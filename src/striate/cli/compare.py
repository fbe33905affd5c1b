"""`striate compare`."""

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from striate.base.phrases import percent
from striate.cli.console import Event, documented_by, show, speaking, table

_ROWS, _CLASSES = 10, 50  # changed images of each kind, and classes, that are printed


@documented_by("striate.workflows.compare", "compare")
def compare(a: str, b: str, /, *others: str, draw: Path | None = None, html: Path | None = None, json: bool = False) -> None:
    """Compare runs on the same test images: is the difference chance, and which images and classes does it lie in?"""
    from striate.workflows.compare import compare as compare_runs

    with speaking() as watch:
        result = compare_runs(a, b, *others, draw=draw, html=html, watch=watch)
    show(result, json, _parts)


def _parts(result: Event) -> Iterator[str | Table]:
    pairs = [result, *result["others"]]
    if len(pairs) == 1:
        yield _labels(result) if "per_label" in result else _classes(result)
        yield from _changed(result)
    yield _label_set_scores(pairs) if "per_label" in result else _scores(pairs)
    yield from (pair["sentence"] for pair in pairs)
    if len(pairs) > 1:
        yield f"p-values are corrected for the number of runs that are compared with {result['a']['run']} (Holm)"
    yield from result["notes"]
    yield from (str(result[name]) for name in ("drawn", "html") if result[name])
    if len(pairs) == 1 and not (result["drawn"] or result["html"]):
        yield "Add --html FILE.html or --draw FILE.png to see the images."


def _scores(pairs: list[Event]) -> Table:
    first = pairs[0]["a"]
    heads = ("run", "network", "accuracy", "95 % interval", f"only {first['run']} right", "only it right", "p")
    rows = table(*heads, left=heads[:2], overflow="fold", title=f"the same {pairs[0]['n']:,} test images")
    rows.add_row(first["run"], first["net"], *_score(first), "", "", "")
    for pair in pairs:
        run, counts = pair["b"], (f"{pair[name]:,}" for name in ("only_a", "only_b"))
        rows.add_row(run["run"], run["net"], *_score(run), *counts, f"{pair['corrected_p_value']:.2g}")
    return rows


def _label_set_scores(pairs: list[Event]) -> Table:
    """The scores of several labels an image, by mAP and by images with all labels right."""
    first = pairs[0]["a"]
    heads = ("run", "network", "mAP", "95 % interval", "p", "all labels right", f"only by {first['run']}", "only by it", "p")
    rows = table(*heads, left=heads[:2], overflow="fold", title=f"the same {pairs[0]['n']:,} test images")
    rows.add_row(first["run"], first["net"], *_score(first), "", percent(first["exact_match"]["value"]), "", "", "")
    for pair in pairs:
        run, match = pair["b"], pair["exact_match"]
        counts = (f"{match[name]:,}" for name in ("only_a", "only_b"))
        rows.add_row(
            run["run"], run["net"], *_score(run), f"{pair['corrected_p_value']:.2g}", percent(run["exact_match"]["value"]),
            *counts, f"{match['p_value']:.2g}",
        )  # fmt: skip
    return rows


def _labels(result: Event) -> Table:
    """Average precision of the labels and who decides them correctly; of more than 50, of those with the smallest p-values."""
    rows, caption = _most_different(result["per_label"], "labels")
    a, b = result["a"]["run"], result["b"]["run"]
    heads = ("label", "images", f"average precision of {a}", f"of {b}", f"only {a} right", f"only {b} right", "p")
    labels = table(*heads, caption=caption)
    for name, row in rows:
        shares = (row["average_precision_a"], row["average_precision_b"])
        counts = (f"{row[which]:,}" for which in ("n", "only_a", "only_b"))
        images, *differ = counts
        labels.add_row(name, images, *(f"{share:.3f}" for share in shares), *differ, f"{row['p_value']:.2g}")
    return labels


def _most_different(rows: Event, what: str) -> tuple[list[tuple[str, Event]], str]:
    """The classes or labels that are printed, and what stands below the table."""
    caption = f"p by McNemar's exact test, corrected for the number of {what} (Holm)"
    if len(rows) <= _CLASSES:
        return list(rows.items()), caption
    most = sorted(rows.items(), key=lambda row: (float(row[1]["p_value"]), -abs(row[1]["only_a"] - row[1]["only_b"])))
    return most[:_CLASSES], f"the {_CLASSES} {what} that differ most; {caption}"


def _score(run: Event) -> tuple[str, str]:
    return percent(run["map" if "map" in run else "accuracy"]), f"{percent(run['low'])} to {percent(run['high'])}"


def _classes(result: Event) -> Table:
    """Recall of the classes; of more than 50, of those with the smallest p-values."""
    rows, caption = _most_different(result["per_class"], "classes")
    a, b = result["a"]["run"], result["b"]["run"]
    recalls = table("class", "images", f"recall of {a}", f"of {b}", f"only {a} right", f"only {b} right", "p", caption=caption)
    for name, row in rows:
        shares, counts = (row["recall_a"], row["recall_b"]), (row["only_a"], row["only_b"])
        recalls.add_row(
            name, f"{row['n']:,}", *(f"{share:.3f}" for share in shares), *map(str, counts), f"{row['p_value']:.2g}"
        )
    return recalls


def _changed(result: Event) -> Iterator[str | Table]:
    a, b = result["a"]["run"], result["b"]["run"]
    for kind, title in (("right_to_wrong", f"{a} right, {b} wrong"), ("wrong_to_right", f"{a} wrong, {b} right")):
        changes = result["changed"][kind]
        if not changes:
            continue
        more = f"{_ROWS} of {len(changes):,}" if len(changes) > _ROWS else f"{len(changes):,}"
        rows = table("image", "true", a, b, title=f"{title}: {more}", left=("image", "true", a, b), overflow="fold")
        for row in changes[:_ROWS]:
            answers = (f"{row[run]} ({row[f'{run}_probability']:.2f})" for run in ("a", "b"))
            rows.add_row(row["path"] or row["id"], row["true"], *answers)
        yield rows
