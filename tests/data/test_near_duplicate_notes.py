from pathlib import Path

import numpy as np
import pytest

from striate.base.config import Data
from striate.data.duplicates import NearDuplicates
from striate.data.examples import Examples, Part
from striate.data.examples_from_source import ids_of
from striate.data.split import divide


def examples(part: Part = Part.FREE, each: int = 20) -> Examples:
    """So many images of each of two classes."""
    names = [f"{label}/{number}.png" for label in range(2) for number in range(each)]
    labels_N, parts_N = np.repeat(np.arange(2), each), np.full(2 * each, part, np.uint8)
    return Examples(
        root=Path(), names=tuple(names), labels_N=labels_N, classes=("0", "1"), ids_N=ids_of(names), parts_N=parts_N
    )


def distinct(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.uint64)


def near(*pairs: tuple[int, int], alike: tuple[int, ...] = ()) -> NearDuplicates:
    return NearDuplicates(np.array(pairs, np.int64).reshape(-1, 2), np.array(alike, np.int64))


@pytest.mark.parametrize("seed", range(4))
def test_near_duplicates_stay_on_one_side_of_a_split_that_is_made(seed: int):
    all_ = examples()
    pairs = [(0, 7), (7, 9), (3, 25), (21, 22)]
    found = divide(all_, distinct(40), Data(split_seed=seed), near(*pairs))
    part = {place: side for side, rows in enumerate((found.train_M, found.val_M, found.test_M)) for place in rows.tolist()}
    assert all(part[first] == part[second] for first, second in pairs)
    assert found.near_duplicates == tuple(sorted(tuple(sorted((all_.names[a], all_.names[b]))) for a, b in pairs))
    assert any(
        note.startswith("4 pairs of images are nearly equal - stored anew, resized, mirrored, turned, lightly cropped or")
        for note in found.notes
    )
    assert "Each pair stays on one side." in found.notes


def test_where_very_many_images_have_one_they_are_alike_by_nature_and_divided_freely():
    all_, pairs = examples(each=40), [(2 * number, 2 * number + 1) for number in range(21)]  # 42 of 80 images
    found = divide(all_, distinct(80), Data(), near(*pairs))
    plain = divide(all_, distinct(80), Data(near_duplicates=False))
    assert found.near_duplicates == ()
    assert np.array_equal(found.test_M, plain.test_M)
    assert found.notes[-1] == (
        "42 of 80 images are nearly equal to another, as 0/0.png and 0/1.png. So many are taken to be alike by nature, and are "
        "not kept on one side of the split. If they are copies, say what belongs together with --group."
    )
    assert divide(all_, distinct(80), Data(), near(*pairs[:20])).near_duplicates != ()


def test_equal_pixels_are_no_near_duplicates():
    pixels = distinct(40)
    pixels[1] = pixels[0]
    found = divide(examples(), pixels, Data(), near((0, 1)))
    assert found.near_duplicates == ()
    assert len(found.duplicates) == 1


def test_near_duplicates_across_a_given_split_are_reported_and_stay():
    all_ = examples(Part.TRAIN)
    all_.parts_N[[0, 1, 20, 21]] = Part.TEST
    plain = divide(all_, distinct(40), Data())
    train, test = int(plain.train_M[0]), int(plain.test_M[0])
    found = divide(all_, distinct(40), Data(), near((train, test)))
    assert found.leaked == ()
    assert train in found.train_M
    assert test in found.test_M
    assert (
        f"1 pair of them lie on two sides of the split that the data come with, as {all_.names[train]} (training) and "
        f"{all_.names[test]} (test): accuracy on such images is too high. Remove one of each, or let the split be cut from all "
        "images."
    ) in found.notes


def test_images_like_many_others_are_said():
    all_ = examples()
    found = divide(all_, distinct(40), Data(), near(alike=(2, 3)))
    assert found.notes[-1] == (
        f"2 images, as {all_.names[2]}, are nearly equal to more than 16 others, as frames of one camera are; these "
        "are not kept on one side. If they were taken together, say so with --group."
    )
