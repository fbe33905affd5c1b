"""Which files a page may name: those below the root, also behind links, and the runs."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from striate.base.errors import SettingError
from striate.base.phrases import without_controls
from striate.data import builtin_datasets

_PATHS = (("data", "data_dir"), ("data", "relabel"), ("data", "exclude"))  # settings that name files
_TABLES = (".csv", ".tsv", ".parquet")
_MOST = 1000


class Listing(NamedTuple):
    """What a folder has that can be chosen."""

    path: str  # below the root; empty for the root
    above: str | None  # the folder above it; None for the root
    folders: list[str]
    tables: list[str]
    left_out: int  # links that lead out of the root, names that are no text, and what is beyond the first thousand


class First(NamedTuple):
    """What the lab shows at first."""

    root: Path
    data: str | None
    run: str | None


def first(opened: str | Path | None, root: str | Path | None, out: Path) -> First:
    """The root, and the images or the run that the page shows at first. SettingError: there is no such thing."""
    base = Path("." if root is None else root)
    if opened is None:
        return First(base, None, None)
    text = os.fspath(opened)
    name = Path(text).name
    if (out / name / "run.toml").is_file() and (name == text or Path(text).resolve() == (out / name).resolve()):
        return First(base, None, name)
    if text in builtin_datasets.NAMES:
        return First(base, text, None)
    path = Path(text)
    if not path.exists():
        raise SettingError(f"expected images or a run in {out}; there is none at {without_controls(text)}.")
    if root is None and not path.resolve().is_relative_to(base.resolve()):
        base = path if path.is_dir() else path.parent
    where = inside(base, os.fspath(path.resolve())).resolve().relative_to(base.resolve()).as_posix()
    return First(base, where, None)


def inside(root: Path, text: str) -> Path:
    """A file or folder below the root, by a path from there or an absolute one. SettingError: it is elsewhere, or not there."""
    shown = without_controls(text[:200])
    try:
        path = root / text
        if not path.resolve().is_relative_to(root.resolve()):
            raise SettingError(
                f"expected a folder or file below {root.resolve()}; got {shown!r}. Start the lab with another --root."
            )
        if not path.exists():
            raise SettingError(f"expected a folder or file; there is none at {shown!r}.")
    except (OSError, ValueError, RuntimeError) as error:
        raise SettingError(f"expected the path of a folder or file; got {shown!r}: {error}.") from None
    return path


def data(root: Path, text: Any) -> str:
    """The data that a page names, as a command takes them: a data set by its name, or a folder or table below the root."""
    if not isinstance(text, str) or not text.strip():
        raise SettingError(f"expected a folder, a table, or one of {', '.join(builtin_datasets.NAMES)}; got nothing.")
    if text in builtin_datasets.NAMES:
        return text
    path = os.fspath(inside(root, text.strip()))
    return f"./{path}" if path.startswith("-") or path in builtin_datasets.NAMES else path


def listing(root: Path, text: str) -> Listing:
    """The folders and tables in a folder below the root; hidden ones are not shown."""
    folder = inside(root, text)
    if not folder.is_dir():
        raise SettingError(f"expected a folder; {without_controls(text)} is a file.")
    base = root.resolve()
    place = folder.resolve().relative_to(base)
    folders: list[str] = []
    tables: list[str] = []
    left_out = 0
    try:
        for entry in sorted(folder.iterdir(), key=lambda path: path.name.lower()):
            if entry.name.startswith("."):
                continue
            if not (_is_text(entry.name) and _is_below(entry, base)) or len(folders) + len(tables) >= _MOST:
                left_out += 1
            elif entry.is_dir():
                folders.append(entry.name)
            elif entry.suffix.lower() in _TABLES:
                tables.append(entry.name)
    except OSError as error:
        raise SettingError(f"cannot read {without_controls(text) or folder}: {error.strerror}.") from None
    above = None if place == Path() else place.parent.as_posix().removeprefix(".")
    return Listing(place.as_posix().removeprefix("."), above, folders, tables, left_out)


def check(root: Path, out: Path, tree: Mapping[str, Any]) -> None:
    """Refuse settings that name files elsewhere than below the root and in the folder of runs."""
    for section, name in _PATHS:
        if (value := (tree.get(section) or {}).get(name)) is not None:
            inside(root, os.fspath(Path(str(value)).absolute()))  # the command reads it from where the lab runs
    if (tree.get("data") or {}).get("follow_links"):
        raise SettingError(
            "data.follow_links does not apply in the lab, which shows nothing outside of its root; leave it out."
        )
    for text in _sources(tree):
        check_source(root, out, text)


def check_source(root: Path, out: Path, text: str) -> None:
    """Refuse a file that is neither below the root nor in the folder of runs, as the command would read it."""
    path = Path(text).absolute()
    try:
        inside(root, os.fspath(path))
    except SettingError:
        if not path.resolve().is_relative_to(out.resolve()):
            raise


def _sources(tree: Mapping[str, Any]) -> Iterator[str]:
    """Files of networks and weights that settings name."""
    name = str((tree.get("net") or {}).get("name") or "")
    file, colon, _ = name.rpartition(":")
    if colon and file.endswith(".py"):
        yield file
    weights = str((tree.get("finetune") or {}).get("weights") or "")
    source = weights.partition("@")[2] or weights
    if "/" in source or os.sep in source:
        yield source


def _is_text(name: str) -> bool:
    return without_controls(name) == name


def _is_below(path: Path, base: Path) -> bool:
    try:
        return path.resolve().is_relative_to(base)
    except (OSError, RuntimeError):
        return False
