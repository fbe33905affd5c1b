"""The lab in a thread of the test's process, and a browser to look at it."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from striate.lab.app import build_app, with_layers
from striate.lab.options import LabOptions
from striate.lab.server import Server
from striate.workflows.serve.listening import listen, url_of
from support import tested_runs

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


def client(root: Path, **options: Any) -> TestClient:
    """A lab without a network; as a context it also begins and ends as a server does."""
    given = LabOptions(root=root, **options)
    return TestClient(with_layers(build_app(given), given), base_url="http://localhost", follow_redirects=False)


def two_runs(out: Path) -> None:
    """Runs that were tested on the digits 0 to 5: of `a` the last, of `<b>` the first two are wrong."""
    images, classes = tested_runs.digits(6), "0123456789"
    tested_runs.write(out / "a", images, [0, 1, 2, 3, 4, 4], classes)
    tested_runs.write(out / "<b>", images, [1, 0, 2, 3, 4, 5], classes)


@contextmanager
def serving(root: Path, **options: Any) -> Iterator[str]:
    """A lab that runs for the block; its address."""
    listening = listen("127.0.0.1", 0)
    server = Server(LabOptions(root=root, out=root / "runs", **options))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield url_of("127.0.0.1", listening)
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()


class Seen:
    """A page of a browser, with every request and every complaint of its console."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self.url = page, url
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.listeners: dict[str, Callable[[Any], None]] = {
            "request": lambda request: self.requests.append(request.url),
            "console": lambda entry: self.complaints.append(entry.text) if entry.type in ("error", "warning") else None,
            "pageerror": lambda error: self.complaints.append(str(error)),
        }
        for event, listener in self.listeners.items():
            page.on(event, listener)

    def open(self, path: str) -> None:
        """Open a page of the lab."""
        self.page.goto(self.url + path)

    def elsewhere(self) -> list[str]:
        """Requests that left the lab."""
        return [request for request in self.requests if not request.startswith((self.url, "blob:"))]


@contextmanager
def browser() -> Iterator[Any]:
    """Debian's chromium for the block; skips where playwright is not installed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'striate[test]'")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield running
        finally:
            running.close()


@contextmanager
def looking(running: Any, url: str, width: int = 1280, theme: str = "light", **context: Any) -> Iterator[Seen]:
    """A page in a window of this width."""
    opened = running.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, **context)
    try:
        yield Seen(opened.new_page(), url)
    finally:
        opened.close()


class Tabs:
    """A window with and one without the pages' security policy, which one test after the other looks through.

    A window of its own costs a test over a second of processor time. What a test changes of the window itself, like its routes
    or its dialogs, stays: such a test opens one with `looking`.
    """

    def __init__(self, running: Any) -> None:
        self.running = running
        self.opened: dict[bool, Any] = {}

    @contextmanager
    def looking(
        self, url: str, width: int = 1280, theme: str = "light", bypass_csp: bool = False, reduced_motion: str = "no-preference"
    ) -> Iterator[Seen]:
        """A page as in a new window of this width: nothing is kept from the test before."""
        page = self.opened.get(bypass_csp) or self.running.new_context(bypass_csp=bypass_csp).new_page()
        self.opened[bypass_csp] = page
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme, reduced_motion=reduced_motion)
        seen = Seen(page, url)
        try:
            yield seen
            page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
            page.context.clear_cookies()
            page.goto("about:blank")
        except BaseException:  # the next test gets another
            self.opened.pop(bypass_csp).context.close()
            raise
        for event, listener in seen.listeners.items():
            page.remove_listener(event, listener)
