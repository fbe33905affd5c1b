"""Changes of single levels as tables: 256 new levels for each channel of each image, so that pixels are looked up once.

Tables act on an image's own uint8 pixels, before it is sampled once (`geometry.py`) and its colors are multiplied once
(`color.py`). Several are composed by indexing, a table of a table; what depends on the histogram sees it as the tables before
have left it. The definitions are torchvision's and Pillow's, and `torchvision.transforms.v2.functional` gives the same levels,
but for autocontrast: what it cuts off to whole levels was computed in float32, and is one level lower now and then.

Legend: N images, C channels, H x W pixels; B is 1 or C, where one table serves all channels.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.base.hash_rng import uniform
from striate.base.settings import Augment

Tables = NDArray[np.uint8]
Histograms = NDArray[np.int64]
Chosen = NDArray[np.bool_]
Whole = NDArray[np.int64]

LEVELS = np.arange(256, dtype=np.uint8)
UNTOUCHED = 256  # a threshold that no level reaches
SMALLEST_EQUALIZED_PX = 16
_AT_ONCE = 2**20  # pixels whose levels are counted at once, as 8 MiB of indices


class Step(NamedTuple):
    """What is done to N images, in this order; an image that nothing is drawn for keeps its levels."""

    posterize_N: Whole  # bits taken away, 0 to 8
    solarize_N: Whole  # level from which on all are inverted; `UNTOUCHED` for none
    equalize_N: Chosen  # whether each channel's histogram is made even
    autocontrast_N: Chosen  # whether each channel is stretched from 0 to 255


def draw(settings: Augment, ids_N: NDArray[np.uint64], seed: int, epoch: int) -> Step | None:
    """What the settings ask for, drawn by (seed, epoch, id); None where they ask for no table."""
    if not (settings.posterize or settings.solarize or settings.equalize or settings.autocontrast):
        return None

    def draw(purpose: str) -> NDArray[np.float64]:
        return uniform(ids_N, seed, epoch, "augment", purpose)

    solarize_N = np.full(len(ids_N), UNTOUCHED)
    if settings.solarize:
        solarize_N = np.ceil(255 * (1 - settings.solarize * draw("solarize"))).astype(np.int64)
    return Step(
        posterize_N=np.floor((settings.posterize + 1) * draw("posterize")).astype(np.int64),
        solarize_N=solarize_N,
        equalize_N=draw("equalize") < settings.equalize,
        autocontrast_N=draw("autocontrast") < settings.autocontrast,
    )


def compose(steps: Sequence[Step], pixels_NHWC: NDArray[np.uint8], device: torch.device) -> Tables | None:
    """N x C x 256: one table that does what the steps do one after another; None where they change no image of these."""
    n, channels = len(pixels_NHWC), pixels_NHWC.shape[3]
    counted_N = np.any([step.equalize_N | step.autocontrast_N for step in steps], axis=0)
    counts_NC256 = np.zeros((n, channels, 256), np.int64)
    if counted_N.any():
        counts_NC256[counted_N] = histograms(pixels_NHWC[counted_N], device)
    whole_NC256 = np.tile(LEVELS, (n, channels, 1))
    for step in steps:
        if step.posterize_N.any():
            whole_NC256 = chain(whole_NC256, posterize(step.posterize_N))
        if (step.solarize_N < UNTOUCHED).any():
            whole_NC256 = chain(whole_NC256, solarize(step.solarize_N))
        for chosen_N, make in ((step.equalize_N, equalize), (step.autocontrast_N, autocontrast)):
            if chosen_N.any():
                some = whole_NC256[chosen_N]
                whole_NC256[chosen_N] = chain(some, make(transform_histograms(counts_NC256[chosen_N], some)))
    return whole_NC256 if (whole_NC256 != LEVELS).any() else None


def chain(first_NC256: Tables, second_NB256: Tables) -> Tables:
    """One table that does what the two do one after another."""
    second_NC256 = np.broadcast_to(second_NB256, first_NC256.shape)
    return np.take_along_axis(second_NC256, first_NC256.astype(np.intp), axis=2)


def posterize(bits_N: Whole) -> Tables:
    """N x 1 x 256 tables that set so many of the 8 bits to 0, the lowest first."""
    kept_N = (0xFF << bits_N) & 0xFF
    return (LEVELS & kept_N[:, None, None]).astype(np.uint8)


def solarize(thresholds_N: Whole) -> Tables:
    """N x 1 x 256 tables that invert all levels from a threshold on."""
    return np.where(thresholds_N[:, None, None] <= LEVELS, 255 - LEVELS, LEVELS)


def equalize(counts_NC256: Histograms) -> Tables:
    """N x C x 256 tables that make each histogram as even as whole levels can be.

    As Pillow's `ImageOps.equalize`: a level goes where the pixels below it stand among all but those of the highest level that
    occurs, in whole numbers. A channel whose other pixels are fewer than 255 keeps its levels, as every one does in images of
    less than `SMALLEST_EQUALIZED_PX`.
    """
    below_NC256 = np.cumsum(counts_NC256, axis=2)
    highest_NC1 = below_NC256.argmax(axis=2, keepdims=True)
    others_NC1 = below_NC256[..., -1:] - np.take_along_axis(counts_NC256, highest_NC1, axis=2)
    step_NC1 = others_NC1 // 255
    places_NC256 = (below_NC256 - counts_NC256 + step_NC1 // 2) // np.maximum(step_NC1, 1)
    return np.where(step_NC1 == 0, LEVELS, np.minimum(places_NC256, 255)).astype(np.uint8)


def autocontrast(counts_NC256: Histograms) -> Tables:
    """N x C x 256 tables that bring the lowest level there is to 0 and the highest to 255; a plain channel keeps its levels."""
    occurs_NC256 = counts_NC256 > 0
    low_NC1 = occurs_NC256.argmax(axis=2)[..., None]
    high_NC1 = 255 - occurs_NC256[..., ::-1].argmax(axis=2)[..., None]
    stretched_NC256 = (LEVELS.astype(np.int64) - low_NC1) * 255 // np.maximum(high_NC1 - low_NC1, 1)
    return np.where(high_NC1 <= low_NC1, LEVELS, np.clip(stretched_NC256, 0, 255)).astype(np.uint8)


def histograms(pixels_NHWC: NDArray[np.uint8], device: torch.device) -> Histograms:
    """N x C x 256 counts of the levels of each channel of each image, counted on the device."""
    n, height, width, channels = pixels_NHWC.shape
    counts_NC256 = np.empty((n, channels, 256), np.int64)
    step = max(1, _AT_ONCE // (height * width * channels))
    for start in range(0, n, step):
        part = torch.from_numpy(pixels_NHWC[start : start + step]).to(device)
        levels_NCP = part.permute(0, 3, 1, 2).flatten(2).long()
        zeros = torch.zeros(len(part), channels, 256, dtype=torch.int64, device=device)
        counts = zeros.scatter_add_(2, levels_NCP, levels_NCP.new_ones(1).expand_as(levels_NCP))
        counts_NC256[start : start + step] = counts.cpu().numpy()
    return counts_NC256


def transform_histograms(counts_NC256: Histograms, tables_NC256: Tables) -> Histograms:
    """The histograms of the images after their tables."""
    n, channels, _ = counts_NC256.shape
    bins_NC256 = tables_NC256 + np.arange(n * channels).reshape(n, channels, 1) * 256
    # Weights are float64, in which counts of pixels are exact
    sums = np.bincount(bins_NC256.ravel(), weights=counts_NC256.ravel(), minlength=n * channels * 256)
    return sums.astype(np.int64).reshape(n, channels, 256)


def apply(pixels_NCHW: Tensor, tables_NC256: Tables) -> Tensor:
    """uint8 pixels through their tables, as float32 from 0 to 255, on the pixels' device."""
    n, channels = pixels_NCHW.shape[:2]
    device = pixels_NCHW.device
    flat = torch.from_numpy(tables_NC256).to(device).to(torch.float32).flatten()
    places = torch.empty(pixels_NCHW.shape, dtype=torch.int32, device=device)
    starts = torch.arange(n * channels, dtype=torch.int32, device=device).view(n, channels, 1, 1) * 256
    torch.add(pixels_NCHW, starts, out=places)
    return torch.index_select(flat, 0, places.flatten()).view(pixels_NCHW.shape)
