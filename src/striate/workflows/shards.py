"""`striate data DATA --shards OUT`: labeled images as tar files in the WebDataset format, with an index."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from striate.base import addresses, config
from striate.base.arguments import named_arguments
from striate.base.errors import SettingError
from striate.base.events import Json, Watch, progress, quiet
from striate.base.phrases import plural, printable
from striate.base.signals import catch_signals
from striate.data import in_memory, sources
from striate.data import write_shards as writing

SHARD_MB = 512.0
_LEAST_MB = 0.01
_SHOWN = 10


@named_arguments(section="data")
def write_shards(
    data: str | Path | Any, out: str | Path, settings: Mapping[str, Any] | None = None, watch: Watch = quiet, *,
    labels: Any = None, shard_mb: float = SHARD_MB,
) -> Json:  # fmt: skip
    """Write labeled images as shards: tar files in the WebDataset format, with an index; files of images as they are.

    A folder of shards is data as the folder is that it was written of: training on it gives the same weights. Called again
    after it was killed or interrupted, it goes on after the last whole shard, and ends with the same bytes.

    Args:
        data: a folder, a table, or digits, mnist, fashion-mnist, cifar10; or images in memory (`data.labeled_objects`).
            It is never changed.
        out: a new or an empty folder, or one that was begun.
        settings: of section [data]; not relabel and exclude, which are given where the shards are used.
        watch: called with `{"event": "shards", "done": ..., "total": ...}`, in images.
        labels: one for each image, where they are not in `data`.
        shard_mb: most megabytes (10^6 bytes) of one shard; an image that is larger has one of its own.

    Returns:
        `out`, `shards`, `already_whole` (shards), `bytes`, `images`, `classes` (images by name), `quarantined`
        and `ignored`, as `survey` has them.

    Raises:
        SettingError: `out` holds something else, or lies in the data; a setting that does not apply.
        DataError: the data are others than those that the shards were begun with, or cannot be used.

    """
    if not shard_mb >= _LEAST_MB:
        raise SettingError(f"expected at least {_LEAST_MB:g} MB for a shard; got {shard_mb:g}.")
    if addresses.is_address(out):
        raise SettingError(
            f"expected a folder for shards; got the address {addresses.bare(os.fspath(out))}. Write them into a folder, then "
            "copy it there with the tool of that store, as by aws s3 sync, and give the address where the shards are used."
        )
    section = config.data_section(in_memory.stored(data, labels, watch=watch), settings)
    if edited := [name for name in ("relabel", "exclude") if getattr(section, name)]:
        raise SettingError(
            f"data.{edited[0]} does not apply to shards, whose images have the labels that they came with; leave it out here, "
            "and give it where the shards are used."
        )
    _refuse_inside(Path(out), section.path)
    examples = sources.read_as_given(section, watch)
    with catch_signals() as stop:

        def check() -> None:
            stop.check("writing shards", "whole shards are kept: give the same command again.")

        result = writing.write(examples, section, Path(out), int(shard_mb * 1e6), progress(watch, "shards", check))
    rows = {name: [row._asdict() for row in getattr(result, name)] for name in ("quarantined", "ignored")}
    plain: Json = printable({**vars(result), **rows})
    return plain


def _refuse_inside(out: Path, data: str) -> None:
    folder = Path(data)
    if not folder.exists():
        return
    folder = folder.resolve() if folder.is_dir() else folder.resolve().parent
    if out.resolve().is_relative_to(folder) and (Path(data).is_dir() or out.resolve() == folder):
        raise SettingError(f"{out} lies in the data, which are never changed. Give a folder outside {folder}.")


def lines(written: Mapping[str, Any]) -> list[str]:
    """What the command prints."""
    before = f", {plural(written['already_whole'], 'shard')} of them from before" if written["already_whole"] else ""
    rows = [
        f"{written['out']}: {plural(written['images'], 'image')} in {plural(written['shards'], 'shard')}, "
        f"{written['bytes'] / 1e6:,.1f} MB{before}",
        f"{len(written['classes'])} classes: " + ", ".join(f"{name} {count:,}" for name, count in written["classes"].items()),
    ]
    for what, reason in (("quarantined", "reason"), ("ignored", "pattern")):
        left = written[what]
        rows += [f"  {what}, not in the shards: {row['path']}: {row[reason]}" for row in left[:_SHOWN]]
        rows += [f"  and {len(left) - _SHOWN:,} more {what}; --json lists them all"] if len(left) > _SHOWN else []
    return [*rows, f"striate train {written['out']} trains on them as on the data"]
