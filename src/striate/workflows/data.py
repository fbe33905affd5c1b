"""`striate data`: a survey of labeled images, and the cache of decoded ones."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from striate.base import config, files
from striate.base.arguments import named_arguments
from striate.base.events import Watch, progress, quiet
from striate.data import cache_cleanup, in_memory, sources
from striate.data.cache_cleanup import Cache
from striate.data.survey import Survey
from striate.data.survey import survey as survey_examples
from striate.plots import save_figure
from striate.workflows import duplicate_pairs, shortcuts


@named_arguments(section="data")
def survey(
    data: str | Path | Any, settings: Mapping[str, Any] | None = None, watch: Watch = quiet, *, labels: Any = None,
    pairs: str | Path | None = None,
) -> Survey:  # fmt: skip
    """Decode every image once and count: classes, bad files, duplicates and leaks, sizes, mean and standard deviation.

    Facts beside what is shown that predict the class, as the size of the image, are named: a network may learn those instead.

    Args:
        data: a folder, a table, or digits, mnist, fashion-mnist, cifar10; or images in memory (`data.labeled_objects`).
            It is never changed.
        settings: of section [data], as in `{"val_share": 0.2}`.
        watch: called with `{"event": "decode", "done": ..., "total": ...}`, and so for images in memory.
        labels: one for each image, where they are not in `data`.
        pairs: draw near-duplicates side by side into this file, .svg, .png or .pdf.

    """
    if pairs is not None:
        save_figure.check_file(Path(pairs))
    section = config.data_section(in_memory.stored(data, labels, watch=watch), settings)
    with sources.listing(watch):
        examples = sources.read(section)
    result = survey_examples(examples, section, progress(watch, "decode"), shortcuts.examine)
    return (
        result if pairs is None else replace(result, drawn=duplicate_pairs.draw(result, examples, section, Path(pairs), watch))
    )


@named_arguments()
def cache(clear: bool = False) -> Cache:
    """List the cache folder by data set: decoded images with size and last use, and other files.

    Args:
        clear: remove decoded images, and images given in memory, that no process is writing; a run that has them open keeps
            them.

    """
    return (cache_cleanup.clear if clear else cache_cleanup.list_cache)(files.cache_folder())
