"""The page as a browser shows it: light, dark, as wide as a phone, on paper."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import striate
from support.shape_images import make_folder

MEASURE = """() => {
  const wide = document.documentElement.clientWidth;
  const over = [...document.querySelectorAll("body *")].filter(one => !one.closest(".scroll, pre, svg")
    && one.getBoundingClientRect().right > wide + 1).map(one => one.tagName + " " + one.className);
  const small = [...document.querySelectorAll("svg.plot text")].filter(one => one.getBoundingClientRect().height
    && !one.closest(".wide") && one.getBoundingClientRect().height < 5).length;
  return {width: document.documentElement.scrollWidth, wide, over, small,
    broken: [...document.images].filter(one => !one.naturalWidth).length, images: document.images.length};
}"""


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


@pytest.fixture(scope="module")
def tab(chromium: Any) -> Iterator[Any]:
    """A page of the browser, which all tests here use: another takes over a second of processor time."""
    opened = chromium.new_context()
    yield opened.new_page()
    opened.close()


def corner(page: Path, tab: Any, theme: str) -> tuple[int, int]:
    """Brightness of the paper at the upper left corner, and of the darkest or brightest text against it."""
    tab.set_viewport_size({"width": 1000, "height": 900})
    tab.emulate_media(color_scheme=theme)
    tab.goto(page.as_uri())
    gray = np.asarray(Image.open(io.BytesIO(tab.screenshot())).convert("L")).astype(int)
    paper = int(gray[2, 2])
    return paper, int(np.abs(gray - paper).max())


def test_it_is_light_where_the_reader_wants_light_and_dark_where_dark(page: Path, tab: Any):
    paper, contrast = corner(page, tab, "light")
    assert paper > 240
    assert contrast > 180
    paper, contrast = corner(page, tab, "dark")
    assert paper < 40
    assert contrast > 150


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_sticks_out_and_every_image_is_there(page: Path, tab: Any, width: int):
    tab.set_viewport_size({"width": width, "height": 900})
    tab.goto(page.as_uri())
    found = tab.evaluate(MEASURE)
    assert found["over"] == []
    assert found["width"] <= found["wide"] == width
    assert found["broken"] == 0
    assert found["images"] > 10
    assert found["small"] == 0


def test_it_prints(page: Path, tab: Any):
    tab.goto(page.as_uri())
    content: bytes = tab.pdf()
    assert content.startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page\b", content))
    assert 3 <= pages <= 14
