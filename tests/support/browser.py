"""A folder served on this machine, and a page of it run by chromium until it sends what it has to say."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.paths.append(self.path)  # type: ignore[attr-defined]
        super().do_GET()

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        self.server.said = json.loads(content)  # type: ignore[attr-defined]
        self.server.heard.set()  # type: ignore[attr-defined]


class Site(ThreadingHTTPServer):
    """A server of one folder that remembers what was asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.paths: list[str] = []
        self.heard = threading.Event()
        self.said: Any = None


@contextmanager
def serving(folder: Path) -> Iterator[Site]:
    """The folder as a static host serves it."""
    with Site(folder) as site:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        try:
            yield site
        finally:
            site.shutdown()
            thread.join()


def hear(site: Site, page: str, profile: Path, seconds: float = 120) -> Any:
    """What a page posts first, as JSON."""
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", f"{site.address}/{page}", "--remote-debugging-port=0"]
    environment = {**os.environ, "HOME": str(profile.parent)}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as browser:
        try:
            assert site.heard.wait(seconds), f"the page said nothing; it asked for {site.paths}"
        finally:
            browser.kill()
    return site.said
