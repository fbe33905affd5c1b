"""Progress in a notebook, with a stand-in for IPython that keeps what is displayed."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from striate.base import notebook
from striate.base.arguments import named_arguments
from striate.base.events import Json, Watch, quiet


class Display:
    """What `IPython.display.display` gives, and everything that was displayed."""

    def __init__(self) -> None:
        self.contents: list[dict[str, str]] = []

    def __call__(self, content: dict[str, str], raw: bool, display_id: bool) -> "Display":
        assert raw
        assert display_id
        assert self.contents == []
        return self.update(content, raw)

    def update(self, content: dict[str, str], raw: bool) -> "Display":
        assert raw
        self.contents.append(content)
        return self


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Display:
    display = Display()
    ipython, module = ModuleType("IPython"), ModuleType("IPython.display")
    vars(ipython)["get_ipython"] = lambda: SimpleNamespace(kernel=object())
    vars(module)["display"] = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return display


def texts(kernel: Display) -> list[str]:
    return [content["text/plain"] for content in kernel.contents]


@named_arguments()
def work(data: str, watch: Watch = quiet) -> Json:
    watch({"event": "note"})
    for done in range(3):
        watch({"event": "decode", "done": done, "total": 2})
    return {"data": data}


def test_progress_is_updated_in_place_and_gone_at_the_end(kernel: Display):
    assert work("photos") == {"data": "photos"}
    assert [content["text/plain"] for content in kernel.contents] == [
        "decoding 0 of 2 images",
        "decoding 2 of 2 images, 0 s left",
        "",
    ]
    assert kernel.contents[0]["text/html"] == '<progress max="2" value="0"></progress> decoding 0 of 2 images'


def test_a_function_that_reports_nothing_or_is_watched_shows_nothing(kernel: Display):
    events: list[Any] = []
    work("photos", events.append)
    work("photos", watch=events.append)
    assert len(events) == 8
    named_arguments()(lambda watch=quiet: watch({"event": "note"}))()
    assert kernel.contents == []


def test_the_bar_is_updated_five_times_a_second_and_goes_when_the_work_fails(kernel: Display):
    clock = SimpleNamespace(now=0.0)

    def fail() -> None:
        with notebook.progress_shown(lambda: clock.now) as watch:
            for step, clock.now in enumerate((0.0, 0.1, 0.3, 0.4)):
                watch({"event": "step", "step": step, "steps": 9, "loss": 1.0})
            watch({"event": "epoch", "epoch": 2, "accuracy": 0.875})
            watch({"event": "step", "step": 9, "steps": 9, "loss": 1.0})
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert texts(kernel) == [
        "training 0 of 9 steps",
        "training 2 of 9 steps, 1 s left",
        "epoch 2: validation accuracy 87.50 %; training 9 of 9 steps, 0 s left",
        "",
    ]


def test_a_terminal_is_no_notebook(monkeypatch: pytest.MonkeyPatch):
    assert not notebook.in_kernel()
    ipython = ModuleType("IPython")
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    for shell in (None, SimpleNamespace()):
        vars(ipython)["get_ipython"] = lambda shell=shell: shell
        assert not notebook.in_kernel()
