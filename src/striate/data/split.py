"""The split into training, validation and test images: in hash order within each class.

An image's place is decided by the hash of its id, so it depends neither on the order of the folder nor on the seed of a run.
Images of one group, and images whose pixels are equal, stay on one side: they are one cluster, which stands in the order by its
member of the smallest hash. Each class fills its test share first, then validation; the rest is for training.

Legend: N images, M of them in a part.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.config import Data
from striate.base.errors import DataError
from striate.base.hash_rng import words
from striate.data.examples import Examples, Part, Quarantined

TEST_SHARE = 0.2
_FEW_TESTS = 100
_PROPOSED_FOLDS = 5

Positions = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """Positions of the images of each part, ascending."""

    train_M: Positions  # to learn from
    val_M: Positions  # to choose by
    test_M: Positions  # to test on, once
    # images given for training or validation although a held-out part has the same image or group; left out
    leaked: tuple[Quarantined, ...] = ()
    duplicates: tuple[tuple[str, str], ...] = ()  # pairs of names whose pixels are equal
    notes: tuple[str, ...] = ()  # sentences that the user should read


class _Order(NamedTuple):
    """Images in the order in which parts are filled: by class, then cluster, then hash."""

    cluster_N: Positions
    hash_N: NDArray[np.uint64]


def divide(examples: Examples, pixel_hash_N: NDArray[np.uint64], data: Data) -> Split:
    """Divide the images as the settings and the source say."""
    duplicates = _find_duplicates(examples, pixel_hash_N)
    notes = _duplicate_notes(examples, duplicates)
    parts_N = examples.parts_N.copy()
    has_test = bool((parts_N == Part.TEST).any())
    if has_test and data.folds is not None:
        raise DataError("folds do not apply: the data come with a test part of their own. Leave out --folds.")
    leaked = _leaks(examples, pixel_hash_N, parts_N)
    out = np.array([position for position, _ in leaked], np.int64)
    open_N = np.isin(parts_N, (Part.FREE, Part.TRAIN))
    open_N[out] = False
    order = _order_by_hash(examples, pixel_hash_N, open_N, data.split_seed)
    if data.folds is not None:
        _check_folds(examples, order, open_N, data.folds)
    needs_val = not (parts_N == Part.VAL).any()
    val_N = parts_N == Part.VAL
    val_N[out] = False
    cuts_test = not has_test and data.test_share != 0  # else the mask of none, or of the part that is given
    test_N = _cut_test(examples, order, open_N, data) if cuts_test else parts_N == Part.TEST
    open_N &= ~test_N
    if needs_val:
        val_N = _cut(examples, order, open_N, data.val_share if has_test else _val_share(data))
        open_N &= ~val_N
        if has_test:
            notes.append(f"Validation is cut from the training images: {int(val_N.sum()):,} of them.")
    _check_classes(examples, open_N, val_N, test_N, has_test, data)
    tests = int(test_N.sum())
    if tests < _FEW_TESTS and data.folds is None and cuts_test:
        notes.append(
            f"The test set holds {tests} images, so its score is uncertain: `striate train --folds {_PROPOSED_FOLDS}` tests on "
            f"all {len(examples):,}."
        )
    return Split(
        np.flatnonzero(open_N), np.flatnonzero(val_N), np.flatnonzero(test_N), tuple(bad for _, bad in leaked),
        tuple(duplicates), tuple(notes),
    )  # fmt: skip


def _val_share(data: Data) -> float:
    """The share of what the test set leaves, so that validation is `val_share` of all."""
    if data.folds is not None:
        return data.val_share if data.fold is None else data.val_share / (1 - 1 / data.folds)
    return data.val_share / (1 - _test_share(data))


def _test_share(data: Data) -> float:
    return TEST_SHARE if data.test_share is None else data.test_share


def _cut_test(examples: Examples, order: _Order, open_N: Mask, data: Data) -> Mask:
    if data.folds is None:
        return _cut(examples, order, open_N, _test_share(data))
    if data.fold is None:
        return np.zeros(len(examples), bool)
    return np.equal(_fold_of(examples, order, open_N, data.folds), data.fold)


def _order_by_hash(examples: Examples, pixel_hash_N: NDArray[np.uint64], open_N: Mask, seed: int) -> _Order:
    """Clusters as the position of their first member in hash order; most images are alone in theirs."""
    hash_N = words(examples.ids_N, "split", seed)
    cluster_N = np.arange(len(examples), dtype=np.int64)
    where = np.flatnonzero(open_N)
    links = [_equal_pairs(pixel_hash_N[where], where)]
    if examples.groups_N is not None:
        links.append(_equal_pairs(examples.groups_N[where], where))
    pairs = np.concatenate(links)
    if len(pairs):
        _merge_clusters(cluster_N, pairs)
        first: dict[int, int] = {}
        together = np.flatnonzero(np.isin(cluster_N, np.unique(cluster_N[pairs.ravel()])))
        for position in together[np.argsort(hash_N[together], kind="stable")]:
            first.setdefault(int(cluster_N[position]), int(position))
        cluster_N[together] = [first[int(root)] for root in cluster_N[together]]
    return _Order(cluster_N, hash_N)


def _equal_pairs(keys_M: NDArray[np.generic], where_M: Positions) -> Positions:
    """Pairs of neighbors among the positions whose keys are equal, P x 2."""
    order = np.argsort(keys_M, kind="stable")
    equal = keys_M[order][1:] == keys_M[order][:-1]
    return np.stack([where_M[order][:-1][equal], where_M[order][1:][equal]], axis=1)


def _merge_clusters(root_N: Positions, pairs: Positions) -> None:
    def find(position: int) -> int:
        while root_N[position] != position:
            root_N[position] = root_N[root_N[position]]
            position = int(root_N[position])
        return position

    for first, second in pairs.tolist():
        a, b = find(first), find(second)
        root_N[max(a, b)] = min(a, b)
    for position in np.unique(pairs):
        root_N[position] = find(int(position))


def _members(examples: Examples, order: _Order, open_N: Mask, label: int) -> Positions:
    """The open images whose cluster counts to a class, clusters in hash order and whole."""
    first_N = order.cluster_N
    mine = np.flatnonzero(open_N & (examples.labels_N[first_N] == label))
    return mine[np.lexsort((order.hash_N[mine], order.hash_N[first_N[mine]]))]


def _cut(examples: Examples, order: _Order, open_N: Mask, share: float) -> Mask:
    """The first clusters of each class until its share of images, at least one, is reached."""
    cut_N = np.zeros(len(examples), bool)
    for label in range(len(examples.classes)):
        line = _members(examples, order, open_N, label)
        if len(line) < 2:
            continue
        wanted = max(1, round(share * len(line)))
        last = order.cluster_N[line[wanted - 1]]
        end = int(np.flatnonzero(order.cluster_N[line] == last)[-1]) + 1
        cut_N[line[:end]] = True
    return cut_N


def _fold_of(examples: Examples, order: _Order, open_N: Mask, folds: int) -> Positions:
    """The fold of each open image, -1 for others: each class's line in equal pieces, clusters whole."""
    fold_N = np.full(len(examples), -1, np.int64)
    for label in range(len(examples.classes)):
        line = _members(examples, order, open_N, label)
        fold_N[line] = np.arange(len(line)) * folds // max(1, len(line))
    mine = np.flatnonzero(open_N)
    fold_N[mine] = fold_N[order.cluster_N[mine]]
    return fold_N


def _find_duplicates(examples: Examples, pixel_hash_N: NDArray[np.uint64]) -> list[tuple[str, str]]:
    pairs = _equal_pairs(pixel_hash_N, np.arange(len(examples), dtype=np.int64))
    named = ((examples.names[a], examples.names[b]) for a, b in pairs.tolist())
    return sorted((min(names), max(names)) for names in named)


def _duplicate_notes(examples: Examples, duplicates: list[tuple[str, str]]) -> list[str]:
    if not duplicates:
        return []
    notes = [
        f"{len(duplicates)} pairs of images are equal, as {duplicates[0][0]} and {duplicates[0][1]}; each pair stays on "
        "one side."
    ]
    label = dict(zip(examples.names, examples.labels_N.tolist(), strict=True))
    split = [(first, second) for first, second in duplicates if label[first] != label[second]]
    if split:
        first, second = split[0]
        notes.append(
            f"{len(split)} of them are in two classes, as {first} ({examples.classes[label[first]]}) and {second} "
            f"({examples.classes[label[second]]}); one of the labels must be wrong."
        )
    return notes


def _leaks(examples: Examples, pixel_hash_N: NDArray[np.uint64], parts_N: NDArray[np.uint8]) -> list[tuple[int, Quarantined]]:
    """Images given for training whose image or group is held out by a given part; or for validation and in test."""
    leaked: dict[int, Quarantined] = {}
    sameness: list[tuple[NDArray[Any], str]] = [(pixel_hash_N, "the same image as")]
    if examples.groups_N is not None:
        sameness.append((examples.groups_N, "of the same group as"))
    for part, given in ((Part.TEST, (Part.TRAIN, Part.FREE, Part.VAL)), (Part.VAL, (Part.TRAIN, Part.FREE))):
        held = np.flatnonzero(parts_N == part)
        others = np.flatnonzero(np.isin(parts_N, given))
        for keys_N, how in sameness:
            copies = others[np.isin(keys_N[others], keys_N[held])]
            name_of = dict(zip(keys_N[held].tolist(), held.tolist(), strict=True)) if len(copies) else {}
            for position in copies.tolist():
                reason = f"{how} {examples.names[name_of[int(keys_N[position])]]}, which is held out"
                leaked.setdefault(position, Quarantined(examples.names[position], reason))
    return sorted(leaked.items())


def _check_folds(examples: Examples, order: _Order, open_N: Mask, folds: int) -> None:
    """Refuse folds of which some would test on no image of a class; a class too small for any split is not meant."""
    fold_N = _fold_of(examples, order, open_N, folds)
    for label, name in enumerate(examples.classes):
        mine = np.flatnonzero(open_N & (examples.labels_N == label))
        most = len(np.unique(fold_N[mine]))
        if most < folds and len(mine) > 2:
            extra = "" if most == len(mine) else ", in clusters of equal images or groups that cannot be divided"
            raise DataError(
                f"class {name!r} has {len(mine)} images{extra}; expected one or more in each of the {folds} folds. "
                f"{f'Use {most} folds or fewer' if most > 1 else 'Remove the class'}, or add images."
            )


def _check_classes(examples: Examples, train_N: Mask, val_N: Mask, test_N: Mask, has_test: bool, data: Data) -> None:
    """Refuse a class that some part has no image of."""
    parts = [train_N]
    if not has_test or not (examples.parts_N == Part.VAL).any():
        parts.append(val_N)
    if not has_test and data.test_share != 0 and not (data.folds is not None and data.fold is None):
        parts.append(test_N)
    least = 2 if has_test or data.test_share == 0 else 3
    for label, name in enumerate(examples.classes):
        mine = examples.labels_N == label
        for part_N in parts:
            if not (part_N & mine).any():
                count = int(mine[examples.parts_N != Part.TEST].sum() if has_test else mine.sum())
                example = examples.names[int(np.flatnonzero(mine)[0])]
                purposes = "one each to train, choose and test on" if least == 3 else "one each to train and choose by"
                extra = "" if count < least else ", in clusters of equal images or groups that cannot be divided"
                raise DataError(
                    f"class {name!r} has {count} image{'s' if count != 1 else ''} ({example}){extra}; expected at least "
                    f"{least}, {purposes}. Add images, or remove the class."
                )
