"""Runs of several labels an image compared on the same test images; numbers worked out by hand."""

from pathlib import Path

import pytest

import striate
from striate.base.errors import DataError
from striate.metrics.intervals import Interval
from striate.workflows.compare import sentence
from support.command_line import run
from support.tested_runs import digits, write, write_several

LABELS = [[1, 0], [0, 1], [1, 1], [0, 0]]
FOUR = {"ids": [1, 2, 3, 4], "labels": LABELS, "hashes": [11, 12, 13, 14]}
RIGHT = [[0.9, 0.2], [0.1, 0.8], [0.8, 0.7], [0.3, 0.4]]  # all labels of all images, each label ordered perfectly
# the first image lacks label a, the second has it too: ordered 3, 2, 1, 4 by a, of which 3 and 1 have it
WRONG = [[0.4, 0.2], [0.6, 0.8], [0.8, 0.7], [0.3, 0.4]]


def test_by_map_by_images_with_all_labels_right_and_by_label(tmp_path: Path):
    a = write_several(tmp_path / "a", FOUR, RIGHT, ("cat", "dog"))
    b = write_several(tmp_path / "b", FOUR, WRONG, ("cat", "dog"))
    result = striate.compare(a, b)
    assert result["n"] == 4
    assert (result["a"]["map"], result["b"]["map"]) == (1.0, pytest.approx((5 / 6 + 1) / 2))  # (1/1 + 2/3) / 2 of cat
    assert (result["a"]["exact_match"]["value"], result["b"]["exact_match"]["value"]) == (1.0, 0.5)
    assert result["difference"]["value"] == pytest.approx(-1 / 12)
    assert result["difference"]["low"] < -1 / 12 < result["difference"]["high"]
    assert 0.05 < result["p_value"] == result["corrected_p_value"] < 1
    assert result["exact_match"] == {"both_right": 2, "only_a": 2, "only_b": 0, "both_wrong": 0, "p_value": 0.5}  # 2 / 2**2
    cat = {"n": 2, "average_precision_a": 1.0, "average_precision_b": pytest.approx(5 / 6), "only_a": 2, "only_b": 0}
    assert result["per_label"]["cat"] == {**cat, "p_value": 1.0}  # 0.5 for two labels
    assert result["per_label"]["dog"]["only_a"] == result["per_label"]["dog"]["only_b"] == 0
    first, second = result["changed"]["right_to_wrong"]
    assert [first["id"], second["id"]] == [f"{1:016x}", f"{2:016x}"]
    assert (first["true"], first["a"], first["b"]) == ("cat", "cat", "(none)")
    assert (first["a_probability"], first["b_probability"]) == (pytest.approx(0.8), pytest.approx(0.6))  # no dog; no cat
    assert (second["true"], second["a"], second["b"]) == ("dog", "dog", "cat|dog")
    assert result["changed"]["wrong_to_right"] == []
    assert "percentage points of mAP (b less a) is not significant" in result["sentence"]


def test_the_same_images_in_another_order_with_a_label_that_one_run_does_not_know(tmp_path: Path):
    a = write_several(tmp_path / "a", FOUR, RIGHT, ("cat", "dog"))
    order = [2, 0, 3, 1]
    images = {"ids": [7, 8, 9, 10], "labels": [[0, *LABELS[row]] for row in order], "hashes": [11 + row for row in order]}
    b = write_several(tmp_path / "b", images, [[0.1, *RIGHT[row]] for row in order], ("bird", "cat", "dog"))
    result = striate.compare(a, b)
    assert result["exact_match"]["both_right"] == 4
    assert result["difference"]["value"] == 0
    assert result["difference"]["low"] < 0 < result["difference"]["high"]
    assert result["p_value"] == 1
    assert list(result["per_label"]) == ["cat", "dog"]


def test_other_labels_and_runs_of_one_label_are_refused(tmp_path: Path):
    a = write_several(tmp_path / "a", FOUR, RIGHT, ("cat", "dog"))
    b = write_several(tmp_path / "b", {**FOUR, "labels": [[1, 1], *LABELS[1:]]}, RIGHT, ("cat", "dog"))
    with pytest.raises(DataError, match=r"as of one that is 'cat' in a and 'cat\|dog' in b"):
        striate.compare(a, b)
    one = write(tmp_path / "one", {**FOUR, "labels": [0, 1, 0, 1]}, [0, 1, 0, 1])
    with pytest.raises(DataError) as refused:
        striate.compare(one, a)
    assert str(refused.value) == (
        "expected runs of one label an image, or of several; a has several and one one. Train one again as the other."
    )


def test_the_sentence_says_that_it_is_of_map():
    assert sentence("a", "b", Interval(0.05, 0.02, 0.08, 100), 0.01, several=True) == (
        "b is significantly better than a, by 5.00 percentage points of mAP (b less a: 95 % interval +2.00 to +8.00 points; "
        "p = 0.01)."
    )


def test_the_table_the_page_and_the_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    images = {**digits(4), "labels": LABELS}
    for name, shares in (("x", RIGHT), ("y", WRONG)):
        write_several(tmp_path / "runs" / name, images, shares, ("cat", "dog"))
    ran = run(capsys, "compare", "x", "y", "--draw", "x.svg", "--html", "x.html")
    assert ran.code == 0, ran.err
    assert "average precision of x" in " ".join(ran.out.split())
    assert "91.67 %" in ran.out  # mAP of y
    page = Path("x.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "percentage points: mAP of y less that of x" in page
    assert "McNemar's exact test on the images with all labels right: p = 0.5." in page
    assert "<td>1.000</td><td>0.833</td><td>2</td><td>0</td>" in page
    assert "true: cat" in Path("x.svg").read_text()
