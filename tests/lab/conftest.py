"""One lab and one browser for all pages that are looked at."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import axe
from support.lab import CHROMIUM, browser, serving


@pytest.fixture(scope="session")
def lab_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a lab that runs."""
    with serving(Path(tmp_path_factory.mktemp("lab"))) as url:
        yield url


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser that runs; skips where there is none."""
    if CHROMIUM is None:
        pytest.skip("needs chromium: apt-get install chromium")
    with browser() as running:
        yield running


@pytest.fixture(scope="session")
def axe_script(cache: Path) -> str:
    """axe-core."""
    return axe.script()
