"""`striate labels`: labels planted wrong are found, listed and drawn; nothing is written into the data."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import striate
from striate.base import config, run_record
from striate.base.errors import SettingError
from striate.workflows.labels import check
from support.command_line import run

WRONG = (3, 40, 77, 120)


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """The zeros, ones and twos among the first scans, four of them with the label of another class."""
    images_NHW, labels_N = load_digits(return_X_y=True)
    chosen = np.flatnonzero(labels_N < 3)[:150]
    labels_M = labels_N[chosen].copy()
    labels_M[[*WRONG]] = (labels_M[[*WRONG]] + 1) % 3
    return (images_NHW[chosen].reshape(-1, 8, 8) * 15).astype(np.uint8), labels_M


@pytest.fixture(scope="module")
def folder(digits: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("digits")
    for number, (image_HW, label) in enumerate(zip(*digits, strict=True)):
        (root / str(label)).mkdir(exist_ok=True)
        Image.fromarray(image_HW).save(root / str(label) / f"{number:03}.png")
    return root


def test_planted_labels_come_first_in_the_list_the_table_and_the_page(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    shown = run(capsys, "labels", str(folder), "--out", "suspects.csv", "--html", "suspects.html")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert "of 150 labels about " in shown.out
    assert "histograms of gradients, accuracy " in shown.out
    assert "written: suspects.csv" in shown.out
    with Path("suspects.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    first = rows[: len(WRONG)]
    assert {int(Path(row["path"]).stem) for row in first} == {*WRONG}
    for row in first:
        assert row["path"].partition("/")[0] == row["label"] == str((int(row["new_label"]) + 1) % 3)
        assert float(row["probability"]) > float(row["label_probability"])
    assert [row["rank"] for row in rows] == [str(number + 1) for number in range(len(rows))]
    assert {row["part"] for row in rows} <= {"train", "val", "test"}
    page = Path("suspects.html").read_text("utf-8")
    assert page.count("<article") == len(rows)
    assert page.count("<img") == 9 * len(rows)  # itself, four of the class suggested and four of its label
    assert f"1. labeled {rows[0]['label']}, probably {rows[0]['new_label']}" in page


def test_images_in_memory_and_how_many_are_listed(digits: tuple[np.ndarray, np.ndarray]):
    result = striate.find_label_errors(digits[0], labels=digits[1], most=2)
    assert (result["images"], result["not_judged"], len(result["suspects"])) == (150, 0, 2)
    assert [suspect["rank"] for suspect in result["suspects"]] == [1, 2]
    assert result["features"] == "histograms of gradients"


def test_a_class_that_is_one_group_is_not_judged(folder: Path, tmp_path: Path):
    table = tmp_path / "images.csv"
    rows = [(path, path.parent.name, "all" if path.parent.name == "0" else path.stem) for path in sorted(folder.rglob("*.png"))]
    table.write_text("path,label,patient\n" + "".join(f"{path},{label},{group}\n" for path, label, group in rows))
    with pytest.raises(striate.StriateError, match="in 1 group that cannot be divided"):
        striate.find_label_errors(table, {"group": "patient"})


def test_what_cannot_be_done_is_refused_before_an_image_is_decoded(tmp_path: Path):
    with pytest.raises(SettingError, match="expected DATA or RUN: a folder of images by class"):
        check.check(None, None, None, None, None)
    with pytest.raises(SettingError, match=r"expected out to end in \.csv; got s\.txt\."):
        check.check("digits", "s.txt", None, None, None)
    with pytest.raises(SettingError, match=r"expected html to end in \.html; got s\.png\."):
        check.check("digits", None, "s.png", None, None)
    with pytest.raises(SettingError, match="most must be at least 1; got 0"):
        check.check("digits", None, None, 0, None)


def test_the_images_of_a_run_are_those_of_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("runs/first").mkdir(parents=True)
    settings = config.build({"data": {"path": "digits", "folds": 3, "split_seed": 4}})
    identity = run_record.identify(config.given(settings))
    run_record.begin(Path("runs/first"), identity, {"run.toml": config.to_toml(settings).encode()})
    section = check.check("first", None, None, None, None)
    assert (section.path, section.folds, section.split_seed) == ("digits", None, 4)
    with pytest.raises(SettingError, match="val_share apply to DATA; got the run runs/first, whose settings hold"):
        check.check("first", None, None, None, {"val_share": 0.2})
