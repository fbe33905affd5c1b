"""The report: one HTML file that needs no server, no network and no scripts.

Numbers come in as `facts`, which are also its JSON; what is drawn comes in as `figures`, by the name of the place.
"""

import base64
import re
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.base.events import Json
from striate.base.phrases import percent, without_controls

VERDICTS = ("healthy", "dead", "blank", "duplicate", "nearly dead", "noisy")
FIGURES = (
    "curves", "gradients", "classes", "confusion", "reliability", "risk_coverage", "plane", "kernels", "weights", "mistakes",
    "uncertain", "pairs", "labels", "precision_recall",
)  # fmt: skip
_CLASSES, _FILES = 100, 50  # rows of a table that are shown; the JSON has all
_TEMPLATES = Path(__file__).with_name("templates")
_SIDE_PX = 128  # of images in the page


def render(facts: Json, figures: Json) -> str:
    """The page as text.

    Args:
        facts: as `striate.workflows.report.build` gathers them.
        figures: by names of `FIGURES`; <svg> text, for `curves` and `plane` lists of it; for `mistakes` and `uncertain` a
            dictionary for each row: `image`, `heat` and `neighbors` as data URIs, and `kind`; for `pairs` `images` and `kind`.
            What is missing is left out.

    """
    given = {**dict.fromkeys(FIGURES), **figures}
    return render_template(
        "report.html", facts=facts, figures=given, shown_classes=_CLASSES, shown_files=_FILES, verdicts=VERDICTS
    )


def render_template(name: str, **values: Any) -> str:
    """A page of `templates/`, with the style of the report."""
    style = _TEMPLATES.joinpath("style.css").read_text("utf-8")
    page: str = _environment().get_template(name).render(style=style, **values)
    return without_controls(page)  # HTML knows no control characters either


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup, escape

    def code(text: str) -> str:
        return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))

    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, undefined=StrictUndefined)
    environment.filters["code"] = code
    environment.filters["percent"] = lambda share, places=2: Markup(percent(share, places).replace(" ", "&nbsp;"))
    return environment


def data_uri(image_HWC: NDArray[np.uint8]) -> str:
    """An image for the page, at most 128 px: PNG where it is small, so that every pixel is as it was, else JPEG."""
    from PIL import Image

    plain = image_HWC[..., 0] if image_HWC.shape[-1] == 1 else image_HWC
    image, buffer = Image.fromarray(plain), BytesIO()
    small = max(image.size) <= _SIDE_PX // 2
    if not small:
        image.thumbnail((_SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS)
    if small:
        image.save(buffer, "PNG", optimize=True)
    else:
        image.save(buffer, "JPEG", quality=85)
    return f"data:image/{'png' if small else 'jpeg'};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def kind_of(image_HWC: NDArray[np.uint8]) -> str:
    """The attribute by which a larger image is scaled smoothly, where a small one keeps its pixels."""
    return "" if max(image_HWC.shape[:2]) <= _SIDE_PX // 2 else ' class="photo"'
