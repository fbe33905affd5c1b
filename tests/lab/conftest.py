"""One lab for all pages that are looked at."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import striate
from striate.lab import lesson_api
from support import axe
from support.lab import Tabs, serving
from support.shape_images import make_folder


@pytest.fixture(autouse=True)
def trainings_end() -> Iterator[None]:
    """A training that a test has begun in its lesson ends with it."""
    yield
    lesson_api.close()


@pytest.fixture(scope="session")
def lab_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run `runs/shapes` and its images `shapes`, which are colored circles and squares and triangles."""
    folder = tmp_path_factory.mktemp("lab-run")
    data = make_folder(folder / "shapes", 20)
    settings = {"train": {"epochs": 2}}
    striate.train(
        str(data), net="conv 5x5x6, relu, pool 2, fc 3", out=folder / "runs", name="shapes", report=False, settings=settings
    )
    return folder


@pytest.fixture(scope="session")
def lab_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a lab that runs."""
    with serving(Path(tmp_path_factory.mktemp("lab"))) as url:
        yield url


@pytest.fixture(scope="session")
def tabs(chromium: Any) -> Tabs:
    """Windows of the browser for tests that change nothing of the window itself."""
    return Tabs(chromium)


@pytest.fixture(scope="session")
def axe_script(cache: Path) -> str:
    """axe-core."""
    return axe.script()
