"""The screens of the documentation: taken here, and written into docs/images where STRIATE_SCREENS is set."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.documents import ROOT
from support.lab import looking

IMAGES = ROOT / "docs" / "images"
SCREENS = {
    "lab-convolution.png": ("/en/lessons/convolution", ".view", "light"),
    "lab-simple-cells.png": ("/en/lessons/simple_cells", ".view", "dark"),
    "lab-layers.png": ("/en/layers", "#tiles canvas", "light"),
    "lab-workbench.png": ("/en/", "main h2", "light"),
}


@pytest.mark.soak
@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_taken(name: str, lab_url: str, chromium: Any):
    path, shown, theme = SCREENS[name]
    with looking(chromium, lab_url, 1280, theme, reduced_motion="reduce") as seen:
        seen.open(path)
        seen.page.wait_for_selector(shown, timeout=120_000)
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
