"""The lab in a thread of the test's process, and a browser to look at it."""

import shutil
import threading
from collections.abc import Iterator
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
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda entry: self.complaints.append(entry.text) if entry.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

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
