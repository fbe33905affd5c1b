"""Which columns of a table are the images, the labels and the parts, and where its files lie."""

import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from striate.base.errors import DataError, StriateError
from striate.base.option_names import setting
from striate.base.phrases import join_names
from striate.data import table_cells
from striate.data.examples import Part
from striate.data.examples_from_source import part_named
from striate.data.table_cells import Table, plain

if TYPE_CHECKING:
    from striate.base.config import Data

IMAGE = {
    "path", "image", "images", "file", "files", "filename", "file_name", "filepath", "file_path", "image_path", "image_name",
    "image_file", "image_id", "img", "img_path", "img_name", "img_file", "photo",
}  # fmt: skip
LABEL = {"label", "labels", "class", "class_name", "label_name", "classname", "category", "target", "species", "y"}
SPLIT = {"split", "data_split", "dataset", "part", "set", "subset", "partition", "phase", "usage", "fold"}
FLAGS = {"is_valid": Part.VAL, "is_val": Part.VAL, "is_test": Part.TEST}  # columns of true and false
KNOWN = IMAGE | LABEL | SPLIT | FLAGS.keys()
_YES = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
_ENDINGS = ("", ".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".tif", ".tiff", ".webp", ".bmp", ".gif")
_SAMPLE = 20  # cells that say whether a column is one of paths
_MOST_FOLDERS, _MOST_COLUMNS = 200, 12  # that are looked through for files


class Roles(NamedTuple):
    """What the columns of a table are."""

    image: str
    label: str | None  # None where each class has a column of its own
    one_hot: tuple[str, ...]
    split: str | None
    notes: tuple[str, ...]


class Place(NamedTuple):
    """What is put before and after each name in a table to make it a path relative to the table's folder."""

    before: str = ""
    after: str = ""

    def path(self, name: str) -> str:
        """The path of a name; none for none."""
        return f"{self.before}{name}{self.after}" if name else ""


def choose(table: Table, data: "Data") -> Roles:
    """The columns that the settings name, else those that are evident by their names or their cells.

    Raises:
        DataError: a column that is not there, is there twice or holds no text, or there is none or more than one to choose.

    """
    for name in filter(None, (data.image_column, data.label_column, data.group_column, data.split_column)):
        _check(table, name, name == data.image_column)
    image = data.image_column or _image_column(table, setting("data.image_column"))
    split, notes = (data.split_column, []) if data.split_column is not None else _evident_split(table)
    others = [name for name in _named(table) if name not in (image, split, data.group_column)]
    label = data.label_column or _by_name(table, others, "label", LABEL)
    one_hot: tuple[str, ...] = ()
    if label is None:
        flags = tuple(name for name in others if name in table.columns and all(map(is_flag, table.columns[name])))
        if len(flags) > 1:
            one_hot = flags
        elif len(others) == 1:
            label = others[0]
        else:
            raise DataError(
                f"{table.shown}: expected a column with the labels, as label or class; its columns are "
                f"{shortened(_all(table))}. Name it with {setting('data.label_column')}."
            )
    for name in (image, *filter(None, (label, *one_hot))):
        _check(table, name, name == image)
    unused = [name for name in others if name != label and name not in one_hot]
    if unused and data.split_column != "" and not notes:
        notes.append(
            f"Columns that are not used: {shortened(unused)}. {setting('data.split_column')} or {setting('data.group')} "
            "uses one as parts, or as groups that stay together."
        )
    return Roles(image, label, one_hot, split or None, (*_choice(data, image, label, one_hot), *notes))


def _choice(data: "Data", image: str, label: str | None, one_hot: Sequence[str]) -> list[str]:
    """A sentence on columns that were chosen under other names than path and label."""
    if one_hot:
        return [f"Paths are in the column {image!r}; each class has a column of 0 and 1: {shortened(one_hot)}."]
    if (data.image_column or image == "path") and (data.label_column or label == "label"):
        return []
    return [
        f"Paths are in the column {image!r} and labels in {label!r}; {setting('data.image_column')} and "
        f"{setting('data.label_column')} name others."
    ]


def _all(table: Table) -> list[str]:
    return [*table.columns, *table.odd]


def _named(table: Table) -> list[str]:
    """Columns with a name; pandas writes its index into one without, and reads that as Unnamed."""
    return [name for name in _all(table) if plain(name) and not plain(name).startswith("unnamed:")]


def is_flag(cell: str) -> bool:
    """Whether a cell is 0 or 1, or true or false."""
    return cell.strip().lower() in _YES


def is_one(cell: str) -> bool:
    """Whether a cell of 0 and 1, or of true and false, is 1."""
    return _YES[cell.strip().lower()]


def _check(table: Table, name: str, is_image: bool) -> None:
    """Refuse a column that is not there, is there twice, or holds no text."""
    if name in table.odd:
        advice = (
            "Write images to files, and their paths here"
            if is_image
            else "One label per image is needed (train --multi-label takes several)"
        )
        raise DataError(f"{table.shown}: expected text or whole numbers in column {name!r}; {table.odd[name]}. {advice}.")
    if name not in table.columns:
        close = "".join(f" Did you mean {near!r}?" for near in get_close_matches(name, _all(table), n=1))
        raise DataError(
            f"{table.shown}: expected a column {name!r}; its columns are {shortened(_all(table))}.{close} "
            f"Name them with {setting('data.image_column')} and {setting('data.label_column')}."
        )
    if name in table.repeated:
        raise DataError(f"{table.shown}: expected one column {name!r}; there are several. Rename the others.")


def shortened(columns: Iterable[str]) -> str:
    """Names of columns for a message; a file that is no table may have them by the hundred."""
    names = [name if len(name) <= 40 else f"{name[:37]}..." for name in columns]
    names = [name if name == name.strip() else repr(name) for name in names]
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _by_name(table: Table, columns: list[str], best: str, known: set[str], name_it: bool = True) -> str | None:
    """The column of this name, else the only one with a name of the kind; None without any."""
    named = [name for name in columns if plain(name) in known]
    exact = [name for name in named if name == best] or [name for name in named if plain(name) == best]
    if len(named) > 1 and not exact:
        column = "data.label_column" if known is LABEL else "data.image_column"
        advice = f"Name one with {setting(column, named[0])}" if name_it else f"Rename the one that is to {best}"
        raise DataError(f"{table.shown}: each of the columns {shortened(named)} may be meant. {advice}.")
    return next(iter(exact or named), None)


def image_column(table: Table) -> str:
    """The column of paths of a table of which nothing else is used, and whose columns no setting names.

    Raises:
        DataError: there is none, or more than one to choose, or it holds no text.

    """
    name = _image_column(table, "")
    _check(table, name, is_image=True)
    return name


def _image_column(table: Table, by_setting: str) -> str:
    """The column of paths: one called so, else the one whose cells are files."""
    if "path" in table.columns or "path" in table.odd:
        return "path"
    named = [name for name in _named(table) if plain(name) in IMAGE]
    others = [name for name in _named(table) if plain(name) not in LABEL | SPLIT and name not in named][:_MOST_COLUMNS]
    if not named and (header_file := next((name for name in table.columns if _is_file(table.path.parent, name)), None)):
        raise DataError(
            f"{table.shown}: expected a header, the names of the columns; the first line names the file {header_file}. Write "
            f"{'path,label' if by_setting else 'path'} above it."
        )
    pool = named or others
    of_files = [name for name in pool if name in table.columns and place_of(table.path, table.columns[name]) is not None]
    if len(of_files) == 1:
        return of_files[0]
    if (name := _by_name(table, of_files or named, "path", IMAGE, bool(by_setting))) is not None:
        return name
    raise DataError(
        f"{table.shown}: expected a column with the paths of the images, as path, image or file; its columns are "
        f"{shortened(_all(table))}. {f'Name it with {by_setting}' if by_setting else 'Rename it to path'}."
    )


def _evident_split(table: Table) -> tuple[str | None, list[str]]:
    """The column that divides the images although nobody named it, with a sentence on it."""
    for name in [name for name in table.columns if plain(name) in SPLIT or plain(name) in FLAGS]:
        counts = Counter(part_in(name, word) for word in table.columns[name])
        known = {part: count for part, count in counts.items() if part is not None}
        if known and len(known) == len(counts):
            numbers = join_names([f"{count:,} {part.name.lower()}" for part, count in sorted(known.items())])
            return name, [f"The column {name!r} divides the images: {numbers}. {setting('data.split_column', '')} ignores it."]
        if known:
            other = next(word for word in table.columns[name] if part_in(name, word) is None)
            return None, [
                f"The column {name!r} is not used, since it holds {other!r} beside words for parts. Correct it, or rename it."
            ]
    return None, []


def part_in(column: str, word: str) -> Part | None:
    """The part that a cell of a column means: a word for it, or in a column like is_valid true or false."""
    if plain(column) in FLAGS and is_flag(word):
        return FLAGS[plain(column)] if is_one(word) else Part.TRAIN
    return part_named(word)


def _is_file(folder: Path, name: str) -> bool:
    try:
        return (folder / name).is_file()
    except (OSError, ValueError):  # a name that is too long, or a folder that is closed
        return False


def place_of(table: Path, names: Sequence[str]) -> Place | None:
    """Where the files of a table lie: as they are named, else in the one folder and with the one ending that have them.

    None where none of the first names is a file anywhere. Looked through are the folders in the table's folder, two deep,
    and the two above it. Where several have the files, it is the one called as the table: train_images beside train.csv.
    """
    folder = table.parent
    sample = list(itertools.islice(dict.fromkeys(filter(None, names)), _SAMPLE))
    if any(_is_file(folder, name) for name in sample):
        return Place()
    hits: dict[Place, int] = {}
    for before in _folders_near(folder):
        for after in _ENDINGS:
            if count := sum(_is_file(folder, f"{before}{name}{after}") for name in sample):
                hits[Place(before, after)] = count
    best = [place for place, count in hits.items() if count == max(hits.values())]
    same = [place for place in best if plain(place.before).startswith(plain(table.stem).partition("_")[0])]
    return next((group[0] for group in (best, same) if len(group) == 1), None)


def _folders_near(folder: Path) -> Iterator[str]:
    yield ""
    first = _folders_in(folder, "")
    yield from [*first, *(inner for name in first for inner in _folders_in(folder, name))][:_MOST_FOLDERS]
    yield from ("../", "../../")


def _folders_in(folder: Path, name: str) -> list[str]:
    try:
        with os.scandir(folder / name) as entries:
            inner = [f"{name}{entry.name}/" for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    except OSError:
        return []
    return sorted(inner)[:_MOST_FOLDERS]


def names_images(path: Path) -> bool:
    """Whether a file is a CSV table with labels of images that are there, by its first rows."""
    from striate.base.config import Data

    try:
        with path.open("rb") as file:
            head = file.read(1 << 16)
        lines = head if len(head) < 1 << 16 else head[: head.rfind(b"\n")]
        table = table_cells.read_csv(path, lines, KNOWN)
        return place_of(path, table.columns[choose(table, Data()).image]) is not None
    except (OSError, StriateError):
        return False
