"""Every lesson in a browser: its controls, both languages, wide and narrow, light and dark, and the keyboard alone.

`make test` looks at lessons that have every kind of control and of view, `make soak` at all.
"""

from typing import Any

import pytest

from striate.lab import lesson_catalogue
from striate.lab.controls import Button, Choice, Slider, Toggle
from support.axe import violations
from support.lab import Seen, Tabs, looking
from support.lesson_views import OF_EVERY_KIND

NAMES = [entry.name for entry in lesson_catalogue.LESSONS]
pytestmark = pytest.mark.xdist_group("lab")


def settled(seen: Seen) -> None:
    """Wait until the views are there and nothing is asked any more."""
    seen.page.wait_for_selector(".view", timeout=60_000)
    seen.page.wait_for_function("() => document.getElementById('views').getAttribute('aria-busy') === 'false'")


def shown(seen: Seen) -> str:
    """What the views show once they have settled."""
    settled(seen)
    text: str = seen.page.evaluate(
        "[...document.querySelectorAll('.view')].map((view) => view.outerHTML + "
        "[...view.querySelectorAll('canvas')].map((canvas) => canvas.toDataURL()).join('')).join('')"
    )
    return text


def changed(seen: Seen, before: str) -> bool:
    """Whether the views come to show something else."""
    for _ in range(100):
        if shown(seen) != before:
            return True
        seen.page.wait_for_timeout(50)
    return False


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in OF_EVERY_KIND else pytest.mark.soak) for name in NAMES]
)
def test_every_control_works_by_the_keyboard_alone(name: str, lab_url: str, tabs: Tabs):
    with tabs.looking(lab_url) as seen:
        seen.open(f"/en/lessons/{name}")
        settled(seen)
        for control in lesson_catalogue.load(name).CONTROLS:
            keys: str | None = None
            match control:
                case Slider():
                    keys = "ArrowLeft" if control.start == control.high else "ArrowRight"
                    selector = f"#c-{control.name}"
                case Choice() if len(control.options) <= 4:
                    selector, keys = f"fieldset[data-control={control.name}] input:checked", "ArrowDown"
                case Choice():
                    selector, keys = f"#c-{control.name}", "ArrowDown"
                case Toggle():
                    selector, keys = f"input[data-control={control.name}]", "Space"
                case Button():
                    selector, keys = f"button[data-control={control.name}]", "Enter"
            if keys is None:
                continue
            asked = len(seen.requests)
            seen.page.focus(selector)
            seen.page.keyboard.press(keys)
            for _ in range(100):
                if len(seen.requests) > asked:
                    break
                seen.page.wait_for_timeout(20)
            assert len(seen.requests) > asked, control.name
            settled(seen)
        assert seen.page.locator("#fault").is_hidden()
        assert seen.complaints == []
        assert seen.elsewhere() == []


def looks() -> list[Any]:
    """Some lessons each in one language, width and theme, in turn; all in all of them in `make soak`."""
    ways = [("en", 1280, "dark"), ("zh", 390, "light"), ("en", 390, "dark"), ("zh", 1280, "light")]
    return [
        pytest.param(name, *way, marks=() if name in OF_EVERY_KIND and (place + turn) % 4 == 0 else pytest.mark.soak)
        for place, name in enumerate(sorted(NAMES, key=lambda name: name not in OF_EVERY_KIND))
        for turn, way in enumerate(ways)
    ]


@pytest.mark.parametrize(("name", "language", "width", "theme"), looks())
def test_axe_finds_nothing_and_nothing_is_cut_off(
    name: str, language: str, width: int, theme: str, lab_url: str, tabs: Tabs, axe_script: str
):
    with tabs.looking(lab_url, width, theme, bypass_csp=True, reduced_motion="reduce") as seen:
        seen.open(f"/{language}/lessons/{name}")
        settled(seen)
        assert violations(seen.page, axe_script) == []
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        assert seen.complaints == []


def test_axe_finds_what_is_wrong(lab_url: str, tabs: Tabs, axe_script: str):
    with tabs.looking(lab_url, bypass_csp=True) as seen:
        seen.open("/en/lessons")
        seen.page.evaluate("document.querySelector('main').append(document.createElement('button'))")
        (wrong,) = violations(seen.page, axe_script)
        assert wrong.startswith("button-name")


def test_a_window_is_dragged_over_the_image(lab_url: str, tabs: Tabs):
    with tabs.looking(lab_url) as seen:
        seen.open("/en/lessons/convolution")
        before = shown(seen)
        box = seen.page.locator("[data-view=map] svg").bounding_box()
        cell = box["width"] / 5
        seen.page.mouse.move(box["x"] + cell / 2, box["y"] + cell / 2)
        seen.page.mouse.down()
        seen.page.mouse.move(box["x"] + 2.5 * cell, box["y"] + 1.5 * cell, steps=4)
        seen.page.mouse.up()
        assert changed(seen, before)
        assert seen.page.locator("#c-row").input_value() == "1"
        assert seen.page.locator("#c-column").input_value() == "2"
        # Weights -1 0 1 on the pixels from row 1 and column 2: 1 1 2, 0 0 2 and 0 0 2
        assert "The framed value is 5." in seen.page.locator(".said").inner_text()
        assert "The framed value is 5." in seen.page.locator("#announcer").inner_text()


def test_a_cell_is_changed_by_a_click_and_by_the_space_bar(lab_url: str, tabs: Tabs):
    with tabs.looking(lab_url) as seen:
        seen.open("/en/lessons/pooling")
        before = shown(seen)
        assert "is 8." in seen.page.locator(".said").inner_text()
        image = seen.page.locator("[data-view=image] svg").bounding_box()
        for _ in range(2):  # row 2, column 2: from 8 to 9, then from 9 to 0
            seen.page.mouse.click(image["x"] + 1.5 * image["width"] / 5, image["y"] + 1.5 * image["height"] / 5)
            assert changed(seen, before)
            before = shown(seen)
        assert "is 4." in seen.page.locator(".said").inner_text()
        seen.page.focus("[data-view=image] .surface")
        seen.page.keyboard.press("ArrowRight")  # to row 1, column 2: 3
        seen.page.keyboard.press("Space")
        seen.page.keyboard.press("Space")
        assert changed(seen, before)
        assert seen.page.locator("#announcer").inner_text() != ""


def test_an_exercise_is_checked(lab_url: str, tabs: Tabs):
    with tabs.looking(lab_url) as seen:
        seen.open("/zh/lessons/convolution")
        form = seen.page.locator("form[data-exercise=side]")
        for answer, judgment in (("28", "还不对。"), ("32", "正确。")):
            form.locator("input").fill(answer)
            form.locator("button").click()
            seen.page.wait_for_function(
                "(text) => document.querySelector('form[data-exercise=side] .judgment').textContent.startsWith(text)",
                arg=judgment,
            )


def test_the_theme_stays_chosen(lab_url: str, chromium: Any):
    with looking(chromium, lab_url) as seen:
        seen.open("/en/lessons")
        light = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        seen.page.click("#theme")
        assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") != light
        seen.open("/en/lessons/pooling")
        assert seen.page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_server_that_is_gone_is_said_to_be(lab_url: str, chromium: Any):
    with looking(chromium, lab_url) as seen:
        seen.open("/en/lessons/pooling")
        settled(seen)
        seen.page.route("**/api/**", lambda route: route.abort())
        seen.page.focus("#c-stride")
        seen.page.keyboard.press("ArrowRight")
        seen.page.wait_for_selector("#fault:not([hidden])")
        assert "Is `striate lab` still running?" in seen.page.locator("#fault").inner_text()
