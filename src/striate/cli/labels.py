"""`striate labels`."""

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from striate.base import config
from striate.base.phrases import percent, plural
from striate.base.wall_clock import counting
from striate.cli.console import Event, Settings, documented_by, show, speaking, table

_PRINTED = 20


@documented_by("striate.workflows.labels.run", "find_label_errors")
def labels(
    data: str | None = None, /, *, most: int | None = None, out: Path | None = None, html: Path | None = None,
    data_dir: str | None = None, labels_from: str | None = None, group: str | None = None,
    relabel: str | None = None, exclude: str | None = None, set_: Settings = (), json: bool = False,
) -> None:  # fmt: skip
    """Find labels that are probably wrong, by classifiers that did not learn from them. Nothing is written into DATA.

    Args:
        data: a folder of images by class, a table, or digits, mnist, fashion-mnist, cifar10; or a run, for its images.
        labels_from: of a folder: parent, top, or 'name:EXPRESSION' with one group, as 'name:(.+)_[0-9]'.
        group: images that share it stay on one side of the split: a column, 'name:EXPRESSION', parent (folder), or exif:burst.
        relabel: a table with the columns path and new_label (or label): other labels for some images.
        exclude: a table with the column path, or a path in each line: images to leave out.
        set_: a setting of section data, as in --set data.split_column=part; may be repeated.

    """
    from striate.workflows import checks
    from striate.workflows.labels import check

    flags = {"data": {"data_dir": data_dir, "labels_from": labels_from, "group": group, "relabel": relabel, "exclude": exclude}}
    settings = config.section(config.join(flags, *(config.setting(text) for text in set_)), "data")
    with counting(), speaking() as watch, checks.before_torch(watch, check.check, data, out, html, most, settings):
        from striate.workflows.labels import run as workflow

        result = workflow.find_label_errors(data, settings, watch, most=most, out=out, html=html)
    show(result, json, _parts)


def _parts(result: Event) -> Iterator[str | Table]:
    suspects = result["suspects"]
    yield (
        f"{result['data']}: of {plural(result['images'], 'label')} about {result['estimated']:,} are estimated to be wrong "
        f"(logistic regression on {result['features']}, accuracy {percent(result['accuracy'])} on images left out)"
    )
    if result["not_judged"]:
        yield f"{plural(result['not_judged'], 'image')} not judged: no image of the class lies in another fold"
    if suspects:
        rows = table(
            "rank", "image", "label", "suggested", "probability", "of label", "part", left=("image", "label", "suggested")
        )
        for row in suspects[:_PRINTED]:
            shares = (percent(row["probability"], 1), percent(row["label_probability"], 1))
            rows.add_row(str(row["rank"]), row["path"], row["label"], row["suggested"], *shares, row["part"])
        yield rows
    if len(suspects) > _PRINTED:
        yield f"and {len(suspects) - _PRINTED:,} more; --out suspects.csv or --json lists them all"
    yield from (f"written: {result[name]}" for name in ("out", "html") if result[name])
