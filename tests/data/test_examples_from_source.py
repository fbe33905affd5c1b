import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.base.errors import DataError
from striate.data import examples_from_source
from striate.data.examples import Ignored, Part, Quarantined

ROOT = Path("data")


def arrays(codes: list[int], words: list[str] | None, parts: list[Part] | None = None):
    count = len(codes)
    return examples_from_source.from_arrays(
        ROOT, np.zeros((count, 1, 1, 1), np.uint8), np.array(codes, np.uint8), [f"x#{i}" for i in range(count)],
        np.array(parts or [Part.TRAIN] * count, np.uint8), words,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("train", Part.TRAIN), ("Training", Part.TRAIN), (" TRAIN ", Part.TRAIN),
        ("val", Part.VAL), ("Valid", Part.VAL), ("VALIDATION", Part.VAL),
        ("test", Part.TEST), ("Testing", Part.TEST), ("tests", None), ("", None), ("training set", None),
    ],
)  # fmt: skip
def test_a_part_goes_by_several_words(word: str, part: Part | None):
    assert examples_from_source.part_named(word) == part


def test_an_id_is_the_hash_of_the_name():
    name = "cats/\udcff.png"
    raw = b"cats/\xff.png"
    expected = int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little")
    assert os.fsencode(name) == raw
    assert examples_from_source.ids_of([name]).tolist() == [expected]
    assert examples_from_source.ids_of([]).dtype == np.uint64


def test_codes_follow_their_names_through_the_sorting():
    examples = arrays([2, 0, 1, 2], ["pear", "fig", "apple"])
    assert examples.classes == ("apple", "fig", "pear")
    assert examples.labels_N.tolist() == [0, 2, 1, 0]


def test_names_without_an_image_are_no_classes():
    examples = arrays([3, 1], ["a", "b", "c", "d"])
    assert (examples.classes, examples.labels_N.tolist()) == (("b", "d"), [1, 0])


def test_numbers_name_themselves_where_there_are_no_names():
    examples = arrays([10, 9], None)
    assert examples.classes == ("10", "9"), "names are sorted as words"
    assert examples.labels_N.tolist() == [0, 1]


def test_arrays_that_cannot_be_used_are_refused():
    with pytest.raises(DataError, match=r"data: expected labels from 0 to 1, as there are 2 names; got 2\."):
        arrays([0, 2], ["a", "b"])
    with pytest.raises(DataError, match=r"expected at least two classes in data; got one, 'b'"):
        arrays([1, 1], ["a", "b"])
    with pytest.raises(DataError, match=r"expected at least two classes in data; got none"):
        arrays([], None)
    with pytest.raises(DataError, match=r"class 'c' is in the test or validation part of data but not in its training part"):
        arrays([0, 1, 2], ["a", "b", "c"], [Part.TRAIN, Part.TRAIN, Part.TEST])


TRIPLES = [("b/1", "b", Part.FREE), ("a/2", "a", Part.FREE), ("a/10", "a", Part.FREE), ("c/1", "c", Part.FREE)]


@given(order=st.permutations(range(4)))
def test_files_are_sorted_with_their_classes_and_groups_whatever_the_order(order: list[int]):
    owners = ["x", "y", "x", "z"]
    examples = examples_from_source.from_files(ROOT, [TRIPLES[i] for i in order], groups=[owners[i] for i in order])
    assert examples.names == ("a/10", "a/2", "b/1", "c/1")
    assert examples.labels_N.tolist() == [0, 0, 1, 2]
    assert examples.groups_N is not None
    assert examples.groups_N.tolist() == [0, 1, 0, 2]


def test_names_are_sorted_by_their_bytes():
    names = ["a/\udcff", "a/é", "a/z", "a/\U0001f600", "B/1"]
    examples = examples_from_source.from_files(ROOT, [(name, name[0], Part.FREE) for name in names])
    # 7a < c3 a9 < f0 9f 98 80 < ff
    assert examples.names == ("B/1", "a/z", "a/é", "a/\U0001f600", "a/\udcff")


@pytest.mark.parametrize(
    ("given", "became", "notes"),
    [
        ([Part.TRAIN, Part.TRAIN, Part.VAL], [Part.TRAIN, Part.TRAIN, Part.TEST], (examples_from_source.VAL_IS_TEST,)),
        ([Part.TRAIN, Part.TRAIN, Part.TEST], [Part.TRAIN, Part.TRAIN, Part.TEST], ()),
        ([Part.FREE, Part.FREE, Part.FREE], [Part.FREE, Part.FREE, Part.FREE], ()),
        ([Part.TRAIN, Part.TRAIN, Part.TRAIN], [Part.TRAIN, Part.TRAIN, Part.TRAIN], ()),
    ],
)
def test_what_the_source_gives_and_what_becomes_of_it(given: list[Part], became: list[Part], notes: tuple[str, ...]):
    examples = examples_from_source.from_files(ROOT, [("1", "a", given[0]), ("2", "b", given[1]), ("3", "a", given[2])])
    assert examples.parts_N.tolist() == became
    assert examples.notes == notes
    assert bool(examples.without_test) == (given == [Part.TRAIN] * 3)


def test_notes_that_were_given_come_first():
    examples = examples_from_source.from_files(ROOT, [("1", "Cat", Part.FREE), ("2", "cat", Part.FREE)], notes=["First."])
    assert examples.notes[0] == "First."
    assert len(examples.notes) == 2


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Cat", "cat", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("cat", "cat ", True),
        ("cat", "cat.", True),
        ("Stra\u00dfe", "STRASSE", True),
        ("cat", "cats", False),
        ("cafe", "caf\u00e9", False),
    ],
)
def test_classes_that_look_alike_are_told(one: str, other: str, alike: bool):
    examples = examples_from_source.from_files(ROOT, [("1", one, Part.FREE), ("2", other, Part.FREE)])
    assert len(examples.classes) == 2
    assert len(examples.notes) == int(alike)
    assert all("they stay two." in note and repr(one) in note and repr(other) in note for note in examples.notes)


def test_the_account_travels_along():
    bad, left = Quarantined("a/x", "not a regular file"), Ignored("a/y.txt", "*.txt")
    examples = examples_from_source.from_files(ROOT, TRIPLES, [bad], [left])
    assert (examples.quarantined, examples.ignored) == ((bad,), (left,))


def test_where_nothing_can_be_used_the_first_of_each_list_says_why():
    bad = [Quarantined("a/x", "not a regular file"), Quarantined("a/z", "a link to nothing")]
    with pytest.raises(DataError) as refused:
        examples_from_source.from_files(ROOT, [], bad, [Ignored("y.txt", "*.txt")])
    assert str(refused.value) == (
        "expected images by class in data; found none that can be used; 2 quarantined (a/x: not a regular file), "
        "1 ignored (y.txt: *.txt)."
    )


@pytest.mark.parametrize("part", [Part.TEST, Part.VAL])
def test_a_class_that_cannot_be_learned_is_refused(part: Part):
    triples = [("1", "a", Part.TRAIN), ("2", "b", Part.TRAIN), ("3", "c", part)]
    with pytest.raises(DataError, match=r"class 'c' is in .* Add training images of it, or remove the class."):
        examples_from_source.from_files(ROOT, triples)


@pytest.mark.parametrize("groups", [None, ["3", "1", "2"]])
def test_names_are_sorted_by_their_bytes_where_some_are_no_text_too(groups: list[str] | None):
    names = ["cats/\udcff.png", "cats/\U0001f600.png", "dogs/1.png"]
    entries = [(name, name[:4], Part.FREE) for name in names]
    examples = examples_from_source.from_files(Path("x"), entries, groups=groups)
    assert list(examples.names) == [names[1], names[0], names[2]], "0xf0 is before 0xff, and U+1f600 after U+dcff"
    assert groups is None or (examples.groups_N is not None and examples.groups_N.tolist() == [0, 2, 1])
    assert examples.labels_N.tolist() == [0, 0, 1]
    plain = [("b/2.png", "b", Part.TEST), ("a/1.png", "a", Part.TRAIN), ("b/1.png", "b", Part.TRAIN)]
    assert list(examples_from_source.from_files(Path("x"), plain).names) == ["a/1.png", "b/1.png", "b/2.png"]
    assert plain[0][0] == "b/2.png", "the list that was given stays as it is"
