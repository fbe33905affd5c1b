import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.base import nameless_files
from striate.base.hash_rng import name_id
from striate.data.examples import Examples, Ignored, Part, Quarantined
from striate.data.examples_from_source import from_files
from striate.data.names import Names

NAMES = ("a/1", "a/2", "b/3", "b/4", "b/5")


def five(root: Path = Path("data")) -> Examples:
    return Examples(
        root=root, names=NAMES, labels_N=np.array([0, 0, 1, 1, 1]), classes=("a", "b"),
        ids_N=np.array([name_id(name) for name in NAMES], np.uint64),
        parts_N=np.array([Part.TRAIN, Part.TEST, Part.TRAIN, Part.VAL, Part.TEST], np.uint8),
        groups_N=np.array([7, 7, 8, 8, 9]), pixels_NHWC=np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1),
        quarantined=(Quarantined("a/0", "a link to nothing"),), ignored=(Ignored("b/x.txt", "*.txt"),), notes=("Said.",),
    )  # fmt: skip


def on_disk(root: Path) -> Examples:
    for name in NAMES:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")
        os.utime(root / name, ns=(10**18, 10**18))
    whole = five(root)
    return Examples(root, whole.names, whole.labels_N, whole.classes, whole.ids_N, whole.parts_N)


def test_keeping_takes_every_column_along():
    some = five().keep(np.array([4, 0]))
    assert some.names == ("b/5", "a/1")
    assert some.labels_N.tolist() == [1, 0]
    assert some.ids_N.tolist() == [name_id("b/5"), name_id("a/1")]
    assert some.parts_N.tolist() == [Part.TEST, Part.TRAIN]
    assert some.groups_N is not None
    assert some.groups_N.tolist() == [9, 7]
    assert some.pixels_NHWC is not None
    assert some.pixels_NHWC.ravel().tolist() == [4, 0]
    assert (some.classes, some.ignored, some.notes) == (("a", "b"), five().ignored, ("Said.",))


def test_keeping_leaves_absent_columns_absent(tmp_path: Path):
    some = on_disk(tmp_path).keep(np.array([1]))
    assert some.groups_N is None
    assert some.pixels_NHWC is None


@given(kept=st.sets(st.integers(0, 4)))
def test_what_is_dropped_joins_the_quarantine_so_the_account_balances(kept: set[int]):
    whole = five()
    dropped = tuple(Quarantined(NAMES[i], "damaged") for i in range(5) if i not in kept)
    some = whole.keep(np.array(sorted(kept), np.int64), dropped)
    assert len(some) + len(some.quarantined) + len(some.ignored) == 5 + 1 + 1
    assert {*some.names, *(bad.path for bad in some.quarantined)} == {*NAMES, "a/0"}
    assert sum(some.counts().values()) == len(some) == len(kept)
    assert len(whole) == 5, "the whole is left as it was"


def test_a_class_without_images_counts_none():
    assert five().counts() == {"a": 2, "b": 3}
    assert five().keep(np.array([2])).counts() == {"a": 0, "b": 1}
    assert five().keep(np.array([], np.int64)).counts() == {"a": 0, "b": 0}


def test_the_same_files_have_the_same_stamp(tmp_path: Path):
    assert on_disk(tmp_path).stamp() == on_disk(tmp_path).stamp()


@pytest.mark.parametrize("change", ["size", "time", "absence"])
def test_the_stamp_follows_each_file(tmp_path: Path, change: str):
    examples = on_disk(tmp_path)
    stamps = {examples.stamp()}
    for name in NAMES:
        path = tmp_path / name
        if change == "size":
            path.write_bytes(b"longer")
            os.utime(path, ns=(10**18, 10**18))
        elif change == "time":
            os.utime(path, ns=(10**18, 10**18 + 1000))
        else:
            path.unlink()
        stamps.add(examples.stamp())
    assert len(stamps) == 1 + len(NAMES)


def test_the_stamp_follows_which_files_there_are(tmp_path: Path):
    whole = on_disk(tmp_path)
    assert whole.keep(np.array([0, 1, 2, 3])).stamp() != whole.stamp()


def test_the_stamp_of_an_array_is_of_its_content_and_its_shape():
    whole = five()
    assert whole.stamp() == five().stamp()
    assert whole.keep(np.array([0, 1, 2, 4, 3])).stamp() != whole.stamp()
    flat = Examples(
        whole.root, ("all",), np.array([0]), ("a", "b"), whole.ids_N[:1], whole.parts_N[:1],
        pixels_NHWC=np.arange(5, dtype=np.uint8).reshape(1, 5, 1, 1),
    )  # fmt: skip
    assert flat.stamp() != whole.stamp()


def test_of_many_images_columns_and_names_lie_in_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    names = [f"{'cat' if n % 2 else 'dog'}/{n}.png" for n in range(300)]
    few = from_files(tmp_path, [(name, name[:3], Part.FREE) for name in names], groups=[name[-6:] for name in names])
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(nameless_files, "LEAST_BYTES", 200)
    kept = few.in_files()
    for column in ("labels_N", "ids_N", "parts_N", "groups_N"):
        assert nameless_files.is_mapped(getattr(kept, column))
        assert getattr(kept, column).tolist() == getattr(few, column).tolist()
    assert isinstance(kept.names, Names)
    assert all(nameless_files.is_mapped(part) for part in (kept.names.text, kept.names.ends))
    assert (kept.names, kept.stamp()) == (few.names, few.stamp())
    again = kept.in_files()
    assert again.labels_N is kept.labels_N
    assert isinstance(again.names, Names)
    assert np.shares_memory(np.asarray(again.names.text), np.asarray(kept.names.text)), "what lies in a file is not copied"
    assert kept.keep(np.array([4, 2])).names == (few.names[4], few.names[2])
