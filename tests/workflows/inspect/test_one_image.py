import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import striate
from striate.base import run_folder
from striate.base.errors import DataError, SettingError
from support.brief_maps import brief_maps
from support.command_line import run
from support.shape_images import make_folder
from support.undrawn import undrawn

NET = "conv 5x5x6, relu, pool 2, conv 3x3x8, relu, fc 3"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("microscope")
    data = make_folder(folder / "shapes", 20)
    striate.train(data.as_posix(), net=NET, out=folder, name="a", report=False, settings={"train": {"epochs": 4}})
    striate.train(data.as_posix(), net="mlp", out=folder, name="flat", report=False, settings={"train": {"epochs": 1}})
    return folder


@pytest.fixture
def here(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return place


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    brief_maps(monkeypatch)


@pytest.fixture
def figures_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of this file draw the same figures and look at them."""
    undrawn(monkeypatch)


def drawn(found: dict[str, Any]) -> list[str]:
    for path in found["files"]:
        with Image.open(path) as image:
            assert min(image.size) > 100
            assert np.asarray(image.convert("L")).std() > 1
    return [Path(path).name for path in found["files"]]


@pytest.mark.usefixtures("briefly")
def test_one_image_through_all_layers_and_why(here: Path):
    image = here / "shapes" / "circle" / "003.png"
    found = striate.inspect_image(str(here / "a"), [image])
    json.dumps(found, allow_nan=False)
    (one,) = found["images"]
    model = striate.load(here / "a")
    assert one["label"] == model.predict([image])[0].label
    assert [layer["name"] for layer in one["layers"]] == list(model.net.taps)
    with striate.taps(model.net, "conv2") as seen, torch.no_grad():
        model.net(model.images([image]))
    told = next(layer for layer in one["layers"] if layer["name"] == "conv2")
    assert told["shape"] == list(seen["conv2"].shape[1:])
    assert told["max"] == pytest.approx(float(seen["conv2"].max()))
    assert {made["method"] for made in one["methods"]} == {
        "saliency", "deconvnet", "guided", "gradcam", "integrated_gradients", "occlusion"
    }  # fmt: skip
    assert next(made["layer"] for made in one["methods"] if made["method"] == "gradcam") == "relu2"
    assert drawn(found) == [f"{n + 1:02d}-{name}.png" for n, name in enumerate(model.net.taps)] + ["why.png", "near.png"]
    assert len(one["neighbors"]) == 5
    assert "circle/003.png" not in [near["path"] for near in one["neighbors"]]
    assert Path(found["files"][0]).parent.name == "striate-inspect-a"


@pytest.mark.usefixtures("briefly", "figures_left_out")
def test_several_images_have_folders_of_their_own_and_a_class_can_be_asked_about(here: Path):
    images = [here / "shapes" / kind / "000.png" for kind in ("circle", "square")]
    found = striate.inspect_image(
        str(here / "a"), images, layers=["relu1"], methods=["occlusion"], target="triangle", out="sheets"
    )
    assert [Path(path).parent.name for path in found["files"]] == ["1-000"] * 3 + ["2-000"] * 3
    assert [one["target"] for one in found["images"]] == ["triangle"] * 2
    assert [len(one["methods"]) for one in found["images"]] == [1, 1]


@pytest.mark.usefixtures("briefly", "figures_left_out")
def test_images_in_memory_are_looked_at_like_their_files(here: Path):
    path, options = here / "shapes" / "circle" / "003.png", {"layers": ["relu1"], "methods": ["saliency"]}
    with Image.open(path) as image:
        pixels = np.asarray(image)
    (one,), (expected, other) = (
        striate.inspect_image(str(here / "a"), given, out=out, **options)["images"]  # type: ignore[arg-type]
        for given, out in ((pixels, "array"), ([str(path), path.read_bytes()], "list"))
    )
    assert [each["path"] for each in (expected, one, other)] == [str(path), "[0]", "[1]"]
    for each in (one, other):
        assert each["probability"] == pytest.approx(expected["probability"])
        assert each["methods"][0]["gain"] == pytest.approx(expected["methods"][0]["gain"], abs=1e-5)
    assert Path(other["files"][0]).parent.name == "2-[1]"


@pytest.mark.usefixtures("briefly")
def test_what_a_network_cannot_be_asked_says_what_works(here: Path, monkeypatch: pytest.MonkeyPatch):
    image = here / "shapes" / "circle" / "000.png"
    with monkeypatch.context() as patch:
        undrawn(patch)
        found = striate.inspect_image(str(here / "flat"), [image], methods=["gradcam", "occlusion"])
    (one,) = found["images"]
    assert [made["method"] for made in one["methods"]] == ["occlusion"]
    assert "occlusion" in one["refused"]["gradcam"]
    told = striate.filters(str(here / "flat"), layers=["fc1"])
    assert told["first"] is None
    assert "does not" in told["reason"]
    assert drawn(told) == ["weights-fc1.png"]


def test_filters_are_measured_and_drawn(here: Path):
    found = striate.filters(str(here / "a"))
    json.dumps(found, allow_nan=False)
    assert drawn(found) == [
        "filters.png", "filters-each.png", "tuning.png", "shifts.png", "weights-conv1.png", "weights-conv2.png"
    ]  # fmt: skip
    assert found["first"]["layer"] == "conv1"
    assert len(found["first"]["each"]) == 6
    assert [one["name"] for one in found["tolerance"]] == ["relu1", "pool1"]
    before, after = (np.mean([unit["response"][4] for unit in one["units"] if unit["response"]]) for one in found["tolerance"])
    assert after > before  # a quarter of a period away: a pool forgives it


def test_units_are_measured_where_their_rectifier_has_spoken(here: Path):
    found = striate.units(str(here / "a"), "conv2", unit_indices=[0, 5])
    json.dumps(found, allow_nan=False)
    assert drawn(found) == ["exciting-relu2.png", "maximized-conv2.png"]
    assert found["readout_layer"] == "relu2"
    assert found["units"] == [0, 5]
    assert found["images_from"].startswith("6 validation images of ")
    assert found["strongest_from"].startswith("42 training images of ")
    images = [image for unit in found["strongest"][0]["units"] for image in unit]
    assert all((here / "shapes" / image["path"]).is_file() for image in images)
    for part in ("val", "test"):
        ids_N, _, _ = run_folder.load_predictions(here / "a" / f"predictions-{part}.npz")
        assert not {image["id"] for image in images} & set(ids_N.tolist())
    rows = found["statistics"][0]["units"]
    assert len(rows) == 8
    assert all(row["min"] >= 0 for row in rows)
    assert {row["preferred"] for row in rows} <= {"circle", "square", "triangle", None}
    assert all(one["after"] > one["before"] or one["stuck"] for one in found["maximized"])


@pytest.mark.usefixtures("figures_left_out")
def test_units_can_be_shown_other_images(here: Path):
    found = striate.units(str(here / "a"), "relu1", data=(here / "shapes").as_posix(), out="sheets")
    assert found["images_from"].startswith("60 all images of ")
    assert len(found["units"]) <= 6


def test_bad_questions_are_refused_before_any_work(here: Path):
    name, image = str(here / "a"), here / "shapes" / "circle" / "000.png"
    with pytest.raises(SettingError, match="There is no class 'cat'"):
        striate.inspect_image(name, [image], target="cat")
    with pytest.raises(SettingError, match="There is no layer 'conv9'"):
        striate.inspect_image(name, [image], layers=["conv9"])
    with pytest.raises(SettingError, match="at least one image"):
        striate.inspect_image(name, [])
    with pytest.raises(SettingError, match="method 'magic'"):
        striate.inspect_image(name, [image], methods=["magic"])
    with pytest.raises(DataError, match=r"nothing\.png"):
        striate.inspect_image(name, [here / "nothing.png"])
    with pytest.raises(SettingError, match="There is no layer 'relu1' with filters or units"):
        striate.filters(name, layers=["relu1"])
    with pytest.raises(SettingError, match="expected units from 0 to 7 of relu2; got 8"):
        striate.units(name, "conv2", unit_indices=[8])
    with pytest.raises(SettingError, match=r"model has none of its own; give --data"):
        striate.units(str(here / "a" / "model"), "conv2")
    assert not list(Path().iterdir())


def test_the_command_takes_one_question_at_a_time(here: Path, capsys: pytest.CaptureFixture[str]):
    name, image = str(here / "a"), here / "shapes" / "circle" / "000.png"
    for words, said in (
        (["--unit", "3"], "--unit does not apply with RUN alone, only with --layer alone; remove it."),
        (["--filters", "--draw", "x.png"], "--draw does not apply with --filters, only with RUN alone; remove it."),
        ([image, "--filters"], "--filters does not apply with IMAGES; remove it."),
        (["--layer", "conv1,conv2"], "expected one --layer, whose units are looked at; got conv1, conv2."),
        (["--layer", "conv1", "--unit", "a"], "--unit: expected numbers with commas, as 0,3,7; got a."),
        (
            ["--out", "x"],
            "--out does not apply with RUN alone, only with IMAGES or with --filters or with --layer alone; remove it.",
        ),
    ):
        ran = run(capsys, "inspect", name, *words)
        assert ran.code == 2
        assert said in ran.err


@pytest.mark.usefixtures("briefly", "figures_left_out")
def test_the_command_says_what_it_found(here: Path, capsys: pytest.CaptureFixture[str]):
    name, image = str(here / "a"), here / "shapes" / "circle" / "000.png"
    ran = run(capsys, "inspect", name, image, "--layer", "relu1", "--method", "gradcam", "--out", "one")
    assert ran.code == 0
    assert "  gradcam at relu2 not faithful: " in ran.out
    assert "drawn: one/why.png" in ran.out
    ran = run(capsys, "inspect", name, "--layer", "conv2", "--out", "two")
    assert "relu2: looked at 6 validation images" in ran.out
    assert "the images that excite it most are of 42 training images of " in ran.out
    ran = run(capsys, "inspect", name, "--filters", "--layer", "conv2", "--out", "three")
    assert "pool1: half of the response remains after a shift of" in ran.out
    told = run(capsys, "inspect", str(here / "flat"), "--filters", "--layer", "fc1", "--json", "--out", "four").json
    assert told["first"] is None
