"""The page that follows an image through a network: its numbers are those of the Python functions."""

import base64
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

import striate
from striate.base.errors import DataError
from striate.batches.preprocess import Preprocess
from striate.data.decode import InputSpec
from striate.interpret import activations
from striate.lab.layers import passes
from striate.lab.models import Choice, Loaded
from striate.model import Model
from striate.nets import receptive_field
from striate.nets.factory import build
from striate.nets.worked_arithmetic import explain
from striate.workflows.inspect import filter_health
from support.lab import Tabs, client

pytestmark = pytest.mark.xdist_group("lab")


def asked(lab: TestClient, path: str, **content: Any) -> Any:
    answer = lab.post(f"/api/{path}", json=content)
    assert answer.status_code == 200, answer.text
    return answer.json()


def tiny() -> Loaded:
    """Two filters of one weight, 2 and 3, whose maps a fully connected layer adds: class a gets map 0, class b map 1."""
    net = build("conv 1x1x2, fc 2", (1, 2, 2), 2).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.get_parameter("conv1.weight").copy_(torch.tensor([2.0, 3.0]).view(2, 1, 1, 1))
        net.get_parameter("fc1.weight").copy_(torch.tensor([[1.0] * 4 + [0.0] * 4, [0.0] * 4 + [1.0] * 4]))
    plain = Preprocess(torch.zeros(1, 1, 1), torch.ones(1, 1, 1), 0.0)
    model = Model(net, "tiny", {}, plain, InputSpec(2, 1, "crop"), ("a", "b"))
    return Loaded(Choice("drawn:tiny", "drawn", "tiny"), "tiny", model)


def test_the_answer_with_a_filter_ablated_done_by_hand():
    loaded, pixels_HWC = tiny(), np.full((2, 2, 1), 51, np.uint8)  # 0.2 each, so maps of 0.4 and 0.6, sums 1.6 and 2.4
    before = passes.run(loaded, pixels_HWC, {})
    after = passes.run(loaded, pixels_HWC, passes.check_ablated(loaded, {"conv1": [1]}))
    rows = {row["class"]: row for row in passes.answer(loaded, before, after)}
    assert rows["b"]["before"] == pytest.approx(1 / (1 + np.exp(1.6 - 2.4)))
    assert rows["b"]["after"] == pytest.approx(1 / (1 + np.exp(1.6)))  # the logit of b is 0
    assert rows["a"]["before"] + rows["b"]["before"] == pytest.approx(1)
    assert after.outputs["conv1"][0, 1].abs().max() == 0


def test_maps_and_numbers_are_those_of_python(lab_run: Path):
    image = lab_run / "shapes" / "circle" / "003.png"
    model = striate.load(lab_run / "runs" / "shapes")
    with client(lab_run, out=lab_run / "runs") as lab:
        name = lab.post("/api/images", content=image.read_bytes()).json()["id"]
        common = {"model": "run:shapes", "image": name, "layer": "conv1"}
        shown, one = asked(lab, "layers/layer", **common), asked(lab, "en/layers/unit", **common, unit=2, row=3, column=0)
        judged = asked(lab, "layers/verdicts", **common)
        ablated = asked(lab, "layers/layer", **common, ablated={"conv1": [0]})
    pixels_HWC = np.frombuffer(base64.b64decode(shown["pixels"]["base64"]), np.uint8).reshape(shown["pixels"]["shape"])
    assert np.array_equal(pixels_HWC, model.pixels(image))
    maps_UHW = activations.maps(model.net, model.images([image]), ["conv1"])["conv1"][0]
    assert [unit["max"] for unit in shown["units"]] == pytest.approx(maps_UHW.amax((1, 2)).tolist())
    assert one["value"] == pytest.approx(float(maps_UHW[2, 3, 0]))
    assert one["formula"]["lines"][-1].endswith(f"= {one['value']:.4g}".replace("-", "−"))
    assert one["table"]["lines"] == list(explain(model.net, "conv1"))
    assert one["box"] == receptive_field.windows(model.net, ("conv1",))["conv1"].boxes(np.array(3), np.array(0)).tolist()
    prediction = model.predict(image)
    assert shown["answer"][0] == {"class": prediction.label, "before": pytest.approx(prediction.probability), "after": None}
    verdicts = filter_health.verdicts(lab_run / "runs" / "shapes")["layers"][0]["each"]
    assert [entry["verdict"] for entry in judged["each"]] == [entry["verdict"] for entry in verdicts]
    assert judged["images_from"].startswith("validation images of ")
    # A filter is taken out where it is judged, after its ReLU: conv1 itself stays as it was
    assert [unit["max"] for unit in ablated["units"]] == [unit["max"] for unit in shown["units"]]
    assert ablated["answer"][0]["after"] != ablated["answer"][0]["before"]


def test_a_run_whose_images_have_gone_is_judged_by_its_weights(lab_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(lab_run / "runs", tmp_path / "runs")
    monkeypatch.setattr("striate.workflows.open_run.sources.read", _gone)
    judged = asked(client(tmp_path, out=tmp_path / "runs"), "layers/verdicts", model="run:shapes", layer="conv1")
    assert (len(judged["each"]), judged["images_from"], judged["reason"]) == (6, None, "there is nothing at shapes.")


def _gone(_data: object) -> None:
    raise DataError("there is nothing at shapes.")


def test_weights_that_come_along_and_random_ones(tmp_path: Path):
    lab = client(tmp_path, out=tmp_path / "runs")
    kinds = {model["name"]: model["kind"] for model in lab.get("/api/models").json()["models"]}
    assert (kinds["weights:resnet20@cifar10"], kinds["drawn:mnist_cnn"]) == ("weights", "drawn")
    network = asked(lab, "layers/network", model="weights:resnet20@cifar10")
    assert [box["names"] for box in network["boxes"]][1:3] == [["conv1"], ["conv2_1", "conv2_2", "conv2_3"]]
    assert sorted(name for box in network["boxes"] for name in box["layers"]) == sorted(
        row["name"] for row in network["layers"]
    )


def test_what_makes_no_sense_is_refused(tmp_path: Path):
    changes: list[tuple[dict[str, Any], str]] = [
        ({"model": "run:../shapes"}, "There is no model 'run:../shapes'"),
        ({"model": ["drawn:mnist_cnn"]}, "expected a model by its name; got something else."),
        ({"image": 3}, "expected an image by its name; got something else."),
        ({"image": "0123456789abcdef"}, "expected an image; that one is not here any more."),
        ({"layer": "conv9"}, "There is no layer 'conv9'."),
        ({"unit": 32}, "expected units from 0 to 31 of conv1; got 32."),
        ({"row": 28}, "expected a row from 0 to 27; got 28."),
        ({"column": True}, "expected a column from 0 to 27; got True."),
        ({"ablated": {"fc2": [0]}}, "fc2 puts out the answer itself"),
        ({"ablated": {"conv1": [-1]}}, "expected units from 0 to 31 of conv1; got -1."),
        ({"ablated": [1]}, "expected lists of units by layer; got something else."),
    ]
    with client(tmp_path, out=tmp_path / "runs") as lab:
        for change, sentence in changes:
            given = {"model": "drawn:mnist_cnn", "image": "digit-3", "layer": "conv1", "unit": 0, "row": 0, "column": 0}
            answer = lab.post("/api/en/layers/unit", json={**given, **change})
            assert answer.status_code == 422
            assert answer.json()["error"].startswith(sentence)


def ready(page: Any) -> None:
    page.wait_for_selector("#rooms:not([hidden])", timeout=60_000)
    page.wait_for_function("() => document.getElementById('stroll').getAttribute('aria-busy') === 'false'", timeout=60_000)


def test_the_page_by_keyboard_alone(lab_url: str, tabs: Tabs):
    with tabs.looking(lab_url) as seen:
        seen.open("/en/layers?model=drawn:mnist_cnn")
        page = seen.page
        ready(page)
        page.focus("#tiles [aria-pressed=true]")
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("filter 1, largest ")
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.getElementById('unit-title').textContent.startsWith('Filter 1 of conv1')")
        page.focus("#average")
        page.keyboard.press("Enter")
        page.focus("#largest")
        page.keyboard.press("Enter")
        page.focus("#place")
        row = page.evaluate("Number(document.getElementById('unit-title').textContent.match(/row (\\d+)/)[1])")
        page.keyboard.press("ArrowDown" if row == 0 else "ArrowUp")
        page.wait_for_function(
            "(row) => document.getElementById('unit-title').textContent.includes(`row ${row},`)",
            arg=row + (1 if row == 0 else -1),
        )
        page.focus("#ablate")
        page.keyboard.press("Enter")
        page.wait_for_selector("#tiles .ablated[aria-label='filter 1, ablated']")
        assert page.locator("#answer thead th").all_inner_texts() == ["Class", "Probability", "Ablated"]
        page.focus(".chips button[aria-label='Restore filter 1 of conv1']")
        page.keyboard.press("Enter")
        page.wait_for_selector("#ablated", state="hidden")
        page.focus("#strip button:last-of-type")
        page.keyboard.press("Enter")
        ready(page)
        page.wait_for_function("() => document.getElementById('layer').value === 'fc2'")
        page.wait_for_selector("#ablate:disabled")
        assert (seen.complaints, seen.elsewhere()) == ([], [])


def test_what_belongs_to_the_layer_before_is_not_shown_while_another_is_on_its_way(lab_url: str, tabs: Tabs):
    with tabs.looking(lab_url) as seen:
        seen.open("/en/layers?model=drawn:mnist_cnn")
        page, held = seen.page, dict[str, Any]()

        def hold_first(route: Any) -> None:
            kind = route.request.url.rpartition("/")[2]
            if held.setdefault(kind, route) is not route:
                route.continue_()

        ready(page)
        for kind in ("unit", "layer"):
            page.route(f"**/layers/{kind}", hold_first)
        with page.expect_request("**/layers/unit"):
            page.click("#largest")
        with page.expect_request("**/layers/layer"):
            page.click("#strip button:last-of-type")
        with page.expect_response("**/layers/unit"):
            held["unit"].continue_()
        page.hover("#tiles .tile canvas")
        page.click("#average")
        page.focus("#place")
        page.keyboard.press("ArrowDown")
        page.mouse.move(0, 0)
        assert seen.complaints == []
        held["layer"].continue_()
        page.wait_for_function("() => document.getElementById('unit-title').textContent.includes('of fc2')")
        ready(page)
        assert (seen.complaints, seen.elsewhere()) == ([], [])


@pytest.mark.parametrize(
    ("language", "width", "theme"),
    [("zh", 390, "dark"), pytest.param("en", 1280, "light", marks=pytest.mark.soak)],
)
def test_axe_finds_nothing_on_it(language: str, width: int, theme: str, lab_url: str, tabs: Tabs, axe_script: str):
    from support.axe import violations

    with tabs.looking(lab_url, width, theme, bypass_csp=True, reduced_motion="reduce") as seen:
        seen.open(f"/{language}/layers?model=weights:resnet20@cifar10")
        ready(seen.page)
        assert violations(seen.page, axe_script) == []
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        assert seen.complaints == []
