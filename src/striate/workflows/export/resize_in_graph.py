"""A second form of the graph, which takes one image of any size: resized and cut inside, to the pixels that Pillow makes.

ONNX's own Resize rounds once and computes in float32, Pillow after each of its two passes and in whole numbers: they differ by
some levels. So the passes are products with matrices of Pillow's weights, computed from the size of the image: weights in units
of 2**-22 and levels are whole numbers, whose sums float64 holds exactly.

Legend: H x W pixels of the image, S x S of the network's input, C channels.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.base import onnx_file
from striate.base.errors import NumbersError
from striate.base.events import Json
from striate.base.option_names import option
from striate.data import decode
from striate.data.decode import InputSpec
from striate.data.examples import Examples
from striate.model import Model
from striate.workflows.export.graph import Graph, traced
from striate.workflows.export.proof import TOLERANCE, Reference

IMAGES = 64  # held-out images of their own size that the file is proved on
_UNIT = 2.0**22  # of Pillow's weights
_LUMA = (19595.0, 38470.0, 7471.0)  # of 65536: red, green and blue in gray, as Pillow has it
_LONG = 8  # times as long as wide: as the decoder has it


class _Window(NamedTuple):
    """What becomes of one axis: `length` pixels from `start` on are resized to `out`; S of these from `offset` on are kept."""

    start: Tensor
    length: Tensor
    out: Tensor
    offset: Tensor


class AnySize(nn.Module):
    """The graph behind the resizing; its outputs are those of one image, and the pixels that the network saw."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.answers, self.spec = Graph(model), model.input_spec
        self.names = [*self.answers.names, "pixels"]

    def forward(self, image_HWC: Tensor) -> tuple[Tensor, ...]:
        """The outputs, in the order of `names`, each with a first axis of 1."""
        pixels_1SSC = resized(image_HWC, self.spec).unsqueeze(0)
        return (*self.answers(pixels_1SSC), pixels_1SSC)


def resized(image_HWC: Tensor, spec: InputSpec) -> Tensor:
    """What `decode.square` makes of a color image, S x S x C of uint8: the same bytes."""
    levels_CHW = image_HWC.permute(2, 0, 1).double()
    background_C = torch.tensor(spec.background, dtype=torch.float64)
    if spec.channels == 1:
        luma_C = torch.tensor(_LUMA, dtype=torch.float64)
        levels_CHW = ((levels_CHW * luma_C[:, None, None]).sum(dim=0, keepdim=True) + 32768).div(65536).floor()
        background_C = ((background_C * luma_C).sum(dim=0, keepdim=True) + 32768).div(65536).floor()
    rows_H, columns_W = (torch.arange(size, dtype=torch.float64) for size in levels_CHW.shape[1:])
    height, width = rows_H.amax(dim=0) + 1, columns_W.amax(dim=0) + 1
    down, across = _window(height, width, spec), _window(width, height, spec)
    rows_SH, columns_WS = _weights(rows_H, down, spec), _weights(columns_W, across, spec).T
    levels_CSS = by_columns_CSS = _rounded(rows_SH @ _rounded(levels_CHW @ columns_WS))
    if vertical_first():  # where it takes many more rows out than columns
        by_rows_CSS = _rounded(_rounded(rows_SH @ levels_CHW) @ columns_WS)
        tall = (height > down.out) & (height - down.out > 2 * (width - across.out))
        levels_CSS = torch.where(tall, by_rows_CSS, by_columns_CSS)
    if spec.resize_mode == "pad":
        inside_SS = _inside(down, spec)[:, None] & _inside(across, spec)[None, :]
        levels_CSS = torch.where(inside_SS, levels_CSS, background_C[:, None, None])
    return levels_CSS.permute(1, 2, 0).to(torch.uint8)


def vertical_first() -> bool:
    """Whether this Pillow resizes the columns of a tall image before its rows, as it does since 13; each pass rounds."""
    from PIL import Image

    tall_HW = (np.arange(27) * 89 % 251 * (1 + np.arange(27) % 5) % 256).astype(np.uint8).reshape(9, 3)
    image, method = Image.fromarray(tall_HW), Image.Resampling.BILINEAR
    columns_first = image.resize((3, 4), method).resize((7, 4), method)
    return image.resize((7, 4), method).tobytes() == columns_first.tobytes()


def _window(own: Tensor, other: Tensor, spec: InputSpec) -> _Window:
    """Of the axis that is `own` pixels long, as `decode` resizes, cuts and pads."""
    side, zero = torch.tensor(float(spec.size_px), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    if spec.resize_mode == "squash":
        return _Window(zero, own, side, zero)
    short, long = torch.minimum(own, other), torch.maximum(own, other)
    if spec.resize_mode == "pad":
        out = (own * (side / long)).round().clamp_min(1)
        return _Window(zero, own, out, -((side - out) / 2).floor())
    length = short * spec.share
    start = (own - length) / 2  # Pillow takes both ends of a box as float32
    first, end = start.float(), (start + length).float()
    box = _Window(first.double(), (end - first).double(), side, zero)
    if spec.share == 1:
        return box
    as_it_is = _Window(zero, own, side, zero)  # which is not cut where it has the size already
    resized_px = float(int(spec.size_px / spec.share + 1e-6))
    out = (own * resized_px / short).floor()
    whole = _Window(zero, own, out, ((out - side) / 2).round())
    is_long, fits = long > _LONG * short, (own == side) & (other == side)
    return _Window(*(torch.where(fits, a, torch.where(is_long, b, c)) for a, b, c in zip(as_it_is, box, whole, strict=True)))


def _kept(window: _Window, spec: InputSpec) -> Tensor:
    return torch.arange(spec.size_px, dtype=torch.float64) + window.offset


def _inside(window: _Window, spec: InputSpec) -> Tensor:
    kept_S = _kept(window, spec)
    return (kept_S >= 0) & (kept_S < window.out)


def _weights(positions_X: Tensor, window: _Window, spec: InputSpec) -> Tensor:
    """What each pixel of an axis counts for each of the S that are kept, S x X, in units of 2**-22; as Pillow's Resample.c."""
    scale = window.length / window.out
    wide = scale.clamp_min(1)
    reach = wide * (2.0 if spec.interpolation == "bicubic" else 1.0)
    centers_S1 = (window.start + (_kept(window, spec) + 0.5) * scale)[:, None]
    least_S1 = (centers_S1 - reach + 0.5).floor()
    end_S1 = (centers_S1 + reach + 0.5).floor()
    distances_SX = ((positions_X - centers_S1 + 0.5) * (1 / wide)).abs()
    if spec.interpolation == "bicubic":
        near_SX = (1.5 * distances_SX - 2.5) * distances_SX * distances_SX + 1
        far_SX = (((distances_SX - 5) * distances_SX + 8) * distances_SX - 4) * -0.5
        values_SX = torch.where(distances_SX < 1, near_SX, far_SX * (distances_SX < 2))
    else:
        values_SX = (1 - distances_SX).clamp_min(0)
    values_SX = values_SX * ((positions_X >= least_S1) & (positions_X < end_S1))
    sums_S1 = values_SX.sum(dim=1, keepdim=True)
    shares_SX = values_SX / torch.where(sums_S1 == 0, 1.0, sums_S1)
    return shares_SX.sign() * (shares_SX.abs() * _UNIT + 0.5).floor()


def _rounded(sums: Tensor) -> Tensor:
    """Levels, whole numbers from 0 to 255."""
    return (sums / _UNIT + 0.5).floor().clamp(0, 255)


def trace(model: Model) -> Any:
    """The second form as an ONNX graph, with any height and width."""
    sides = {0: torch.export.Dim("H"), 1: torch.export.Dim("W")}
    graph = AnySize(model)
    return traced(graph, torch.zeros(5, 7, 3, dtype=torch.uint8), sides, model.net_name, "image").proto


def originals(examples: Examples, rows_M: NDArray[np.int64], spec: InputSpec) -> list[NDArray[np.uint8]]:
    """The first of these images at their own size, with one channel where they are gray."""
    rows = rows_M[:IMAGES].tolist()
    if examples.pixels_NHWC is not None:
        return [examples.pixels_NHWC[row] for row in rows]
    return [decode.decode_image(examples.root / examples.names[row], spec.background, spec.white_level) for row in rows]


def prove(model: Model, content: bytes, images_HWC: list[NDArray[np.uint8]], images: Reference) -> Json:
    """Hold the file against images of their own sizes, of which `images` has the pixels of the network's size and the answers.

    Raises:
        NumbersError: a pixel, or a logit by more than 1e-4 of the largest, is another.

    """
    import onnxruntime

    onnx_file.no_telemetry()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    largest, bound = 0.0, TOLERANCE * max(1.0, float(np.abs(images.logits_NK).max()))
    for number, image_HWC in enumerate(images_HWC):
        color_HWC = np.ascontiguousarray(np.repeat(image_HWC, 3 // image_HWC.shape[2], axis=2))
        logits_1K, pixels_1SSC = session.run(["logits", "pixels"], {"image": color_HWC})
        levels = int(np.abs(pixels_1SSC[0].astype(int) - images.pixels_NHWC[number]).max())
        largest = max(largest, float(np.abs(logits_1K[0] - images.logits_NK[number]).max()))
        if levels or largest > bound:
            size = " x ".join(map(str, image_HWC.shape[:2]))
            what = f"a pixel by {levels} levels of 255" if levels else f"a logit by {largest:.3g}, more than {bound:.3g}"
            raise NumbersError(
                f"the {model.net_name} that takes images of any size differs by {what}, on a held-out image of {size} pixels. "
                f"No file was written; export without {option('any_size')}, and report this with what `striate doctor` prints."
            )
    return {"n": len(images_HWC), "max_abs_logit": largest}
