"""A folder for any static host: the ONNX file, a page that answers by it in the browser, and onnxruntime-web.

The page resizes as Pillow does, in the same integers; which of its passes is first depends on the version of Pillow.

Legend: H x W pixels.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from striate.workflows import image_page
from striate.workflows.engines import EXPORTED

_SOURCE = Path(__file__).with_name("web")
_SCRIPTS = ("classify.js", "pixels.js", "png.js")
# No request but to the folder; compiling WebAssembly has a word of its own
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
_LICENSE = "LICENSE-onnxruntime-web.txt"


def contents(model: bytes, facts: Mapping[str, Any], runtime: Mapping[str, bytes]) -> dict[str, bytes]:
    """All files of the folder by name; `facts` are what the ONNX file says of itself, which its runtime does not read."""
    described = {**facts, "vertical_first": vertical_first()}
    return {
        **image_page.files(_SOURCE, POLICY),
        **{name: (_SOURCE / name).read_bytes() for name in (*_SCRIPTS, _LICENSE)},
        **runtime,
        EXPORTED: model,
        "model.json": json.dumps(described, allow_nan=False).encode(),
    }


def vertical_first() -> bool:
    """Whether this Pillow resizes the columns of a tall image before its rows, as it does since 13; each pass rounds."""
    from PIL import Image

    tall_HW = (np.arange(27) * 89 % 251 * (1 + np.arange(27) % 5) % 256).astype(np.uint8).reshape(9, 3)
    image, method = Image.fromarray(tall_HW), Image.Resampling.BILINEAR
    columns_first = image.resize((3, 4), method).resize((7, 4), method)
    return image.resize((7, 4), method).tobytes() == columns_first.tobytes()
