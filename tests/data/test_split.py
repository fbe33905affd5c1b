import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from striate.base.config import Data
from striate.base.errors import DataError
from striate.base.hash_rng import words
from striate.data.examples import Examples, Part, Quarantined
from striate.data.examples_from_source import ids_of
from striate.data.split import Split, check, divide, folds_of

SIZES = st.lists(st.integers(3, 40), min_size=2, max_size=4)


def examples(sizes: list[int], part: Part = Part.FREE) -> Examples:
    labels_N = np.repeat(np.arange(len(sizes)), sizes)
    names = [f"{label}/{i}.png" for label, size in enumerate(sizes) for i in range(size)]
    return Examples(
        root=Path(), names=tuple(names), labels_N=labels_N, classes=tuple(str(k) for k in range(len(sizes))),
        ids_N=ids_of(names), parts_N=np.full(len(names), part, np.uint8),
    )  # fmt: skip


def distinct(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.uint64)


def parts(found: Split) -> list[set[int]]:
    return [set(part.tolist()) for part in (found.train_M, found.val_M, found.test_M)]


@given(SIZES, st.integers(0, 5))
def test_the_parts_are_disjoint_and_complete_and_stratified(sizes: list[int], seed: int):
    all_ = examples(sizes)
    train, val, test = parts(divide(all_, distinct(len(all_)), Data(split_seed=seed)))
    assert train | val | test == set(range(len(all_)))
    assert len(train) + len(val) + len(test) == len(all_)
    for label, size in enumerate(sizes):
        mine = set(np.flatnonzero(all_.labels_N == label).tolist())
        assert len(test & mine) == max(1, round(0.2 * size))
        assert abs(len(val & mine) - max(1, 0.1 * size)) <= 1
        assert train & mine


def test_the_shares_are_shares_of_all_images():
    all_ = examples([100, 50])
    for data, expected in (
        (Data(), (105, 15, 30)),
        (Data(test_share=0.5, val_share=0.2), (45, 30, 75)),
        (Data(folds=5, fold=0), (105, 15, 30)),
        (Data(folds=2, fold=1), (60, 15, 75)),
        (Data(folds=5), (135, 15, 0)),
        (Data(test_share=0), (135, 15, 0)),
    ):
        train, val, test = parts(divide(all_, distinct(150), data))
        assert (len(train), len(val), len(test)) == expected


@given(SIZES, st.randoms(use_true_random=False))
def test_it_does_not_depend_on_the_order_of_the_images(sizes: list[int], random):
    all_ = examples(sizes)
    order = list(range(len(all_)))
    random.shuffle(order)
    shuffled = all_.keep(np.array(order))
    one, other = divide(all_, distinct(len(all_)), Data()), divide(shuffled, distinct(len(all_))[order], Data())
    for mine, theirs in zip((one.train_M, one.val_M, one.test_M), (other.train_M, other.val_M, other.test_M), strict=True):
        assert {all_.names[i] for i in mine} == {shuffled.names[i] for i in theirs}


def test_the_test_part_is_the_first_in_hash_order():
    all_ = examples([10, 10])
    found = divide(all_, distinct(20), Data())
    order = np.argsort(words(all_.ids_N[:10], "split", 0))
    assert [i for i in found.test_M if i < 10] == sorted(order[:2].tolist())
    assert [i for i in found.val_M if i < 10] == sorted(order[2:3].tolist())


@given(st.lists(st.integers(0, 8), min_size=24, max_size=60), st.integers(0, 3))
@settings(max_examples=60)
def test_clusters_of_groups_and_equal_images_stay_whole(groups: list[int], seed: int):
    count = len(groups)
    all_ = replace(examples([count // 2, count - count // 2]), groups_N=np.array(groups) * 3 + np.arange(count) % 3)
    pixels = distinct(count)
    pixels[1] = pixels[0]  # joins two groups
    try:
        found = divide(all_, pixels, Data(split_seed=seed))
    except DataError:
        reject()  # so few clusters that a class is not on every side, which another test looks at
    assert all_.groups_N is not None
    for part in parts(found):
        for position in part:
            same = np.flatnonzero(all_.groups_N == all_.groups_N[position]).tolist()
            assert set(same) <= part
        assert (0 in part) == (1 in part)


def test_pairs_of_equal_images_are_told_and_so_is_a_label_that_must_be_wrong():
    all_ = examples([10, 10])
    pixels = distinct(20)
    pixels[3] = pixels[15]
    found = divide(all_, pixels, Data())
    assert found.duplicates == (("0/3.png", "1/5.png"),)
    assert "1 pair of images is equal, as 0/3.png and 1/5.png; each pair stays on one side." in found.notes
    assert any("1 of them is in two classes, as 0/3.png (0) and 1/5.png (1); one of the labels" in note for note in found.notes)


@given(st.lists(st.integers(5, 30), min_size=2, max_size=3), st.integers(2, 5))
def test_folds_test_every_image_exactly_once(sizes: list[int], folds: int):
    all_ = examples(sizes)
    seen: list[int] = []
    for fold in range(folds):
        train, val, test = parts(divide(all_, distinct(len(all_)), Data(folds=folds, fold=fold)))
        assert train | val | test == set(range(len(all_)))
        assert len(train) + len(val) + len(test) == len(all_)
        seen += sorted(test)
    assert sorted(seen) == list(range(len(all_)))
    train, val, test = parts(divide(all_, distinct(len(all_)), Data(folds=folds)))
    assert (train | val, test) == (set(range(len(all_))), set())


def test_folds_keep_equal_images_together():
    all_ = examples([20, 20])
    pixels = distinct(40)
    pixels[:6] = 1
    tests = [set(divide(all_, pixels, Data(folds=4, fold=fold)).test_M.tolist()) for fold in range(4)]
    assert [len(test & set(range(6))) for test in tests].count(6) == 1


def test_more_folds_than_a_class_has_images_for_are_refused_before_the_first():
    for data in (Data(folds=9), Data(folds=9, fold=0)):
        with pytest.raises(
            DataError,
            match=r"^class '0' has 8 images; expected enough for each of the 9 folds to train, choose and test on one or more. "
            r"Use --folds 8, or add images.$",
        ):
            divide(examples([8, 20]), distinct(28), data)
    divide(examples([8, 20]), distinct(28), Data(folds=8))
    pixels = distinct(28)
    pixels[:7] = 5
    with pytest.raises(DataError, match=r"has 8 images, in clusters of equal images.* of the 3 folds .* Remove the class, or"):
        divide(examples([8, 20]), pixels, Data(folds=3))


def given_parts() -> Examples:
    all_ = examples([20, 20], Part.TRAIN)
    all_.parts_N[[0, 1, 20, 21]] = Part.TEST
    return all_


def test_a_given_test_part_is_kept_and_validation_cut_from_the_rest():
    found = divide(given_parts(), distinct(40), Data())
    assert found.test_M.tolist() == [0, 1, 20, 21]
    assert len(found.val_M) == 4
    assert len(found.train_M) == 32
    assert "Validation is cut from the training images: 4 of them." in found.notes
    assert not any("--folds" in note for note in found.notes)


def test_a_training_image_that_is_in_the_test_part_is_left_out_and_named():
    pixels = distinct(40)
    pixels[5] = pixels[20]
    found = divide(given_parts(), pixels, Data())
    assert [(bad.path, bad.reason) for bad in found.leaked] == [("0/5.png", "the same image as 1/0.png, which is held out")]
    assert 5 not in set().union(*parts(found))
    assert 20 in found.test_M


def test_a_validation_image_that_is_in_the_test_part_is_left_out_too():
    all_ = given_parts()
    all_.parts_N[[2, 3, 22]] = Part.VAL
    pixels = distinct(40)
    pixels[2] = pixels[0]  # in test
    pixels[30] = pixels[22]  # in validation
    found = divide(all_, pixels, Data())
    assert [(bad.path, bad.reason) for bad in found.leaked] == [
        ("0/2.png", "the same image as 0/0.png, which is held out"),
        ("1/10.png", "the same image as 1/2.png, which is held out"),
    ]
    assert (found.val_M.tolist(), found.test_M.tolist()) == ([3, 22], [0, 1, 20, 21])
    assert len(found.train_M) == 40 - 4 - 2 - 2


def test_a_test_part_is_cut_where_only_validation_is_given():
    all_ = examples([20, 20], Part.TRAIN)
    all_.parts_N[[0, 20]] = Part.VAL
    train, val, test = parts(divide(all_, distinct(40), Data()))
    assert val == {0, 20}
    assert len(test) == 8  # a fifth of 19, rounded, in each class
    assert train == set(range(40)) - val - test


def test_a_training_image_of_a_group_in_the_test_part_is_left_out_and_named():
    all_ = replace(given_parts(), groups_N=np.arange(40))
    assert all_.groups_N is not None
    all_.groups_N[7] = all_.groups_N[21]
    found = divide(all_, distinct(40), Data())
    assert [(bad.path, bad.reason) for bad in found.leaked] == [("0/7.png", "of the same group as 1/1.png, which is held out")]
    assert 7 not in set().union(*parts(found))


def test_given_parts_for_all_are_kept():
    all_ = given_parts()
    all_.parts_N[[2, 22]] = Part.VAL
    found = divide(all_, distinct(40), Data())
    assert found.val_M.tolist() == [2, 22]
    assert len(found.train_M) == 34


def test_folds_beside_a_test_part_are_refused():
    with pytest.raises(DataError, match=r"folds do not apply: the data come with a test part of their own"):
        divide(given_parts(), distinct(40), Data(folds=3, fold=0))


def test_folds_are_proposed_where_the_test_set_is_small():
    assert (
        "The test set holds 8 images, so its score is uncertain: `striate train --folds 5` tests on all 40."
        in divide(examples([20, 20]), distinct(40), Data()).notes
    )
    assert divide(examples([300, 300]), distinct(600), Data()).notes == ()


@pytest.mark.parametrize(("each", "proposal"), [(3, 3), (4, 4), (5, 5), (9, 5)])
def test_the_proposed_folds_work_for_the_smallest_class(each: int, proposal: int):
    all_ = examples([each, 9])
    (note,) = divide(all_, distinct(len(all_)), Data()).notes
    assert f"`striate train --folds {proposal}` tests on all {len(all_)}" in note
    assert ("more folds would leave one without an image of class '0'" in note) == (proposal < 5)
    for fold in (None, *range(proposal)):
        divide(all_, distinct(len(all_)), Data(folds=proposal, fold=fold))


def test_where_equal_images_leave_no_folds_images_are_asked_for():
    pixels = distinct(12)
    pixels[:2] = 99  # 3 images of class 0, of which two are equal: one fold would have none to train on
    with pytest.raises(DataError, match=r"class '0' has 3 images \(0/0.png\), in clusters of equal images"):
        divide(examples([3, 9]), pixels, Data())
    pixels[2:4] = 98
    (note,) = (note for note in divide(examples([5, 7]), pixels, Data()).notes if "uncertain" in note)
    assert "`striate train --folds 3` tests on all 12, and more folds would leave one without an image of class '0'." in note


@pytest.mark.parametrize(("each", "folds"), [(2, 2), (2, 5), (3, 2), (3, 4)])
def test_folds_that_a_later_one_could_not_do_are_refused_before_the_first(each: int, folds: int):
    text = "at least 3, one each to train, choose and test on" if each < 3 else r"Use --folds 3, or add images"
    with pytest.raises(DataError, match=rf"class '0' has {each} images.*{text}"):
        check(examples([each, 20]), Data(folds=folds))


@pytest.mark.parametrize("sizes", [[5, 2], [20, 1]])
def test_what_counts_alone_tell_is_refused_before_pixels_are_known(sizes: list[int]):
    with pytest.raises(DataError, match=r"class '1' has \d images? \(1/0.png\); expected at least 3"):
        check(examples(sizes), Data())


def test_groups_that_cannot_be_divided_are_refused_before_pixels_are_known():
    grouped = replace(examples([9, 9]), groups_N=np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, *range(2, 11)]))
    with pytest.raises(DataError, match=r"class '0' has 9 images .*, in 2 groups that cannot be divided; expected at least 3"):
        check(grouped, Data())
    mixed = replace(grouped, groups_N=np.repeat([0, 1, 2], 6))
    with pytest.raises(DataError, match=r"in 2 groups that cannot be divided and hold images of other classes too; expected"):
        check(mixed, Data())


def test_a_test_set_that_whole_groups_make_too_large_is_pointed_out():
    grouped = replace(examples([12, 12]), groups_N=np.repeat(np.arange(6), 4))
    notes = [note for note in divide(grouped, distinct(24), Data(test_share=0.1)).notes if "stay whole" in note]
    assert notes == [
        "Since groups stay whole, 33 % of the images are for testing and not 10 %; smaller groups would come nearer."
    ]


def test_shares_that_leave_too_little_of_a_class_are_named():
    with pytest.raises(
        DataError,
        match=r"class '0' has 4 images \(0/0.png\), too few for data.val_share=0.2 and data.test_share=0.7; expected at least "
        r"3, one each to train, choose and test on. Lower them, add images",
    ):
        check(examples([4, 30]), Data(val_share=0.2, test_share=0.7))


def test_what_is_quarantined_is_said_where_a_class_has_too_few():
    left = replace(examples([9, 2]), quarantined=(Quarantined("1/x.png", "empty file"), Quarantined("1/y.png", "gone")))
    with pytest.raises(DataError, match=r"has 2 images \(1/0.png\); 2 quarantined \(1/x.png: empty file\); expected at"):
        divide(left, distinct(11), Data())


def test_a_class_that_cannot_be_on_every_side_is_refused():
    with pytest.raises(DataError, match=r"class '1' has 1 image \(1/0.png\); expected at least 3, one each to train, choose"):
        divide(examples([9, 1]), distinct(10), Data())
    pixels = distinct(20)
    pixels[10:] = 77
    with pytest.raises(DataError, match=r"class '1' has 10 images \(1/0.png\), in clusters of equal images or near-duplicates"):
        divide(examples([10, 10]), pixels, Data())
    lonely = examples([20, 2], Part.TRAIN)
    lonely.parts_N[[0, 21]] = Part.TEST
    with pytest.raises(
        DataError, match=r"class '1' has 1 image \(1/0.png\); expected at least 2, one each to train and choose"
    ):
        divide(lonely, distinct(22), Data())


def test_without_test_images_two_of_each_class_are_enough():
    data = Data(test_share=0)
    train, val, test = parts(divide(examples([2, 2]), distinct(4), data))
    assert (len(train), len(val), len(test)) == (2, 2, 0)
    assert divide(examples([20, 20]), distinct(40), data).notes == ()
    with pytest.raises(
        DataError, match=r"class '1' has 1 image \(1/0.png\); expected at least 2, one each to train and choose"
    ):
        divide(examples([9, 1]), distinct(10), data)
    train, _, test = parts(divide(given_parts(), distinct(40), data))  # a test part that the data have stays one
    assert test == parts(divide(given_parts(), distinct(40), Data()))[2]


def seconds_to_divide(count: int, by_group: bool) -> float:
    """The least processor time of three, so that what else the machine does counts little."""
    numbers = np.arange(count)
    many = Examples(
        root=Path(), names=tuple(map(str, range(count))), labels_N=numbers % 100, classes=tuple(map(str, range(100))),
        ids_N=words(distinct(count), "id"), parts_N=np.zeros(count, np.uint8),
        groups_N=numbers // 100 if by_group else None,  # a hundred to a group, each of another class
    )  # fmt: skip
    hashes, times = distinct(count), []
    for _ in range(3):
        begun = time.process_time()
        found = divide(many, hashes, Data())
        times.append(time.process_time() - begun)
        assert len(found.train_M) + len(found.val_M) + len(found.test_M) == count
    return min(times)


@pytest.mark.parametrize("by_group", [False, True])
def test_its_cost_grows_with_the_number_of_images_alone(by_group: bool):
    # Ten times the images: 10 where the cost is theirs, 100 where each is compared with all
    assert seconds_to_divide(100_000, by_group) < 40 * seconds_to_divide(10_000, by_group)


def test_folds_of_all_images_keep_classes_even_and_groups_whole():
    all_ = replace(examples([5, 5]), groups_N=np.array([0, 0, 1, 2, 3, 4, 5, 6, 7, 8]))
    fold_N = folds_of(all_, distinct(10), 5)
    assert fold_N[0] == fold_N[1]
    assert sorted(fold_N[5:]) == [0, 1, 2, 3, 4]
