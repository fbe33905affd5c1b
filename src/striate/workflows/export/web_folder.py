"""A folder for any static host: the ONNX file, a page that answers by it in the browser, and onnxruntime-web.

The page resizes as Pillow does, in the same integers; which of its passes is first depends on the version of Pillow.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from striate.workflows import image_page
from striate.workflows.engines import EXPORTED
from striate.workflows.export.resize_in_graph import vertical_first

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
