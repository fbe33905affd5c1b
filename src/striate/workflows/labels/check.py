"""What is known of a search for label errors before torch is imported and an image is decoded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from striate.base import config, files, run_folder
from striate.base.errors import SettingError
from striate.data import builtin_datasets, sources, split
from striate.workflows import one_label


def data_of(data: str | Path, settings: Mapping[str, Any] | None) -> config.Data:
    """The settings of the images: of a run's, by its name or folder, or at a path; all parts of them, without folds."""
    if (folder := _run(str(data))) is None:
        section = config.data_section(data, settings)
    elif settings:
        raise SettingError(f"{', '.join(settings)} apply to DATA; got the run {folder}, whose settings hold. Remove them.")
    else:
        section = run_folder.settings(folder).data
    one_label.refuse(section, "the search for label errors")
    return section.model_copy(update={"folds": None, "fold": None, "score_test": True})


def _run(name: str) -> Path | None:
    """The folder of the run that is meant; None for images."""
    for folder in (Path(name), run_folder.OUT / name):
        if (folder / "run.toml").is_file():
            return folder
        if folder.exists() or name in builtin_datasets.NAMES:
            return None
    return None


def check(
    data: str | Path | None, out: str | Path | None, html: str | Path | None, most: int | None,
    settings: Mapping[str, Any] | None,
) -> config.Data:  # fmt: skip
    """The settings of the images.

    Raises:
        StriateError: files that cannot be written, images that are not there or cannot be divided.

    """
    if data is None:
        raise SettingError("expected DATA or RUN: a folder of images by class, a table, the name of a data set, or a run.")
    if most is not None and most < 1:
        raise SettingError(f"most must be at least 1; got {most}.")
    for name, path, ending in (("out", out, ".csv"), ("html", html, ".html")):
        if path is not None:
            if Path(path).suffix.lower() != ending:
                raise SettingError(f"expected {name} to end in {ending}; got {path}.")
            files.check_new_file(Path(path))
    section = data_of(data, settings)
    split.check(sources.read(section), section)
    return section
