import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from striate.base.errors import SettingError, ShapeError
from striate.plots.data import preprocessing
from striate.workflows import preview
from support.command_line import run
from support.undrawn import undrawn


@pytest.fixture
def sheet(monkeypatch: pytest.MonkeyPatch) -> dict[str, NDArray[np.float32]]:
    """The rows of the sheet that is drawn, by name."""
    rows: dict[str, NDArray[np.float32]] = {}
    monkeypatch.setattr(
        preprocessing,
        "draw_sheet",
        lambda _title, _columns, drawn, _path: rows.update({row.name: row.images_NHWC for row in drawn}),
    )
    monkeypatch.setattr(
        preprocessing,
        "draw_steps",
        lambda _title, _axes, _clouds, drawn, _path: rows.update({row.name: row.images_NHWC for row in drawn}),
    )
    return rows


@pytest.mark.parametrize("what", ["mean", "std", "whitening"])
def test_the_last_cloud_is_what_is_asked_for(what: str, tmp_path: Path):
    found = preview.preview("digits", what, tmp_path / "x.png")
    assert Path(found["drawn"]).read_bytes().startswith(b"\x89PNG")
    clouds = found["clouds"]
    assert found["images"] == 1259
    assert clouds["raw"]["covariance"] == clouds["centered"]["covariance"] or np.allclose(
        clouds["raw"]["covariance"], clouds["centered"]["covariance"]
    )
    if what == "std":
        assert np.diag(clouds["scaled"]["covariance"]) == pytest.approx([1, 1], abs=1e-4)
    if what == "whitening":
        assert clouds["whitened"]["covariance"] == pytest.approx(np.eye(2), abs=5e-3)
        assert (found["components"], found["dimensions"]) == (256, 256)


def test_a_sheet_shows_the_original_and_what_training_will_see(sheet: dict[str, NDArray[np.float32]]):
    found = preview.preview("digits", "augment", settings={"augment": {"flip": True}})
    assert list(sheet) == [str(digit) for digit in range(8)]
    for images_NHWC in sheet.values():
        assert len(images_NHWC) == 8
        mirrored = [np.allclose(image, images_NHWC[0, :, ::-1], atol=1e-6) for image in images_NHWC[1:]]
        same = [np.allclose(image, images_NHWC[0], atol=1e-6) for image in images_NHWC[1:]]
        assert all(one != other for one, other in zip(mirrored, same, strict=True))
    assert found["augment"] == {"flip": True}
    assert len(set(found["images"])) == 8


@pytest.mark.parametrize("kind", ["pca", "zca"])
def test_few_components_give_a_row_and_a_cloud_of_what_they_keep(kind: str, sheet: dict[str, NDArray[np.float32]]):
    result = preview.preview("digits", "whitening", settings={"preprocess": {"scale": kind, "components": 2}})
    assert result["components"] == 2
    reduced = sheet["the images from 2 of 256 components"]
    assert 0.05 < np.abs(reduced - sheet["images"]).mean() < 0.3
    before, after = (np.diag(result["clouds"][step]["covariance"]) for step in ("centered", "reduced"))
    assert (after < 0.5 * before).all()
    assert result["clouds"]["decorrelated"]["covariance"][0][0] == pytest.approx(
        np.linalg.eigvalsh(result["clouds"]["reduced"]["covariance"])[1]
    )
    assert any(name.startswith("the first 2 components, ") for name in sheet)


def test_centering_shows_the_images_around_gray(sheet: dict[str, NDArray[np.float32]]):
    preview.preview("digits", "mean", settings={"preprocess": {"center": "image"}})
    name = "centered: gray is 0, black and white are 1 of [0, 1] away"
    difference = sheet["images"] - (2 * sheet[name] - 1)
    assert difference == pytest.approx(np.broadcast_to(difference[:1], difference.shape), abs=1e-5)  # one mean image for all


def test_too_many_dimensions_are_shown_by_components(
    monkeypatch: pytest.MonkeyPatch, sheet: dict[str, NDArray[np.float32]], caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(preview, "MOST_EXACT", 100)
    with caplog.at_level("INFO", logger="striate"):
        found = preview.preview("digits", "whitening")
    assert found["components"] == 256
    assert "256 components: 256 dimensions are too many for all (preprocess.components)" in caplog.text


@pytest.mark.parametrize(
    ("what", "settings", "text"),
    [
        ("hue", {}, "expected --preview mean, std, whitening, augment; got 'hue'."),
        ("augment", {}, "nothing is changed in training: expected settings of [augment], as in --set augment.rotate=15, or a "
                        "--recipe that has some."),
        ("mean", {"preprocess": {"center": "none"}}, "preprocess.center=none subtracts nothing, so there is no mean to show. "
                                                  "Take pixel or image."),
        ("std", {"preprocess": {"scale": "zca"}}, "preprocess.scale=zca divides by no deviation, so there is none to show. "
                                               "Take std."),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused(what: str, settings: dict[str, dict[str, str]], text: str):
    with pytest.raises(SettingError) as refused:
        preview.preview("digits", what, settings=settings)
    assert str(refused.value) == text


def test_more_components_than_there_are_is_refused():
    with pytest.raises(ShapeError, match=r"expected preprocess\.components of at most 256"):
        preview.preview("digits", "whitening", settings={"preprocess": {"scale": "zca", "components": 300}})


def test_the_command_prints_numbers_and_the_image(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    undrawn(monkeypatch)
    done = run(capsys, "data", "digits", "--preview", "mean")
    assert done.code == 0
    assert "raw           variances" in done.out
    assert done.out.endswith("drawn: striate-preview-mean.png\n")
    assert Path("striate-preview-mean.png").is_file()
    done = run(capsys, "data", "digits", "--preview", "augment", "--set", "augment.rotate=10", "--draw", "a.svg", "--json")
    assert json.loads(done.out)["drawn"] == "a.svg"
    assert Path("a.svg").is_file()


@pytest.mark.parametrize("flags", [("--draw", "x.png"), ("--recipe", "mnist_cnn")])
def test_flags_of_images_are_refused_without_one(flags: tuple[str, str], capsys: pytest.CaptureFixture[str]):
    done = run(capsys, "data", "digits", *flags)
    assert done.code == 2
    assert f"{flags[0]} applies with --preview alone; got {flags[1]}. Add --preview augment, or leave it out." in done.err
