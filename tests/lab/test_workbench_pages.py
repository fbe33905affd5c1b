"""The workbench in a browser: from images to a plan, and in `make soak` to an exported model."""

import re
from pathlib import Path
from typing import Any

import pytest

from support.axe import violations
from support.lab import looking, serving, two_runs
from support.shape_images import make_folder

pytestmark = pytest.mark.xdist_group("lab")
LONG = 240_000  # of a training on a busy machine


def test_from_a_folder_to_the_plan_of_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chromium: Any, axe_script: str, cache: Path
):
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "photos <b>bold", 6)
    with serving(tmp_path) as url, looking(chromium, url, 390, "dark", bypass_csp=True, reduced_motion="reduce") as seen:
        page = seen.page
        seen.open("/zh/")
        page.get_by_role("button", name="photos <b>bold").click()
        page.wait_for_function("document.getElementById('place').textContent === 'photos <b>bold'")
        page.focus("#data")
        page.keyboard.press("Enter")
        page.wait_for_selector("#plan:not([hidden])", timeout=LONG)
        page.wait_for_selector(".classes li:nth-child(3) img:not([hidden])", timeout=LONG)
        page.locator("details.all > summary").click()
        page.locator("details.group > summary").first.click()
        page.fill("[name='train.weight_decay']", "0.1")
        page.fill("[name='train.epochs']", "2")
        page.wait_for_function(
            "document.getElementById('command').textContent.includes('--epochs 2 --set train.weight_decay=0.1 --json')",
            timeout=LONG,
        )
        page.fill("[name='train.epochs']", "-2")
        page.wait_for_selector("#plan-fault:not([hidden])", timeout=LONG)
        assert "train.epochs: input should be greater than or equal to 1; got -2." in page.locator("#plan-fault").inner_text()
        page.fill("[name='train.epochs']", "3")
        page.fill("[name='data.folds']", "2")
        page.click(".settings a")  # the other language has what was typed
        page.wait_for_url("**/en/?**")
        command = "() => document.getElementById('command').textContent"
        page.wait_for_function(
            f"({command})().includes('--epochs 3 --folds 2 --set train.weight_decay=0.1 --json')", timeout=LONG
        )
        assert "3 trainings: one for each of 2 folds" in page.locator("#reasons").inner_text()
        page.get_by_label("Fine-tune").check()
        assert page.locator("[name='train.epochs']").is_hidden()
        page.wait_for_function(f"({command})().endsWith('--folds 2 --json')", timeout=LONG)
        page.get_by_label("adapt", exact=True).check()
        page.wait_for_function(f"({command})().includes('--strategy adapt --folds 2 --json')", timeout=LONG)
        page.get_by_label("scratch", exact=True).check()
        page.wait_for_selector("#plan-fault:not([hidden])", timeout=LONG)
        assert "data.folds does not apply to several strategies" in page.locator("#plan-fault").inner_text()
        assert violations(page, axe_script) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert seen.elsewhere() == []
        assert [text for text in seen.complaints if "422" not in text] == []


def test_runs_are_compared_and_one_is_deleted_after_a_question(tmp_path: Path, chromium: Any, axe_script: str, cache: Path):
    two_runs(tmp_path / "runs")
    with serving(tmp_path) as url, looking(chromium, url, 1280, "dark", bypass_csp=True, reduced_motion="reduce") as seen:
        page = seen.page
        seen.open("/en/runs")
        page.get_by_label("Choose <b>").check()
        page.get_by_label("Choose a", exact=True).check()
        page.keyboard.press("Enter")
        page.wait_for_selector("#comparison:not([hidden])", timeout=LONG)
        assert page.locator(".changes img").count() == 3
        assert "Only a is right: 2" in page.locator("#outcome").inner_text()
        assert violations(page, axe_script) == []
        page.get_by_role("button", name="Delete a", exact=True).click()
        page.get_by_role("button", name="Keep it").click()
        page.get_by_role("button", name="Delete <b>").click()
        assert "Delete the run <b> with its model" in page.locator("dialog").inner_text()
        page.get_by_role("button", name="Delete for good").click()
        page.get_by_label("Choose <b>").wait_for(state="detached")
        assert [path.name for path in (tmp_path / "runs").iterdir()] == ["a"]
        page.get_by_role("link", name="a", exact=True).click()
        page.wait_for_selector("#state.done")
        assert violations(page, axe_script) == []
        assert (seen.elsewhere(), seen.complaints) == ([], [])


@pytest.mark.soak
def test_the_first_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chromium: Any, axe_script: str, cache: Path):
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "photos", 12)
    with serving(tmp_path) as url, looking(chromium, url, 1280, "light", bypass_csp=True, reduced_motion="reduce") as seen:
        page = seen.page
        seen.open("/en/")
        page.fill("#data", "photos")
        page.get_by_role("button", name="Survey", exact=True).click()
        page.wait_for_selector("#plan:not([hidden])", timeout=LONG)
        page.fill("[name='net.name']", "conv 3x3x4, relu, globalpool, fc")
        page.fill("[name='train.epochs']", "1")
        page.fill("#run-name", "first hour")
        page.click("#start")
        page.wait_for_url("**/en/run?name=first%20hour")
        page.wait_for_selector("#state.done", timeout=2 * LONG)
        page.wait_for_selector("#curves figure:nth-child(2)")
        assert "test accuracy" in page.locator("#figures").inner_text()
        assert violations(page, axe_script) == []
        with page.context.expect_page() as opened:
            page.get_by_role("link", name=re.compile("^Report")).click()
        opened.value.wait_for_selector("h1")
        opened.value.close()
        seen.open("/en/run?name=first%20hour")
        page.locator("#export button").click()
        page.get_by_text("Written: striate-export-first hour/").wait_for(timeout=2 * LONG)
        assert [*Path("striate-export-first hour").glob("*.onnx")]
        assert (seen.elsewhere(), seen.complaints) == ([], [])
