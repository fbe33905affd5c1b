"""The workbench in a browser: from images to a plan, and in `make soak` to an exported model."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from striate.lab.workbench import child
from support.axe import violations
from support.lab import looking, serving, two_runs
from support.shape_images import make_folder

pytestmark = pytest.mark.xdist_group("lab")
TOKEN = "a-token-that-is-long-enough"
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
        page.locator("details.all > summary").click()
        page.get_by_text("Fine-tuning: optimization of adapt").click()
        page.fill("[name='finetune.adapt.lr']", "0.1")
        page.wait_for_function(f"({command})().includes('--set finetune.adapt.lr=0.1')", timeout=LONG)
        page.fill("[name='finetune.adapt.lr']", "")
        page.get_by_label("scratch", exact=True).check()
        page.wait_for_selector("#plan-fault:not([hidden])", timeout=LONG)
        assert "data.folds does not apply to several strategies" in page.locator("#plan-fault").inner_text()
        assert violations(page, axe_script) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert seen.elsewhere() == []
        assert [text for text in seen.complaints if "422" not in text] == []


def test_a_report_that_is_missing_is_written_from_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chromium: Any, cache: Path
):
    def start(arguments: Any, out: Any, log: Any) -> subprocess.Popen[bytes]:
        assert arguments == ("report", str(tmp_path / "runs" / "a"), "--json")
        return subprocess.Popen(["touch", tmp_path / "runs" / "a" / "report.html"], stdout=out, stderr=log)

    two_runs(tmp_path / "runs")
    monkeypatch.setattr(child, "start", start)
    with serving(tmp_path) as url, looking(chromium, url, 390, "light") as seen:
        seen.open("/en/run?name=a")
        seen.page.click("#write-report", timeout=LONG)
        seen.page.wait_for_selector("a[href$='/runs/a/report']", timeout=LONG)
        assert "striate report" in seen.page.locator("#jobs").inner_text()
        assert seen.page.locator("#write-report").count() == 0
        assert seen.complaints == []


def test_a_run_that_is_not_there_is_asked_for_once(tmp_path: Path, chromium: Any, cache: Path):
    with serving(tmp_path) as url, looking(chromium, url, 390, "light") as seen:
        seen.open("/en/run?name=none")
        seen.page.wait_for_selector("#fault:not([hidden])", timeout=LONG)
        assert "none" in seen.page.locator("#fault").inner_text()
        asked = "performance.getEntriesByType('resource').filter((each) => each.name.endsWith('/runs/none')).length"
        seen.page.wait_for_timeout(2500)  # it would ask again after two seconds
        assert seen.page.evaluate(asked) == 1
        seen.open("/en/run")
        seen.page.wait_for_url("**/en/runs")


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


class Keyboard:
    """A page that is used by the keyboard alone."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def to(self, selector: str, key: str = "Tab") -> None:
        """Go on to what the selector names, by Tab from where the focus is."""
        for _ in range(400):
            self.page.keyboard.press(key)
            if self.page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"{selector} is not reached by {key}")

    def enter(self, selector: str, text: str = "", key: str = "Tab") -> None:
        """Go there, then type a text, or press Enter where there is none."""
        self.to(selector, key)
        if text:
            self.page.keyboard.type(text)
        else:
            self.page.keyboard.press("Enter")


@pytest.mark.soak
@pytest.mark.parametrize(
    ("language", "width", "theme", "token"),
    [("en", 1280, "light", None), ("zh", 390, "dark", TOKEN), ("en", 390, "light", TOKEN), ("zh", 1280, "dark", None)],
)
def test_the_first_hour_by_the_keyboard_alone(
    language: str, width: int, theme: str, token: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chromium: Any,
    axe_script: str, cache: Path,
):  # fmt: skip
    """From a folder to a model that is tested, tried, looked into and exported; nothing leaves the machine."""
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "photos", 12)
    looks = looking(chromium, "", width, theme, bypass_csp=True, reduced_motion="reduce")
    with serving(tmp_path, token=token) as url, looks as seen:
        page, keyboard, seen.url = seen.page, Keyboard(seen.page), url

        def fine() -> None:
            page.wait_for_selector("[aria-busy='true']", state="detached", timeout=LONG)
            assert violations(page, axe_script) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width

        seen.open(f"/{language}/" + ("" if token is None else f"#token={token}"))
        page.wait_for_selector("#entries button.folder")
        keyboard.enter("#entries button.folder")
        page.wait_for_function("document.getElementById('place').textContent === 'photos'")
        keyboard.enter("#data", key="Shift+Tab")
        page.wait_for_selector("#plan:not([hidden])", timeout=LONG)
        page.wait_for_selector(".classes li:nth-child(3) img:not([hidden])", timeout=LONG)
        keyboard.enter("#run-name", "first hour")
        keyboard.enter("[name='net.name']", "conv 3x3x4, relu, globalpool, fc")
        keyboard.enter("[name='train.epochs']", "1")
        page.wait_for_function("document.getElementById('command').textContent.includes('--epochs 1 --json')", timeout=LONG)
        fine()
        keyboard.enter("#start")
        page.wait_for_url(f"**/{language}/run?name=first%20hour")
        page.wait_for_selector("#state.done", timeout=2 * LONG)
        page.wait_for_selector("#curves figure:nth-child(2)")
        page.wait_for_selector("a[href$='/report']")
        fine()
        with page.context.expect_page() as opened:
            keyboard.enter("a[href$='/report']")
        opened.value.wait_for_selector("h1")
        assert opened.value.evaluate("getComputedStyle(document.body).maxWidth") != "none"  # it has its styles
        opened.value.close()
        keyboard.enter("#export button")
        page.get_by_text("striate-export-first hour/").first.wait_for(timeout=2 * LONG)
        assert [*Path("striate-export-first hour").glob("*.onnx")]
        keyboard.enter("a[href*='/try?model=']", key="Shift+Tab")
        page.wait_for_selector("#rooms:not([hidden])", timeout=LONG)
        page.wait_for_function("document.getElementById('label').textContent !== ''", timeout=LONG)
        assert page.locator("#model").input_value() == "run:first hour"
        fine()
        page.go_back()
        page.wait_for_selector("a[href*='/layers?model=']")
        keyboard.enter("a[href*='/layers?model=']")
        page.wait_for_selector("#rooms:not([hidden])", timeout=LONG)
        assert page.locator("#model").input_value() == "run:first hour"
        fine()
        keyboard.enter("header a[href$='/runs']")
        page.get_by_role("link", name="first hour").wait_for()
        fine()
        assert (seen.elsewhere(), seen.complaints) == ([], [])
