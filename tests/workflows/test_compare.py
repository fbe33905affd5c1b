"""Runs compared on the same test images, known by their pixels; numbers worked out by hand."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import striate
from striate.base.errors import DataError, RunError, SettingError
from striate.metrics.intervals import Interval
from striate.workflows.compare import sentence
from support.command_line import run
from support.tested_runs import digits, write

SIX = {"ids": [1, 2, 3, 4, 5, 6], "labels": [0, 0, 0, 1, 1, 1], "hashes": [11, 12, 13, 14, 15, 16]}
ALL_RIGHT, FIRST_TWO_WRONG = [0, 0, 0, 1, 1, 1], [1, 1, 0, 1, 1, 1]


def test_what_both_one_and_none_have_right_and_how_likely_the_difference_is_by_chance(tmp_path: Path):
    a = write(tmp_path / "a", SIX, [0, 1, 0, 1, 0, 1])  # 2 and 5 wrong
    b = write(tmp_path / "b", SIX, [1, 1, 0, 0, 1, 1])  # 1, 2 and 4 wrong
    result = striate.compare(a, b)
    assert (result["both_right"], result["only_a"], result["only_b"], result["both_wrong"]) == (2, 2, 1, 1)
    assert result["p_value"] == result["corrected_p_value"] == 1.0  # of three that differ, one or fewer: 2 * (1 + 3) / 8
    assert result["difference"]["value"] == pytest.approx((3 - 4) / 6)
    assert result["difference"]["low"] < (3 - 4) / 6 < result["difference"]["high"]
    assert result["a"]["accuracy"] == pytest.approx(4 / 6)
    assert result["b"]["run"] == "b"
    assert result["per_class"]["a"] == {
        "n": 3, "recall_a": pytest.approx(2 / 3), "recall_b": pytest.approx(1 / 3), "only_a": 1, "only_b": 0, "p_value": 1.0
    }  # fmt: skip
    assert [row["id"] for row in result["changed"]["wrong_to_right"]] == [f"{5:016x}"]
    assert {row["id"] for row in result["changed"]["right_to_wrong"]} == {f"{1:016x}", f"{4:016x}"}


def test_equal_images_in_another_order_under_other_names_and_classes_by_other_numbers_are_the_same_test_set(tmp_path: Path):
    a = write(tmp_path / "a", SIX, FIRST_TWO_WRONG)
    order = [3, 0, 5, 1, 4, 2]
    images = {
        "ids": [100 + row for row in range(6)], "labels": [[1, 2][SIX["labels"][row]] for row in order],
        "hashes": [SIX["hashes"][row] for row in order],
    }  # fmt: skip
    b = write(tmp_path / "b", images, [2, 1, 2, 1, 2, 1], ("C", "a", "b"))  # the first image of class b was image 4: all right
    result = striate.compare(a, b)
    assert (result["both_right"], result["only_a"], result["only_b"], result["both_wrong"]) == (4, 0, 2, 0)
    assert list(result["per_class"]) == ["a", "b"]


def test_runs_on_other_test_images_are_refused_with_what_differs(tmp_path: Path):
    a = write(tmp_path / "a", SIX, ALL_RIGHT)
    images = {name: values[:5] for name, values in SIX.items()}
    other_seed = {"data": {"path": "digits", "split_seed": 7}}
    b = write(tmp_path / "b", {**images, "hashes": [11, 12, 13, 24, 25]}, ALL_RIGHT[:5], **other_seed)
    counts = "a was tested on 6 and b on 5, of which 3 are the same by their pixels: "
    with pytest.raises(DataError, match=counts) as error:
        striate.compare(a, b)
    assert "data.split_seed is 0 in a and 7 in b. Train one again with the data and the split of the other." in str(error.value)
    c = write(tmp_path / "c", {**SIX, "hashes": [21, 22, 23, 24, 25, 26]}, ALL_RIGHT)
    with pytest.raises(DataError, match="none is the same by their pixels: the images have changed between them"):
        striate.compare(a, c)


def test_other_labels_of_the_same_images_are_refused_with_one_of_them(tmp_path: Path):
    a = write(tmp_path / "a", SIX, ALL_RIGHT)
    b = write(tmp_path / "b", {**SIX, "labels": [0, 1, 0, 1, 1, 1]}, ALL_RIGHT)
    with pytest.raises(DataError, match=re.escape("1 of 6 test images differ, as of one that is 'a' in a and 'b' in b.")):
        striate.compare(a, b)


def test_several_runs_are_compared_with_the_first_and_corrected_for_their_number(tmp_path: Path):
    many = {"ids": range(20), "labels": [0] * 20, "hashes": range(20)}
    a = write(tmp_path / "a", many, [0] * 20)
    b = write(tmp_path / "b", many, [1] * 6 + [0] * 14)  # p = 2 / 2**6
    c = write(tmp_path / "c", many, [1] * 7 + [0] * 13)  # p = 2 / 2**7
    result = striate.compare(a, b, c)
    (other,) = result["others"]
    assert (result["p_value"], result["corrected_p_value"]) == (2 / 64, 2 / 64)
    assert (other["p_value"], other["corrected_p_value"]) == (2 / 128, 4 / 128)
    assert other["b"]["run"] == "c"
    with pytest.raises(SettingError, match="draw shows the images of two runs; got 3"):
        striate.compare(a, b, c, draw="x.png")


def test_what_cannot_be_compared_is_refused(tmp_path: Path):
    a = write(tmp_path / "a", SIX, ALL_RIGHT)
    with pytest.raises(RunError, match="expected different runs; got"):
        striate.compare(a, a)
    b = write(tmp_path / "b", SIX, ALL_RIGHT)
    (b / "predictions-test.npz").write_bytes(b"changed")
    with pytest.raises(striate.StriateError, match="has changed since the run wrote it"):
        striate.compare(a, b)
    (b / "predictions-test.npz").unlink()
    with pytest.raises(striate.StriateError, match=r"predictions-test\.npz is missing"):
        striate.compare(a, b)
    with pytest.raises(SettingError, match=r"expected a page's path to end in \.html; got page\.txt"):
        striate.compare(a, b, html="page.txt")


def test_the_sentence_says_which_is_better_by_how_much_and_how_sure_that_is():
    assert sentence("a", "b", Interval(0.05, 0.02, 0.08, 100), 0.01) == (
        "b is significantly better than a, by 5.00 percentage points (b less a: 95 % interval +2.00 to +8.00 points; p = 0.01)."
    )
    assert sentence("a", "b", Interval(-0.05, -0.08, -0.02, 100), 0.01).startswith(
        "a is significantly better than b, by 5.00 p"
    )
    assert sentence("a", "b", Interval(0.0, -0.08, 0.08, 100), 1.0) == (
        "The difference of +0.00 percentage points (b less a) is not significant (95 % interval -8.00 to +8.00 points; p = 1): "
        "equally good classifiers differ as much by chance."
    )


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Runs x and y on the first 30 digits; y has images 3 and 4 wrong."""
    images, classes = digits(30), [str(k) for k in range(10)]
    monkeypatch.chdir(tmp_path)
    predicted = images["labels"].tolist()
    write(tmp_path / "runs" / "x", images, predicted, classes)
    write(tmp_path / "runs" / "y", images, [*predicted[:3], 9, 9, *predicted[5:]], classes)
    return images


def test_the_images_that_changed_are_shown_on_a_page_and_as_a_figure(two: dict[str, Any], capsys: pytest.CaptureFixture[str]):
    ran = run(capsys, "compare", "x", "y", "--draw", "x.svg", "--html", "x.html", "--json")
    assert ran.code == 0, ran.err
    result = ran.json
    assert sorted(row["path"] for row in result["changed"]["right_to_wrong"]) == ["digits#3", "digits#4"]
    assert result["notes"] == []
    page = Path("x.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "x right, y wrong: 2" in page
    assert "x wrong, y right: 0" in page
    assert "true: 3" in Path("x.svg").read_text()


def test_images_that_have_changed_or_are_gone_are_not_shown(two: dict[str, Any], tmp_path: Path):
    images = {**two, "hashes": [*two["hashes"][:3], 1, *two["hashes"][4:]]}
    classes, predicted = [str(k) for k in range(10)], two["labels"].tolist()
    v = write(tmp_path / "v", images, predicted, classes)
    w = write(tmp_path / "w", images, [*predicted[:3], 9, 9, *predicted[5:]], classes)
    result = striate.compare(v, w, html=tmp_path / "x.html")
    assert result["notes"] == ["1 image cannot be shown: gone, or changed since the runs."]
    gone = {"data": {"path": "nowhere"}}
    v2, w2 = (write(tmp_path / f"{name}2", images, predicted, classes, **gone) for name in "vw")
    result = striate.compare(v2, w2, html=tmp_path / "y.html", draw=tmp_path / "y.svg")
    assert result["notes"][0].startswith("Images are named by their ids, as they cannot be listed: expected a folder of images")


def test_the_command_prints_scores_classes_images_and_ends_with_the_verdict(
    two: dict[str, Any], capsys: pytest.CaptureFixture[str]
):
    ran = run(capsys, "compare", "x", "y")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[-2].startswith("The difference of -6.67 percentage points (y less x) is not significant (95 % interval ")
    assert lines[-1] == "Add --html FILE.html or --draw FILE.png to see the images."
    assert "digits#3" in ran.out
    assert "recall of x" in ran.out
    ran = run(capsys, "compare", "x", "z")
    assert ran.code == 2
    assert "there is none at z" in ran.err


def test_names_of_classes_are_text_in_the_page(tmp_path: Path):
    names = ("<script>alert(1)</script>", "b")
    a, b = (write(tmp_path / name, SIX, predicted, names) for name, predicted in (("a", ALL_RIGHT), ("b", FIRST_TWO_WRONG)))
    striate.compare(a, b, html=tmp_path / "x.html")
    page = (tmp_path / "x.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert np.all([f"{id_:016x}" in page for id_ in (1, 2)])
