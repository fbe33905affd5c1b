"""The page on which a model is asked about an image: its numbers are those of `striate predict` and `striate inspect`."""

import base64
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

import striate
from striate.base.errors import DataError
from striate.interpret import attribution
from support.axe import violations
from support.lab import client, looking, serving

pytestmark = pytest.mark.xdist_group("lab")


def asked(lab: TestClient, path: str, **content: Any) -> Any:
    answer = lab.post(f"/api/try/{path}", json=content)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_prediction_evidence_and_neighbors_are_those_of_python(lab_run: Path):
    run, image = str(lab_run / "runs" / "shapes"), lab_run / "shapes" / "circle" / "003.png"
    model = striate.load(run)
    with client(lab_run, out=lab_run / "runs") as lab:
        given = {"model": "run:shapes", "image": lab.post("/api/images", content=image.read_bytes()).json()["id"]}
        answer, near = asked(lab, "predict", **given), asked(lab, "neighbors", **given)
        evidence = asked(lab, "evidence", **given, method="gradcam", target=answer["row"]["label"])
        refused = lab.post("/api/try/evidence", json={**given, "method": "magic", "target": "circle"})
    expected = striate.predict(run, image)
    assert answer["row"] == {**expected.as_json(), "path": ""}
    assert (answer["threshold"], answer["coverage"]) == (model.confidence.threshold, model.confidence.coverage)
    pixels_HWC = np.frombuffer(base64.b64decode(answer["pixels"]["base64"]), np.uint8).reshape(answer["pixels"]["shape"])
    assert np.array_equal(pixels_HWC, model.pixels(image))
    explanation = attribution.explain(model, image, "gradcam", target=answer["row"]["label"])
    (judged,) = explanation.faithfulness
    assert (evidence["faithful"], evidence["p_value"]) == (judged.faithful, judged.p_value)
    assert evidence["gain"] == pytest.approx(judged.gain)
    inspected = striate.inspect_image(run, [image], methods=["saliency"], layers=["conv1"], out=lab_run / "inspected")
    named = {row["path"]: row["cosine_similarity"] for row in inspected["images"][0]["neighbors"]}
    # The command leaves the image itself out where it is one of the training images; the page is given a file without its place
    shown = {row["path"]: row["similarity"] for row in near["images"] if row["path"] != "circle/003.png"}
    assert set(shown) <= set(named)
    assert len(near["images"]) == 5
    assert all(shown[path] == pytest.approx(named[path], abs=1e-5) for path in shown)
    assert (refused.status_code, refused.json()["error"][:25]) == (422, "expected a method: salien")


def test_training_images_that_have_gone_are_said_to_be(lab_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(lab_run / "runs", tmp_path / "runs")
    monkeypatch.setattr("striate.workflows.open_run.sources.read", _gone)
    with client(tmp_path, out=tmp_path / "runs") as lab:
        near = asked(lab, "neighbors", model="run:shapes", image="flower")
    assert near == {"images": [], "reason": "there is nothing at shapes."}


def _gone(_data: object) -> None:
    raise DataError("there is nothing at shapes.")


def ready(page: Any) -> None:
    page.wait_for_selector("#rooms:not([hidden])", timeout=60_000)
    page.wait_for_function("() => document.getElementById('try').getAttribute('aria-busy') === 'false'", timeout=60_000)


def test_the_page_by_keyboard_with_a_file_and_the_camera(lab_run: Path, chromium: Any, axe_script: str):
    with serving(lab_run) as url, looking(chromium, url, 390, "dark", bypass_csp=True, reduced_motion="reduce") as seen:
        page = seen.page
        page.add_init_script(
            "navigator.mediaDevices.getUserMedia = async () => {"
            " const canvas = document.createElement('canvas'); canvas.getContext('2d').fillRect(0, 0, 9, 9);"
            " return canvas.captureStream(); }"
        )
        seen.open("/en/try?model=run:shapes")
        ready(page)
        page.set_input_files("#own", str(lab_run / "shapes" / "circle" / "003.png"))
        page.wait_for_function("() => document.getElementById('image').selectedOptions[0].text === '003.png'")
        ready(page)
        label = striate.predict(str(lab_run / "runs" / "shapes"), lab_run / "shapes" / "circle" / "003.png").prediction.label
        assert page.locator("#label").inner_text().startswith(f"{label}, ")
        assert page.locator("#near li").count() == 5
        assert "aithful" in page.locator("#faithful").inner_text()
        page.focus("#method")
        page.keyboard.press("ArrowDown")
        page.focus("#explain")
        page.keyboard.press("Enter")
        page.wait_for_selector("#overlay canvas[aria-label*='Integrated gradients']")
        page.focus("#camera")
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.activeElement.id === 'shoot'")
        page.wait_for_function("() => document.getElementById('video').videoWidth > 0")
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.getElementById('image').selectedOptions[0].text === 'photograph 1'")
        ready(page)
        assert violations(page, axe_script) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert (seen.complaints, seen.elsewhere()) == ([], [])
        page.set_input_files("#own", {"name": "none.png", "mimeType": "image/png", "buffer": b"no image"})
        page.wait_for_selector("#fault:not([hidden])")
        assert "The image is refused" in page.locator("#fault").inner_text()
