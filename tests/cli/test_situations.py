"""Situations that make other tools wrong without a word, each as small as it gets, through the command line."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import striate
from striate.base import run_images
from striate.base.errors import RunError
from support.command_line import run

COLORS = ((220, 30, 30), (30, 200, 30), (40, 40, 220), (220, 220, 30))


def image(kind: int, number: int, side: int = 24) -> Image.Image:
    noise = np.random.default_rng(kind * 10_007 + number).normal(0, 18, (side, side, 3))
    return Image.fromarray(np.clip(np.array(COLORS[kind]) + noise, 0, 255).astype(np.uint8))


def folder(root: str, classes: dict[str, int], start: int = 0) -> None:
    for kind, (name, count) in enumerate(classes.items()):
        Path(root, name).mkdir(parents=True)
        for number in range(start, start + count):
            image(kind, number).save(Path(root, name, f"{number:03d}.png"))


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_plan_counts_the_images_that_are_trained_on(capsys: pytest.CaptureFixture[str]):
    folder("d/train", {"a": 10, "b": 10})
    folder("d/val", {"a": 60, "b": 60}, 100)
    folder("d/test", {"a": 5, "b": 5}, 900)
    trained = run(capsys, "train", "d", "--net", "mlp", "--epochs", "2", "--name", "r", "--no-report")
    assert "batches of 8: 20 training images" in trained.err
    assert "6 steps in" in trained.out


def test_the_plan_counts_without_what_the_split_leaves_out(capsys: pytest.CaptureFixture[str]):
    folder("d/train", {"a": 20, "b": 20})
    folder("d/test", {"a": 5, "b": 5}, 900)
    for number in range(3):  # copies of test images
        Path("d/train/a", f"copy{number}.png").write_bytes(Path("d/test/a", f"{900 + number}.png").read_bytes())
    trained = run(capsys, "train", "d", "--net", "mlp", "--epochs", "1", "--name", "r", "--no-report", "--json")
    assert trained.json["images"]["train"] == 36
    assert "batches of 8: 36 training images" in trained.err


def test_the_digits_are_counted_to_the_last(capsys: pytest.CaptureFixture[str]):
    trained = run(capsys, "train", "digits", "--net", "mlp", "--epochs", "1", "--name", "r", "--no-report", "--json")
    assert f"batches of 64: {trained.json['images']['train']:,} training images" in trained.err


def test_python_takes_paths_and_one_path_is_not_a_list_of_letters():
    folder("d", {"a": 12, "b": 12})
    result = striate.train(Path("d"), net="mlp", epochs=1, name="r", out=Path("runs"), report=False)
    assert str(striate.survey(Path("d"))).startswith("d: 24 found")
    image_path = Path("d/a/000.png")
    expected = striate.load(result["run"]).predict(image_path)
    for given in (str(image_path), image_path):
        assert striate.predict(Path(result["run"]), given).prediction == expected
    assert [row.prediction for row in striate.predict(Path(result["run"]), [image_path])] == [expected]
    assert striate.evaluate(Path(result["run"]))["n"] == striate.evaluate("r")["n"]
    with pytest.raises(RunError, match=r"expected a run by its name or folder; got int 3\."):
        striate.load(3)  # type: ignore[arg-type]


def test_a_score_on_what_was_trained_on_says_so(capsys: pytest.CaptureFixture[str]):
    folder("d", {"a": 12, "b": 12})
    folder("new", {"a": 3, "b": 3}, 50)
    assert run(capsys, "train", "d", "--net", "pool 4, fc", "--epochs", "1", "--name", "r", "--no-report").code == 0
    known = run_images.read(Path("runs/r"))
    assert known is not None
    parts = Counter(known.part_N.tolist())
    text = run(capsys, "evaluate", "r", "./d/").err
    assert f"({parts[0]} in training and {parts[1]} in validation), so this accuracy says little of new images" in text
    assert "trained on" not in run(capsys, "evaluate", "r", "new").err
    assert "trained on" not in run(capsys, "evaluate", "r").err
    Path("moved").mkdir()
    Path("d/a").rename("moved/a")  # the images are known by their pixels, not by their place
    (Path("new/a/050.png")).rename("moved/a/new.png")
    one = run(capsys, "evaluate", "r", "moved", "--json")
    assert one.code == 0
    train, val, unseen = (one.json["trained_on"][name] for name in ("train", "val", "unseen"))
    assert (one.json["n"], unseen["n"]) == (13, 13 - train - val)
    assert run(capsys, "evaluate", "r/model", "moved", "--json").json["trained_on"] == one.json["trained_on"]
    shutil.copytree("runs/r/model", "alone")
    alone = run(capsys, "evaluate", "alone", "moved", "--json")
    assert alone.json["trained_on"] is None
    assert "Whether alone was trained on some of these images cannot be told" in alone.err
    Path("moved/a").rename("d/a")


def test_images_of_one_class_are_scored_by_its_recall(capsys: pytest.CaptureFixture[str]):
    folder("d", {"a": 12, "b": 12})
    folder("new", {"a": 3}, 50)
    assert run(capsys, "train", "d", "--net", "pool 4, fc", "--epochs", "1", "--name", "r", "--no-report").code == 0
    for given in ("new", "new/a"):
        text = run(capsys, "evaluate", "r", given).out
        assert "recall of a " in text
        assert "3 images)" in text
        assert "all images are of this one class" in text
    assert "got one, 'a'" in run(capsys, "train", "new", "--name", "one").err


def test_the_test_part_of_divided_data_is_scored(capsys: pytest.CaptureFixture[str]):
    folder("d", {"a": 12, "b": 12})
    folder("new", {"a": 3, "b": 3}, 50)
    assert run(capsys, "train", "d", "--net", "pool 4, fc", "--epochs", "1", "--name", "r", "--no-report").code == 0
    Path("d").rename("train")
    Path("parts").mkdir()
    Path("train").rename("parts/train")
    Path("new").rename("parts/test")
    assert "The 6 test images of parts are used" in run(capsys, "evaluate", "r", "parts").err
