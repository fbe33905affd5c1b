"""The page as a browser shows it: light, dark, as wide as a phone, on paper."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import striate
from support.shape_images import make_folder

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--allow-file-access-from-files",
)  # fmt: skip
# What a page of another width would show: chromium's own windows are never as narrow as a phone
MEASURE = """<!doctype html><meta charset="utf-8"><body style="margin:0"><iframe src="{page}" width="{width}" height="900"
style="border:0"></iframe><pre id="out"></pre><script>
const frame = document.querySelector("iframe");
frame.onload = () => {{
  const page = frame.contentDocument, wide = page.documentElement.clientWidth;
  const over = [...page.querySelectorAll("body *")].filter(one => !one.closest(".scroll, pre, svg")
    && one.getBoundingClientRect().right > wide + 1).map(one => one.tagName + " " + one.className);
  const small = [...page.querySelectorAll("svg.plot text")].filter(one => one.getBoundingClientRect().height
    && !one.closest(".wide") && one.getBoundingClientRect().height < 5).length;
  document.querySelector("#out").textContent = JSON.stringify({{width: page.documentElement.scrollWidth, wide, over, small,
    broken: [...page.images].filter(one => !one.naturalWidth).length, images: page.images.length}});
}};</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    photos = make_folder(folder / "a folder with quite a long name of photos", 14)
    net = "conv 5x5x8, relu, pool 2, conv 3x3x16, relu, pool 2, fc"
    result = striate.train(
        photos.as_posix(),
        net=net,
        epochs=2,
        out=folder,
        name="a-rather-long-name-of-a-run",
        settings={"preprocess": {"size_px": 28}},
    )
    return Path(striate.write_report(result["run"])["report"])


def chromium(folder: Path, *arguments: str) -> str:
    ran = subprocess.run(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", *arguments], capture_output=True, text=True,
        timeout=120, env={**os.environ, "HOME": str(folder)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-1000:]
    return ran.stdout


def corner(page: Path, folder: Path, *flags: str) -> tuple[int, int]:
    """Brightness of the paper at the upper left corner, and of the darkest or brightest text against it."""
    shot = folder / "shot.png"
    chromium(folder, "--window-size=1000,900", f"--screenshot={shot}", *flags, page.as_uri())
    with Image.open(shot) as image:
        gray = np.asarray(image.convert("L")).astype(int)
    paper = int(gray[2, 2])
    return paper, int(np.abs(gray - paper).max())


def test_it_is_light_where_the_reader_wants_light_and_dark_where_dark(page: Path, tmp_path: Path):
    paper, contrast = corner(page, tmp_path, "--blink-settings=preferredColorScheme=1")
    assert paper > 240
    assert contrast > 180
    paper, contrast = corner(page, tmp_path, "--blink-settings=preferredColorScheme=0")
    assert paper < 40
    assert contrast > 150


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_sticks_out_and_every_image_is_there(page: Path, tmp_path: Path, width: int):
    outer = tmp_path / "outer.html"
    outer.write_text(MEASURE.format(page=page.as_uri(), width=width), "utf-8")
    text = chromium(tmp_path, "--dump-dom", "--virtual-time-budget=5000", outer.as_uri())
    found = json.loads(re.findall(r'<pre id="out">(.*?)</pre>', text, re.DOTALL)[0])
    assert found["over"] == []
    assert found["width"] <= found["wide"]
    assert found["broken"] == 0
    assert found["images"] > 10
    assert found["small"] == 0


def test_it_prints(page: Path, tmp_path: Path):
    paper = tmp_path / "page.pdf"
    chromium(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={paper}", page.as_uri())
    content = paper.read_bytes()
    assert content.startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page\b", content))
    assert 3 <= pages <= 14
