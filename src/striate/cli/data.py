"""`striate data`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from striate.base import config
from striate.base.errors import SettingError
from striate.cli.console import Settings, documented_by, refuse, show, speaking


@documented_by("striate.workflows.preview", "preview")
def data(
    data: str | None = None, /, *, data_dir: str | None = None, labels_from: str | None = None, group: str | None = None,
    relabel: str | None = None, exclude: str | None = None, multi_label: bool = False, pairs: Path | None = None,
    preview: str | None = None, draw: Path | None = None, recipe: str | None = None, cache: bool = False,
    clear_cache: bool = False, shards: Path | None = None, shard_mb: float | None = None, set_: Settings = (),
    json: bool = False,
) -> None:  # fmt: skip
    """Survey labeled images, preview how they are prepared, or write them as shards. Nothing is written into DATA.

    Args:
        pairs: draw near-duplicates side by side into this file, .svg, .png or .pdf.
        preview: in place of the survey: mean, std or whitening as scatter plots of two pixels, augment as rows of images.
        draw: with --preview: the figure's file, .svg, .png or .pdf; else striate-preview-WHAT.png in the current folder.
        recipe: with --preview: settings of a training to begin with.
        cache: say what lies in the cache instead: decoded images of which data, how large, when last used. Takes no DATA.
        clear_cache: remove decoded images, and images given in Python, from the cache; runs that have them open go on. No DATA.
        shards: write the images into this folder, as tar files in the WebDataset format with an index, and DATA of any command.
        shard_mb: with --shards: most megabytes of one tar file; else 512.
        labels_from: of a folder: parent, top, or 'name:EXPRESSION' with one group, as 'name:(.+)_[0-9]'.
        group: images that share it stay on one side of the split: a column, 'name:EXPRESSION', parent (folder), or exif:burst.
        relabel: a table with the columns path and new_label (or label): other labels for some images.
        exclude: a table with the column path, or a path in each line: images to leave out.
        multi_label: of a table: images have several labels or none, in one cell as cat|dog or in columns of 0 and 1.
        set_: a setting of section data, as in --set data.test_share=0.3; with --preview any; may be repeated.

    """
    from striate.workflows import data as workflow

    refuse({"--shard-mb": shard_mb if shards is None else None}, "applies with --shards alone; leave it out.")
    if preview is None:
        why = "applies with --preview alone; got {}. Add --preview augment, or leave it out."
        refuse({"--draw": draw, "--recipe": recipe}, why)
    else:
        refuse({"--pairs": pairs}, "does not apply with --preview, which surveys nothing; leave one out.")
    flags = {"data_dir": data_dir, "labels_from": labels_from, "group": group, "relabel": relabel, "exclude": exclude}
    section = {"data": {**flags, "multi_label": multi_label or None}}
    settings = config.join(section, *(config.setting(text) for text in set_))
    if cache or clear_cache:
        given: dict[str, object] = {"DATA": data, "--data-dir": data_dir, "--labels-from": labels_from, "--group": group}
        given |= {"--relabel": relabel, "--exclude": exclude, "--pairs": pairs, "--preview": preview, "--set": set_}
        given |= {"--cache": cache and clear_cache, "--multi-label": multi_label, "--shards": shards}
        flag = "--clear-cache" if clear_cache else "--cache"
        refuse(given, f"does not apply with {flag}, which is about the whole cache; remove it.")
        result: Any = workflow.cache(clear=clear_cache)
    elif data is None:
        raise SettingError("expected DATA: a folder of images by class, a table, or digits, mnist, cifar10; or --cache.")
    elif shards is not None:
        why = "does not apply with --shards, which writes them alone; leave one out."
        refuse({"--preview": preview, "--pairs": pairs}, why)
        return show(_shards(data, shards, config.section(settings, "data"), shard_mb), json, _shards_lines)
    elif preview is not None:
        return show(_preview(data, preview, draw, recipe, settings), json, _preview_lines)
    else:
        with speaking() as watch:
            result = workflow.survey(data, config.section(settings, "data"), watch, pairs=pairs)
    return show(result.as_json(), json, lambda _json: [str(result)])


def _preview(data: str, what: str, draw: Path | None, recipe: str | None, settings: Any) -> dict[str, Any]:
    from striate.workflows.train import check

    with speaking() as watch:
        check.check_preview(config.settings_from_args(data, settings, recipe=recipe), what, draw or Path("preview.png"))
        from striate.workflows import preview as previews

        return previews.preview(data, what, draw, recipe, settings, watch)


def _shards(data: str, out: Path, section: Any, shard_mb: float | None) -> dict[str, Any]:
    from striate.workflows import shards

    with speaking() as watch:
        return shards.write_shards(data, out, section, watch, shard_mb=shards.SHARD_MB if shard_mb is None else shard_mb)


def _shards_lines(written: dict[str, Any]) -> list[str]:
    from striate.workflows import shards

    return shards.lines(written)


def _preview_lines(shown: dict[str, Any]) -> Iterator[str]:
    for name, cloud in shown.get("clouds", {}).items():
        (xx, xy), (_, yy) = cloud["covariance"]
        yield f"{name:<13} variances {xx:.4f} and {yy:.4f}, covariance {xy + 0.0 if abs(xy) > 1e-9 else 0.0:.4f}"
    if "components" in shown:
        yield f"{shown['components']:,} of {shown['dimensions']:,} components"
    yield f"drawn: {shown['drawn']}"
