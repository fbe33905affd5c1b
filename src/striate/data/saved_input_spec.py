"""An input spec as model.json and an ONNX file hold it."""

from collections.abc import Mapping
from typing import Any

from striate.data.decode import InputSpec

_MOST_SIDE = 4096  # pixels, as preprocess.size_px


def as_json(input_spec: InputSpec) -> dict[str, Any]:
    """For JSON."""
    return {**input_spec._asdict(), "background": list(input_spec.background)}


def read(saved: Mapping[str, Any]) -> InputSpec:
    """What `as_json` gave; a ValueError or TypeError where it describes none."""
    input_spec = InputSpec(**{**saved, "background": tuple(saved["background"])})
    if not 1 <= input_spec.size_px <= _MOST_SIDE:
        raise ValueError(f"images of {input_spec.size_px:,} pixels a side; at most {_MOST_SIDE:,}")
    if input_spec.interpolation not in ("bilinear", "bicubic") or not 0 < input_spec.share <= 1:
        raise ValueError(f"images resized by {input_spec.interpolation!r}, of which {input_spec.share!r} is kept")
    return input_spec
