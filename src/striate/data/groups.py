"""Groups: images that belong together, as those of a patient or a video, and stay on one side of a split.

`data.group` says how they are known: a column of a table, an expression for names of files, the folder that a file lies in, or
by EXIF bursts, which are photographs of one camera within seconds.

Legend: N images, G groups.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError
from striate.base.phrases import percent, plural
from striate.base.settings import Data
from striate.data import file_labels
from striate.data.examples import Examples

BURST = "exif:burst"
BURST_SECONDS = 3.0  # from one photograph of a burst to the next, at most
_PARTS = ("training", "validation", "test")

Groups = NDArray[np.int64]


def seconds_of(data: Data) -> float | None:
    """The seconds between photographs of one burst, where bursts are the groups; else None."""
    kind, _, seconds = (data.group or "").partition(":")
    if kind != "exif":
        return None
    return BURST_SECONDS if data.group == BURST else float(seconds)


def apply(examples: Examples, data: Data) -> Examples:
    """The examples with their groups, which a table has given already; those by EXIF are not known before images are decoded.

    Raises:
        DataError: there are none of this kind, or they divide nothing.

    """
    if data.group is None:
        return examples
    in_files = data.group == "parent" or data.group.startswith(("name:", "exif:"))
    if examples.groups_N is None and (examples.pixels_NHWC is not None or not in_files):
        raise DataError(_not_there(data, in_files))
    if seconds_of(data) is not None:
        return examples
    if examples.groups_N is not None:
        return _checked(examples, data, ())
    words = _words(examples.names, data.group)
    alone = [position for position, word in enumerate(words) if word is None]
    if len(alone) == len(words):
        raise DataError(
            f"--group '{data.group}' matches none of {plural(len(words), 'name')} of files, as {Path(examples.names[0]).name}. "
            "Write an expression whose one group is what images that belong together have in common, as 'name:(.+)_[0-9]+'."
        )
    keys = [f"\x1falone {name}" if word is None else word for word, name in zip(words, examples.names, strict=True)]
    notes = []
    if alone:
        notes.append(
            f"{plural(len(alone), 'name')} of files, as {Path(examples.names[alone[0]]).name}, "
            f"{'does' if len(alone) == 1 else 'do'} not match --group '{data.group}'; each is a group of its own."
        )
    return _checked(replace(examples, groups_N=_numbered(keys)), data, notes)


def _words(names: Sequence[str], group: str) -> list[str | None]:
    """The group of each file by its name, None where it does not match; or the folder that it lies in."""
    if group == "parent":
        return [name.rpartition("/")[0] for name in names]
    return file_labels.matches([name.rpartition("/")[2] for name in names], group.removeprefix("name:"), f"--group '{group}'")


def _numbered(keys: Sequence[object]) -> Groups:
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def _not_there(data: Data, in_files: bool) -> str:
    if in_files:
        return f"--group '{data.group}' applies to images in files of their own; those of {data.path} are not. Leave it out."
    return (
        f"--group {data.group} names a column of a table; {data.path} is none. Take groups from the names of files, as by "
        "--group 'name:(.+)_[0-9]+', from their folders by --group parent, or from the time of photographs by "
        f"--group {BURST}."
    )


def _checked(examples: Examples, data: Data, notes: Sequence[str]) -> Examples:
    """The examples with a note on their groups. Raises DataError: each image is alone, or all are of one group."""
    assert examples.groups_N is not None
    _, first_G, sizes_G = np.unique(examples.groups_N, return_index=True, return_counts=True)
    count = len(examples)
    if len(sizes_G) == count:
        raise DataError(
            f"each of the {plural(count, 'image')} is a group of its own by --group '{data.group}', as {examples.names[0]}; "
            "expected images that share one. Name what they have in common, or leave it out."
        )
    if len(sizes_G) == 1:
        raise DataError(
            f"all {plural(count, 'image')} are of one group by --group '{data.group}', so they cannot be divided; expected "
            "several groups. Name what only the images that belong together have in common."
        )
    largest = int(sizes_G.argmax())
    sentence = (
        f"{plural(count, 'image')} in {plural(len(sizes_G), 'group')} by --group '{data.group}', the largest of "
        f"{int(sizes_G[largest]):,}, as {examples.names[int(first_G[largest])]}; each group stays on one side of the split."
    )
    return replace(examples, notes=(*examples.notes, *notes, sentence))


def account(examples: Examples, data: Data) -> dict[str, Any] | None:
    """What a record says of the groups: how they are known, how many there are, images in the largest."""
    if examples.groups_N is None:
        return None
    sizes_G = np.unique(examples.groups_N, return_counts=True)[1]
    return {"by": data.group, "groups": len(sizes_G), "largest": int(sizes_G.max()), "alone": int((sizes_G == 1).sum())}


def overshoot(examples: Examples, tests: int, share: float, pairs: int) -> list[str]:
    """A sentence where whole groups make a test set that is cut much larger than asked for.

    `pairs` of near-duplicates stay together too, and so join the groups that they are of.
    """
    if examples.groups_N is None or tests <= 1.5 * share * len(examples):
        return []
    whole, remedy = ("groups stay", "smaller groups") if not pairs else (
        f"groups and {plural(pairs, 'pair')} of near-duplicates stay", "smaller groups, or data.near_duplicates=false,"
    )  # fmt: skip
    return [
        f"Since {whole} whole, {percent(tests / len(examples), 0)} of the images are for testing and not "
        f"{percent(share, 0)}; {remedy} would come nearer."
    ]


def bursts(camera_N: NDArray[np.uint64], taken_N: NDArray[np.float64], seconds: float = BURST_SECONDS) -> Groups:
    """A number for each image, equal for those of a burst: of one known camera, each within seconds of another."""
    order = np.lexsort((taken_N, camera_N))
    camera, taken = camera_N[order], taken_N[order]
    known = (camera != 0) & (taken != 0)
    follows = known[1:] & known[:-1] & (camera[1:] == camera[:-1]) & (np.diff(taken) <= seconds)
    group_N = np.empty(len(order), np.int64)
    group_N[order] = np.concatenate([[0], np.cumsum(~follows)])[: len(order)]
    return group_N


def with_bursts(examples: Examples, facts: Mapping[str, Any], data: Data) -> Examples:
    """The examples in groups by EXIF, where `data.group` asks for that; `facts` are columns of `CachedPixels`."""
    if (seconds := seconds_of(data)) is None:
        return examples
    group_N = bursts(facts["camera_N"], facts["taken_N"], seconds)
    if len(np.unique(group_N)) == len(examples):
        raise DataError(
            f"no two of {plural(len(examples), 'image')} are of one camera and at most {seconds:g} s apart by their EXIF; "
            f"{int((facts['taken_N'] != 0).sum()):,} have a time. Leave out --group '{data.group}', or give more seconds, as "
            "--group exif:60."
        )
    return _checked(replace(examples, groups_N=group_N), data, ())


def offer(examples: Examples, facts: Mapping[str, Any], data: Data, parts: Sequence[NDArray[np.int64]]) -> list[str]:
    """A sentence on bursts that lie on two sides of the split; `parts` are the images of training, validation and test."""
    if seconds_of(data) is not None:
        return []
    group_N = bursts(facts["camera_N"], facts["taken_N"])
    numbers, sizes_G = np.unique(group_N, return_counts=True)
    several = numbers[sizes_G > 1]
    if not len(several):
        return []
    part_N = np.full(len(examples), -1, np.int64)
    for number, rows_M in enumerate(parts):
        part_N[rows_M] = number
    order = np.argsort(group_N, kind="stable")
    ends = np.searchsorted(group_N[order], several, "right")
    bursts_of = (order[end - size : end] for end, size in zip(ends, sizes_G[sizes_G > 1], strict=True))
    torn = [rows for rows in bursts_of if len(set(part_N[rows].tolist()) - {-1}) > 1]
    if not torn:
        return []
    rows = torn[0][part_N[torn[0]] >= 0]
    first, second = rows[part_N[rows].argmin()], rows[part_N[rows].argmax()]
    names = " and ".join(f"{examples.names[row]} ({_PARTS[part_N[row]]})" for row in (first, second))
    return [
        f"{plural(int(sizes_G[sizes_G > 1].sum()), 'image')} are in {plural(len(several), 'burst')}: of one camera, at most "
        f"{BURST_SECONDS:g} s apart. {len(torn):,} of them {'lies' if len(torn) == 1 else 'lie'} on two sides of the split, as "
        f"{names}. --group {BURST} keeps each on one side."
    ]
