"""What stays as it was chosen: in the other language, after a reload, and with a token."""

from pathlib import Path
from typing import Any

import pytest

from support.lab import looking, serving
from support.shape_images import make_folder

TOKEN = "a-token-that-is-long-enough"
pytestmark = pytest.mark.xdist_group("lab")


def test_the_other_language_has_what_was_chosen(lab_url: str, chromium: Any):
    with looking(chromium, lab_url, width=390) as seen:
        seen.open("/en/lessons/convolution")
        ready = "() => document.getElementById('views').getAttribute('aria-busy') === 'false'"
        seen.page.wait_for_function(ready)
        seen.page.focus("#c-padding")
        seen.page.keyboard.press("ArrowRight")
        seen.page.click(".settings a")
        seen.page.wait_for_url("**/zh/lessons/convolution")
        seen.page.wait_for_function(ready)
        assert seen.page.locator("#c-padding").input_value() == "1"
        seen.page.reload()  # begins anew
        assert seen.page.locator("#c-padding").input_value() == "0"

        seen.page.evaluate("document.getElementById('views').scrollIntoView(); scrollBy(0, 200)")
        top, bottom = seen.page.evaluate(
            "[document.querySelector('.controls').getBoundingClientRect().top, "
            "document.querySelector('.controls').getBoundingClientRect().bottom]"
        )
        assert top == 0  # on a phone the controls stay above the views,
        assert 0 < bottom < 0.46 * 900  # which have the larger part of the screen

        seen.open("/en/layers")
        seen.page.wait_for_selector("#rooms:not([hidden])", timeout=60_000)
        assert seen.page.locator("#loading").is_hidden()
        seen.page.select_option("#image", "china")
        seen.page.click(".settings a")
        seen.page.wait_for_url("**/zh/layers?image=china")
        assert seen.page.locator("#image").input_value() == "china"
        assert seen.complaints == []


def test_the_token_is_asked_for_once(tmp_path: Path, chromium: Any):
    make_folder(tmp_path / "shapes", 2)
    questions: list[str] = []
    with serving(tmp_path, token=TOKEN) as url, looking(chromium, url) as seen:
        answers = [None, "another", TOKEN]

        def answer(dialog: Any) -> None:
            questions.append(dialog.message)
            given = answers.pop(0)
            dialog.accept(given) if given else dialog.dismiss()

        seen.page.on("dialog", answer)
        seen.open("/en/")
        seen.page.wait_for_selector("#fault:not([hidden])")
        assert "Reload the page and enter it." in seen.page.locator("#fault").inner_text()
        seen.page.wait_for_timeout(2500)  # the queue is asked every two seconds
        assert questions == ["The token of this server:"]

        seen.page.reload()
        seen.page.get_by_role("button", name="shapes").click()
        assert questions[1:] == ["The token of this server:", "This is not the token of this server. The token:"]
        seen.page.get_by_role("button", name="Survey", exact=True).click()
        seen.page.wait_for_selector(".classes img:not([hidden])", timeout=30_000)
        assert "?data=shapes" in seen.page.url
        seen.page.reload()
        seen.page.wait_for_selector(".classes img:not([hidden])", timeout=30_000)
        assert len(questions) == 3


def test_a_queue_that_is_not_answered_is_said_to_be(lab_url: str, chromium: Any):
    with looking(chromium, lab_url) as seen:
        seen.open("/en/")
        seen.page.wait_for_selector("#entries li")
        seen.page.route("**/api/**", lambda route: route.abort())
        seen.page.wait_for_selector("#jobs .unreachable", timeout=10_000)
        seen.page.unroute("**/api/**")
        seen.page.wait_for_selector("#jobs .unreachable", state="detached", timeout=10_000)
