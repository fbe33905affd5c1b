"""The split into training, validation and test images: in hash order within each class.

An image's place is decided by the hash of its id, so it depends neither on the order of the folder nor on the seed of a run.
Images of one group, near-duplicates, and images whose pixels are equal, stay on one side: they are one cluster, which stands in
the order by its member of the smallest hash. Each class fills its test share first, then validation; the rest is for training,
and so is a cluster more than half again as large as the share, where the class has others.

Legend: N images, M of them in a part.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import nameless_files
from striate.base.config import Data
from striate.base.errors import DataError
from striate.base.phrases import plural
from striate.data import clusters, groups, label_edits, near_duplicate_notes, stratified_labels
from striate.data.clusters import Order
from striate.data.duplicates import NearDuplicates
from striate.data.examples import Examples, Part, Quarantined
from striate.data.examples_from_source import left_out

TEST_SHARE = 0.2
_FEW_TESTS = 100
_PROPOSED_FOLDS, _MOST_FOLDS = 5, 20

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
    near_duplicates: tuple[tuple[str, str], ...] = ()  # pairs of names whose images are nearly equal
    notes: tuple[str, ...] = ()  # sentences that the user should read


class _Given(NamedTuple):
    """The parts that the source gives; None where a part is cut from the pool."""

    test_N: Mask | None
    val_N: Mask | None


class _Parts(NamedTuple):
    """The images of each part."""

    train_N: Mask
    val_N: Mask
    test_N: Mask


@dataclass(frozen=True)
class _Pool:
    """The images that parts are cut from."""

    examples: Examples
    order: Order
    open_N: Mask  # those that no part has
    known_folds: dict[int, Positions] = field(default_factory=dict)  # by their number

    @cached_property
    def lines(self) -> list[Positions]:
        """For each class the images whose cluster counts to it, clusters in hash order and whole."""
        mine, (cluster_N, hash_N) = np.flatnonzero(self.open_N), self.order
        first_M = cluster_N[mine]
        label_M = self.examples.split_labels_N[first_M]
        sizes_K = np.bincount(label_M, minlength=len(self.examples.classes))
        return np.split(mine[np.lexsort((hash_N[mine], hash_N[first_M], label_M))], np.cumsum(sizes_K)[:-1])

    def folds(self, count: int) -> Positions:
        """The fold of each open image, -1 for others: each class's line in equal pieces, clusters whole.

        Of several labels each fold gets its share of each label, and of the images.
        """
        if count in self.known_folds:
            return self.known_folds[count]
        fold_N = np.full(len(self.examples), -1, np.int64)
        if self.examples.several:
            rows_M = np.flatnonzero(self.open_N)
            fold_N[rows_M] = self.dealt(rows_M, [1 / count] * count)
        else:
            for line in self.lines:
                fold_N[line] = np.arange(len(line)) * count // max(1, len(line))
            for line in self.lines:
                fold_N[line] = fold_N[self.order.cluster_N[line]]
        self.known_folds[count] = fold_N
        return fold_N

    def dealt(self, rows_M: Positions, shares_P: Sequence[float]) -> Positions:
        """The part of each of these images with several labels, clusters whole."""
        first_M = np.unique(self.order.cluster_N[rows_M], return_index=True, return_inverse=True)
        labels_MK, hash_M = self.examples.labels_N[rows_M], self.order.hash_N[rows_M]
        return stratified_labels.deal(labels_MK, first_M[1][first_M[2]], hash_M, shares_P)


def divide(examples: Examples, pixel_hash_N: NDArray[np.uint64], data: Data, near: NearDuplicates | None = None) -> Split:
    """Divide the images as the settings and the source say."""
    near_P2 = near_duplicate_notes.usable(near, pixel_hash_N)
    equal_P2 = clusters.equal_pairs(pixel_hash_N, np.arange(len(examples), dtype=np.int64))
    duplicates = _named(examples, equal_P2)
    notes = _duplicate_notes(examples, duplicates, equal_P2)
    parts_N = examples.parts_N.copy()
    has_test = bool((parts_N == Part.TEST).any())
    if has_test and data.folds is not None:
        raise DataError("folds do not apply: the data come with a test part of their own. Leave out --folds.")
    leaked = _leaks(examples, pixel_hash_N, parts_N)
    out = np.array([position for position, _ in leaked], np.int64)
    open_N = np.isin(parts_N, (Part.FREE, Part.TRAIN))
    open_N[out] = False
    val_N = parts_N == Part.VAL
    val_N[out] = False
    cuts_test = not has_test and data.test_share != 0
    given = _Given(None if cuts_test else parts_N == Part.TEST, val_N if (parts_N == Part.VAL).any() else None)
    kept_P2 = near_P2[open_N[near_P2].all(axis=1)]
    pool = _Pool(examples, clusters.order_by_hash(examples, pixel_hash_N, open_N, kept_P2, data.split_seed), open_N)
    if data.folds is not None:
        _check_folds(pool, given, data)
    parts = _cut_parts(pool, given, data)
    notes += label_edits.notes(examples, parts.test_N)
    if examples.excluded_N is not None:
        parts = _Parts(*(part_N & ~examples.excluded_N for part_N in parts))
    if has_test and given.val_N is None:
        notes.append(f"Validation is cut from the training images: {int(parts.val_N.sum()):,} of them.")
    if (missing := _missing_class(pool, parts, given, data)) is not None:
        raise DataError(_too_few(pool, missing, given, data))
    if examples.without_test and cuts_test and data.folds is None:
        notes.append(f"{examples.without_test}, so a test set is cut from the training images.")
    tests = int(parts.test_N.sum())
    if cuts_test and data.folds is None:
        notes += groups.overshoot(examples, tests, _test_share(data), len(kept_P2))
    if tests < _FEW_TESTS and data.folds is None and cuts_test:
        notes.append(f"The test set holds {plural(tests, 'image')}, so its score is uncertain: {_advice(pool, given, data)}.")
    notes += near_duplicate_notes.sentences(examples, near_P2, near, tuple(parts))
    train_M, val_M, test_M = (nameless_files.keep(np.flatnonzero(part_N)) for part_N in parts)
    return Split(
        train_M, val_M, test_M,
        tuple(bad for _, bad in leaked), tuple(duplicates), near_duplicate_notes.named(examples, near_P2), tuple(notes),
    )  # fmt: skip


def check(examples: Examples, data: Data) -> Split:
    """Divide images of which nothing is decoded yet, as if all of them can be and none are equal.

    Raises:
        DataError: they cannot be divided so, which what is in the files can only make worse.

    """
    return divide(examples, examples.ids_N, data)


def folds_of(examples: Examples, pixel_hash_N: NDArray[np.uint64], folds: int) -> Positions:
    """The fold of each image, from 0: the images of each class in equal pieces, equal images and groups in one."""
    open_N = np.ones(len(examples), bool)
    order = clusters.order_by_hash(examples, pixel_hash_N, open_N, np.empty((0, 2), np.int64), seed=0)
    return _Pool(examples, order, open_N).folds(folds)


def _val_share(data: Data) -> float:
    """The share of what the test set leaves, so that validation is `val_share` of all."""
    if data.folds is not None:
        return data.val_share if data.fold is None else data.val_share / (1 - 1 / data.folds)
    return data.val_share / (1 - _test_share(data))


def _test_share(data: Data) -> float:
    return TEST_SHARE if data.test_share is None else data.test_share


def _cut_parts(pool: _Pool, given: _Given, data: Data) -> _Parts:
    """The images of each part: those that the source gives it, else clusters of the pool."""
    if given.test_N is not None:
        test_N = given.test_N
    elif data.folds is None:
        test_N = _cut(pool, pool.open_N, _test_share(data))
    elif data.fold is None:
        test_N = np.zeros(len(pool.examples), bool)
    else:
        test_N = np.equal(pool.folds(data.folds), data.fold)
    left_N, val_N = pool.open_N & ~test_N, given.val_N
    if val_N is None:
        share = data.val_share if given.test_N is not None else _val_share(data)
        val_N = _cut(pool, left_N, share)
        left_N &= ~val_N
    return _Parts(left_N, val_N, test_N)


def _cut(pool: _Pool, left_N: Mask, share: float) -> Mask:
    """The first clusters of each class that fit until its share, at least one image, is reached; of several labels `deal`."""
    order, cut_N = pool.order, np.zeros(len(pool.examples), bool)
    if pool.examples.several:
        rows_M = np.flatnonzero(left_N)
        cut_N[rows_M] = pool.dealt(rows_M, (share, 1 - share)) == 0
        return cut_N
    for line in (line[left_N[line]] for line in pool.lines):
        if len(line) < 2:
            continue
        wanted = max(1, round(share * len(line)))
        fitting = clusters.that_fit(order.cluster_N, line, wanted)
        if len(fitting) < len(line):  # the other parts want some of them too
            line, wanted = fitting, min(wanted, max(1, 2 * len(fitting) // 3))
        last = order.cluster_N[line[wanted - 1]]
        end = int(np.flatnonzero(order.cluster_N[line] == last)[-1]) + 1
        cut_N[line[:end]] = True
    return cut_N


def _named(examples: Examples, pairs_P2: Positions) -> list[tuple[str, str]]:
    named = ((examples.names[a], examples.names[b]) for a, b in pairs_P2.tolist())
    return sorted((min(names), max(names)) for names in named)


def _duplicate_notes(examples: Examples, duplicates: list[tuple[str, str]], equal_P2: Positions) -> list[str]:
    if not duplicates:
        return []
    what = "1 pair of images is" if len(duplicates) == 1 else f"{len(duplicates)} pairs of images are"
    notes = [f"{what} equal, as {duplicates[0][0]} and {duplicates[0][1]}; each pair stays on one side."]
    label = {examples.names[position]: examples.label_of(position) for position in np.unique(equal_P2).tolist()}
    split = [(first, second) for first, second in duplicates if label[first] != label[second]]
    if split:
        first, second = split[0]
        verb = "is" if len(split) == 1 else "are"
        notes.append(
            f"{len(split)} of them {verb} in two classes, as {first} ({label[first]}) and {second} ({label[second]}); one of "
            "the labels must be wrong."
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


def _missing_class(pool: _Pool, parts: _Parts, given: _Given, data: Data) -> int | None:
    """The first class of which a part that is cut has no image; None where there is none."""
    cut = [parts.train_N]
    if given.test_N is None or given.val_N is None:
        cut.append(parts.val_N)
    if given.test_N is None and not (data.folds is not None and data.fold is None):
        cut.append(parts.test_N)
    missing_K = np.any([pool.examples.count(part_N) == 0 for part_N in cut], axis=0)
    return int(missing_K.argmax()) if missing_K.any() else None


def _weak_class(pool: _Pool, given: _Given, data: Data, folds: int) -> int | None:
    """The first class of which a training with so many folds would lack images; None where all of them can be done."""
    for fold in range(folds):
        section = data.model_copy(update={"folds": folds, "fold": fold, "test_share": None})
        if (missing := _missing_class(pool, _cut_parts(pool, given, section), given, section)) is not None:
            return missing
    return None


def _advice(pool: _Pool, given: _Given, data: Data) -> str:
    """What to do where there are few images to test on: the folds that work, up to 5; a clause."""
    weak = None
    for folds in range(_PROPOSED_FOLDS, 1, -1):
        if (missing := _weak_class(pool, given, data, folds)) is None:
            why = "" if weak is None else f", and more folds would leave one without an image of {_kind(pool)} {weak!r}"
            return f"`striate train --folds {folds}` tests on all {len(pool.examples):,}{why}"
        weak = pool.examples.classes[missing]
    return f"{_kind(pool)} {weak!r} has too few for cross-validation, so add images"


def _check_folds(pool: _Pool, given: _Given, data: Data) -> None:
    """Refuse folds of which one would have no image of a class to train on, choose by or test on."""
    folds = data.folds or 0
    if (weak := _weak_class(pool, given, data, folds)) is None:
        return
    count = int(pool.examples.having(weak).sum())
    if count < 3:
        raise DataError(_too_few(pool, weak, given, data))
    others = [*range(folds - 1, 1, -1), *range(folds + 1, _MOST_FOLDS + 1)]
    works = next((number for number in others if _weak_class(pool, given, data, number) is None), None)
    advice = f"Use --folds {works}" if works else f"Remove the {_kind(pool)}"
    raise DataError(
        f"{_kind(pool)} {pool.examples.classes[weak]!r} has {count} images{_in_clusters(pool, weak)}; expected enough for each "
        f"of the {folds} folds to train, choose and test on one or more. {advice}, or add images."
    )


def _kind(pool: _Pool) -> str:
    return "label" if pool.examples.several else "class"


def _in_clusters(pool: _Pool, label: int) -> str:
    """A clause on why a class cannot be divided although it has images enough; empty where each can go its own way."""
    mine_N, group_N = pool.examples.having(label), pool.examples.groups_N
    clusters_M = pool.order.cluster_N[mine_N]
    if np.unique(clusters_M).size == clusters_M.size:
        return ""
    if group_N is not None and (count := np.unique(group_N[mine_N]).size) < clusters_M.size:
        mixed = np.isin(group_N[mine_N], group_N[~mine_N]).any()
        return f", in {plural(count, 'group')} that cannot be divided{' and hold images of other classes too' if mixed else ''}"
    return ", in clusters of equal images or near-duplicates that cannot be divided"


def _too_few(pool: _Pool, label: int, given: _Given, data: Data) -> str:
    """Why a class cannot be divided, and what to do."""
    examples, has_test = pool.examples, given.test_N is not None
    least = 2 if has_test else 3
    mine_N = examples.having(label)
    count = int((mine_N & (examples.parts_N != Part.TEST)).sum() if has_test else mine_N.sum())
    example = examples.names[int(np.flatnonzero(mine_N)[0])]
    purposes = "one each to train and choose by" if has_test else "one each to train, choose and test on"
    cause, advice = "", f"Add images, or remove the {_kind(pool)}."
    if count >= least and not (cause := _in_clusters(pool, label)):
        shares = f"data.val_share={data.val_share:g}"
        shares += "" if has_test or data.folds is not None else f" and data.test_share={_test_share(data):g}"
        cause, advice = f", too few for {shares}", f"Lower them, add images, or remove the {_kind(pool)}."
    return (
        f"{_kind(pool)} {examples.classes[label]!r} has {count} image{'s' if count != 1 else ''} ({example}){cause}"
        f"{left_out(examples.quarantined)}; expected at least {least}, {purposes}. {advice}"
    )
