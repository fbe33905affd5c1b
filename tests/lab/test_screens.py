"""The screens of the documentation: taken here, and written into docs/images where STRIATE_SCREENS is set."""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import striate
from support.documents import ROOT
from support.lab import looking, serving
from support.shape_images import make_folder

IMAGES = ROOT / "docs" / "images"
SCREENS = {
    "lab-convolution.png": ("/en/lessons/convolution", ".view", "light"),
    "lab-simple-cells.png": ("/en/lessons/simple_cells", ".view", "dark"),
    "lab-layers.png": ("/en/layers", "#tiles canvas", "light"),
    "lab-workbench.png": ("/en/", "main h2", "light"),
    "lab-run.png": ("/en/run?name=shapes", "#curves svg", "light"),
    "lab-try.png": ("/en/try?model=run:shapes", ".near canvas", "light"),
}


@pytest.fixture(scope="module")
def url_with_run(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[str]:
    """The address of a lab with a run that has compared three strategies."""
    folder = tmp_path_factory.mktemp("screens")
    make_folder(folder / "shapes", 40)
    epochs = {"epochs": 10}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # paths are shown as they were given
        striate.finetune(
            "shapes", weights="resnet20@cifar10", strategies=["extract", "adapt", "retrain"], name="shapes", report=False,
            settings={"finetune": {"adapt": epochs, "retrain": epochs}},
        )  # fmt: skip
        with serving(Path()) as url:
            yield url


@pytest.mark.soak
@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_taken(name: str, lab_url: str, url_with_run: str, chromium: Any):
    path, shown, theme = SCREENS[name]
    with looking(chromium, url_with_run if "shapes" in path else lab_url, 1280, theme, reduced_motion="reduce") as seen:
        seen.open(path)
        seen.page.wait_for_selector(shown, timeout=120_000)
        if "run?" in path:  # which asks again and again; its table and its curves
            seen.page.evaluate("(selector) => document.querySelector(selector).closest('figure').scrollIntoView(false)", shown)
        else:
            seen.page.wait_for_load_state("networkidle")
        content: bytes = seen.page.screenshot()
        assert seen.complaints == []
    pixels_HWC = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert pixels_HWC.shape == (900, 1280, 3)
    assert len(np.unique(pixels_HWC.reshape(-1, 3), axis=0)) > 50  # text and lines, not an empty page
    if os.environ.get("STRIATE_SCREENS"):
        (IMAGES / name).write_bytes(content)


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_in_the_documents(name: str):
    assert (IMAGES / name).is_file(), f"STRIATE_SCREENS=1 pytest -m soak {Path(__file__).name}"
    assert any(
        f"images/{name}" in page.read_text("utf-8") for page in (ROOT / "README.md", ROOT / "docs" / "how-to" / "lab.md")
    )
