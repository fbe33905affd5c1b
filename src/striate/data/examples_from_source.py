"""Building `Examples` from what a source lists: ids, sorted classes, and the checks that hold for every source.

Legend: N images, H x W pixels, C channels.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError
from striate.base.hash_rng import name_id
from striate.base.phrases import printable
from striate.data.examples import Examples, Ignored, Part, Quarantined
from striate.data.names import Names

_PARTS = {
    "train": Part.TRAIN, "training": Part.TRAIN,
    "val": Part.VAL, "valid": Part.VAL, "validation": Part.VAL, "dev": Part.VAL, "development": Part.VAL, "eval": Part.VAL,
    "evaluation": Part.VAL, "test": Part.TEST, "testing": Part.TEST,
}  # fmt: skip

Label = str | tuple[str, ...]  # the class of an image, or all labels that it has

VAL_IS_TEST = "val/ is the test set, since there is no test/; validation is cut from train/."
OWN_FOLDER = "Put the images of each class into a folder of its own."
NO_TEST = "There is no test part"


_least_classes: ContextVar[int] = ContextVar("least_classes", default=2)


@contextmanager
def one_class_allowed() -> Iterator[None]:
    """Let images of one class alone be read within the block: enough to test on, not to train with."""
    token = _least_classes.set(1)
    try:
        yield
    finally:
        _least_classes.reset(token)


class Source(NamedTuple):
    """What sentences say of a source: its path, and what to do where it holds one class alone, or no image."""

    path: Path | str
    advice: str = OWN_FOLDER
    no_image: str = ""


def part_named(word: str) -> Part | None:
    """The part that a folder or a column calls by this word, in any case; None for another word."""
    return _PARTS.get(word.strip().lower())


def from_arrays(
    root: Path, pixels_NHWC: NDArray[np.uint8], codes_N: NDArray[np.uint8], names: Sequence[str], parts_N: NDArray[np.uint8],
    class_names: Sequence[str] | None, without_test: str = "",
) -> Examples:  # fmt: skip
    """Examples whose pixels are an array; `codes_N` are positions in `class_names`, which need not be sorted."""
    largest = int(codes_N.max()) if len(codes_N) else 0
    words = [str(code) for code in range(largest + 1)] if class_names is None else list(class_names)
    if largest >= len(words):
        raise DataError(f"{root}: expected labels from 0 to {len(words) - 1}, as there are {len(words)} names; got {largest}.")
    present = sorted({words[code] for code in np.unique(codes_N)})
    check_classes(str(root), present)
    position = {word: place for place, word in enumerate(present)}
    labels_N = np.array([position.get(word, -1) for word in words], np.int64)[codes_N]
    _check_training_part(str(root), labels_N, parts_N, present)
    return Examples(
        root=root, names=tuple(names), labels_N=labels_N, classes=tuple(present), ids_N=ids_of(names),
        parts_N=parts_N, pixels_NHWC=pixels_NHWC, without_test=without_test,
    )  # fmt: skip


def from_files(
    root: Path, entries: Sequence[tuple[str, Label, Part]], quarantined: Sequence[Quarantined] = (),
    ignored: Sequence[Ignored] = (), notes: Sequence[str] = (), groups: Sequence[str] | None = None,
    source: Source | None = None,
) -> Examples:  # fmt: skip
    """Examples from (name, class, part) triples of files, sorted by the bytes of their names; several labels are tuples.

    Where there is train and val but no test, val becomes the test part; a note says so, and where there is train alone.
    """
    where, advice, no_image = source or Source(root)
    if not entries:
        rest = left_out(quarantined, ignored)
        raise DataError(f"expected images by class in {where}; found none that can be used{rest}. {no_image}".rstrip())
    if groups is None:
        entries = sorted(entries, key=_by_name(entries))
    else:
        name_of, all_entries = _by_name(entries), entries
        order = sorted(range(len(entries)), key=lambda i: name_of(all_entries[i]))
        entries, groups = [entries[i] for i in order], [groups[i] for i in order]
    names, words = Names(name for name, _, _ in entries), [word for _, word, _ in entries]
    parts_N = np.fromiter((part for _, _, part in entries), np.uint8, len(entries))
    classes = sorted({name for word in words for name in ((word,) if isinstance(word, str) else word)})
    check_classes(str(where), classes, left_out(quarantined, ignored), advice)
    given = set(parts_N.tolist())
    all_notes = list(notes)
    if Part.VAL in given and Part.TEST not in given and Part.TRAIN in given:
        parts_N[parts_N == Part.VAL] = Part.TEST
        all_notes.append(VAL_IS_TEST)
    labels_N = _labels(words, classes)
    _check_training_part(str(where), labels_N, parts_N, classes)
    groups_N = None
    if groups is not None:
        groups_N = np.unique(np.array(groups), return_inverse=True)[1].astype(np.int64)
    return Examples(
        root=root, names=names, labels_N=labels_N, classes=tuple(classes), ids_N=ids_of(names), parts_N=parts_N,
        groups_N=groups_N, quarantined=tuple(quarantined), ignored=tuple(ignored), notes=(*all_notes, *_name_notes(classes)),
        without_test=NO_TEST if given == {Part.TRAIN} else "",
    )  # fmt: skip


def _by_name(entries: Sequence[tuple[str, Label, Part]]) -> Callable[[tuple[str, Label, Part]], str | bytes]:
    """What entries are sorted by: the bytes of the name, or the name itself where its order is the same."""
    try:
        for name, _, _ in entries:
            name.encode()
    except UnicodeEncodeError:  # bytes of a file's name that are no text
        return lambda entry: entry[0].encode("utf-8", "surrogateescape")
    return itemgetter(0)


def _labels(words: Sequence[Label], classes: Sequence[str]) -> NDArray[np.int64]:
    """The position of each image's class; of several labels N x K, 0 or 1."""
    position = {word: place for place, word in enumerate(classes)}
    if all(isinstance(word, str) for word in words):
        return np.fromiter((position[str(word)] for word in words), np.int64, len(words))
    labels_NK = np.zeros((len(words), len(classes)), np.int64)
    for row, names in enumerate(words):
        labels_NK[row, [position[name] for name in names]] = 1
    return labels_NK


def ids_of(names: Sequence[str]) -> NDArray[np.uint64]:
    """The id of each name."""
    return np.fromiter(map(name_id, names), np.uint64, len(names))


def check_classes(source: str, classes: Sequence[str], left_out: str = "", advice: str = OWN_FOLDER) -> None:
    """Refuse fewer classes than are needed, and a name with bytes that are no text, which no file of a run can hold."""
    if bad := [name for name in classes if printable(name) != name]:
        raise DataError(f"expected names of classes in UTF-8 in {source}; got {printable(bad[0])}. Rename it.")
    if len(classes) < _least_classes.get():
        got = f"one, {classes[0]!r}" if classes else "none"
        raise DataError(f"expected at least two classes in {source}; got {got}{left_out}. {advice}")


def _check_training_part(source: str, labels_N: NDArray[np.int64], parts_N: NDArray[np.uint8], classes: list[str]) -> None:
    trained = labels_N[(parts_N == Part.TRAIN) | (parts_N == Part.FREE)]
    training = set(np.flatnonzero(trained.any(axis=0)).tolist() if trained.ndim == 2 else trained.tolist())
    if missing := [name for label, name in enumerate(classes) if label not in training]:
        raise DataError(
            f"class {missing[0]!r} is in the test or validation part of {source} but not in its training part. "
            "Add training images of it, or remove the class."
        )


def left_out(quarantined: Sequence[Quarantined], ignored: Sequence[Ignored] = ()) -> str:
    """A clause on how many files are not used, with the first of them and its reason; empty for none."""
    parts = []
    if quarantined:
        parts.append(f"{len(quarantined)} quarantined ({quarantined[0].path}: {quarantined[0].reason})")
    if ignored:
        parts.append(f"{len(ignored)} ignored ({ignored[0].path}: {ignored[0].pattern})")
    return f"; {', '.join(parts)}" if parts else ""


def _name_notes(classes: Sequence[str]) -> list[str]:
    folded: dict[str, str] = {}
    numbers: dict[float, str] = {}
    notes = []
    for name in classes:
        plain = normalize("NFC", name).casefold().strip(" .")
        number = _number(name)
        if plain in folded:
            notes.append(
                f"The classes {folded[plain]!r} and {name!r} differ in case, spaces or accents' encoding alone; they stay two."
            )
        elif number in numbers:
            notes.append(f"The classes {numbers[number]!r} and {name!r} are the same number; they stay two.")
        folded.setdefault(plain, name)
        numbers.setdefault(number, name)
    return notes


def _number(name: str) -> float:
    """The number that a name is; NaN, which equals nothing, for a name that is none."""
    try:
        return float(name)
    except ValueError:
        return float("nan")
