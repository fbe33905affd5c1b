"""Random changes to training images, batched: tables and matrices are composed for each image and pixels are touched once.

The order of an image's changes: tables of levels, sharpness (of the policies), place, color, erasing; each kind is made once.

What is drawn for an image is a hash of (seed, epoch, id): it does not depend on the batch, on the number of processes or on
where a run was resumed. Labels never change here: what mixes them is in `mixup.py`.

Legend: N images, M images of the training part, C channels, H x W pixels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.base.errors import SettingError
from striate.base.hash_rng import uniform
from striate.base.settings import Augment
from striate.batches import augment_policies, color, geometry, lookup_tables
from striate.batches.mixup import Rectangles
from striate.data.on_the_fly import PixelRows, in_chunks

_CHUNK = 2048
_AT_ONCE = 2**18  # numbers: 1 MiB of float32
_AREA, _RATIO = (0.02, 0.33), (0.3, 3.3)  # of an erased rectangle (Zhong et al. 2020, section 4)


@dataclass(frozen=True)
class Augmentation:
    """The changes that a training makes, with what they need to know of the training pixels."""

    settings: Augment  # section [augment]
    seed: int  # of the run
    mean_C: tuple[float, ...]  # mean level of each channel, in [0, 1], which erased rectangles get
    # of color images: principal components of the pixels times their variances, for `pca_noise`
    colors_33: NDArray[np.float64] | None = None

    @property
    def mixes(self) -> bool:
        """Whether each image is mixed with the next."""
        return bool(self.settings.mixup or self.settings.cutmix)

    def images(self, pixels_NHWC: NDArray[np.uint8], ids_N: NDArray[np.uint64], epoch: int, device: torch.device) -> Tensor:
        """uint8 pixels as changed float32 images in [0, 1], N x C x H x W, on the device."""
        settings, seed = self.settings, self.seed
        n, side_px, _, channels = pixels_NHWC.shape
        if not n:
            return torch.empty(0, channels, side_px, side_px, device=device)
        turns = augment_policies.draw(settings, ids_N, channels, side_px, seed, epoch)
        table_steps = lookup_tables.draw(settings, ids_N, seed, epoch), *augment_policies.steps(turns)
        steps = [step for step in table_steps if step is not None]
        looked_up = lookup_tables.compose(steps, pixels_NHWC, device) if steps else None
        moves_N33 = geometry.homographies(settings, ids_N, side_px, seed, epoch, augment_policies.places(turns, side_px))
        factors = augment_policies.factors(turns)
        contrasted_N = np.any([np.full(n, bool(settings.contrast)), *(factor.contrast_N != 1 for factor in factors)], axis=0)
        means_NC = _means(pixels_NHWC, looked_up, contrasted_N)
        levels_NCD = color.matrices(settings, ids_N, means_NC, self.colors_33, seed, epoch, factors)
        looks_up_N = np.zeros(n, bool) if looked_up is None else (looked_up != lookup_tables.LEVELS).any(axis=(1, 2))
        pixels_NCHW = torch.from_numpy(pixels_NHWC).to(device).permute(0, 3, 1, 2)
        images_NCHW = torch.empty(n, channels, side_px, side_px, device=device)
        step = max(1, _AT_ONCE // (channels * side_px**2))  # few enough for the processor's cache, through which all passes
        places: Iterable[geometry.Places | None] = repeat(None)
        changes: Iterable[color.Changes | None] = repeat(None)
        if moves_N33 is not None:
            places = geometry.places(moves_N33, side_px, side_px, device).split(step)
        if levels_NCD is not None:
            changes = color.changes(levels_NCD, 255.0, device).split(step)
        parts = zip(torch.split(pixels_NCHW, step), torch.split(images_NCHW, step), places, changes, strict=False)
        for number, (part, out_NCHW, place, change) in enumerate(parts):
            some = slice(number * step, (number + 1) * step)
            if looked_up is not None and looks_up_N[some].any():
                part = lookup_tables.apply(part, looked_up[some])
            else:
                part = part.to(torch.float32, memory_format=torch.contiguous_format)
            part = augment_policies.sharpen_rows(part, turns, some)
            if place is not None:
                part = geometry.sample_at(part, place, settings.border)
            if change is None:
                torch.div(part, 255.0, out=out_NCHW)
            else:
                color.apply_changes(part, change, out_NCHW)
        return self._erase(images_NCHW, ids_N, epoch)

    def _erase(self, images_NCHW: Tensor, ids_N: NDArray[np.uint64], epoch: int) -> Tensor:
        if not self.settings.random_erasing:
            return images_NCHW

        def draw(purpose: str) -> NDArray[np.float64]:
            return uniform(ids_N, self.seed, epoch, "augment", f"erase {purpose}")

        side_px = images_NCHW.shape[-1]
        areas = (_AREA[0] + draw("area") * (_AREA[1] - _AREA[0])) * side_px**2
        low, high = np.log(_RATIO[0]), np.log(_RATIO[1])
        ratios = np.exp(low + draw("ratio") * (high - low))
        wide = np.clip(np.rint(np.sqrt(areas * ratios)), 1, side_px).astype(np.int64)
        tall = np.clip(np.rint(np.sqrt(areas / ratios)), 1, side_px).astype(np.int64)
        wide[draw("whether") >= self.settings.random_erasing] = 0
        left = np.floor(draw("x") * (side_px - wide + 1)).astype(np.int64)
        top = np.floor(draw("y") * (side_px - tall + 1)).astype(np.int64)
        return erase(images_NCHW, Rectangles(left, left + wide, top, top + tall), self.mean_C)


def erase(images_NCHW: Tensor, rectangles: Rectangles, mean_C: Sequence[float]) -> Tensor:
    """The images with these levels in a rectangle of each."""
    inside = rectangles.mask(images_NCHW.shape[-1], images_NCHW.device)
    return torch.where(inside, images_NCHW.new_tensor(mean_C).view(-1, 1, 1), images_NCHW)


def _means(
    pixels_NHWC: NDArray[np.uint8], looked_up: lookup_tables.Tables | None, wanted_N: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Mean level of each channel of each wanted image, over about 64 x 64 pixels, summed in whole numbers; of others 0."""
    means_NC = np.zeros((len(pixels_NHWC), pixels_NHWC.shape[3]))
    step = max(1, pixels_NHWC.shape[1] // 64)
    some = pixels_NHWC[wanted_N, ::step, ::step]
    if looked_up is not None:
        n, _, _, channels = some.shape
        some = looked_up[wanted_N][np.arange(n)[:, None, None, None], np.arange(channels), some]
    # Rows first, which lie as they are: four times as fast as both sides at once; 64 x 255 are few for 32 bits
    sums_NC = some.sum(axis=1, dtype=np.uint32).sum(axis=1, dtype=np.int64)
    means_NC[wanted_N] = sums_NC / (255.0 * some.shape[1] * some.shape[2])
    return means_NC


def is_on(settings: Augment) -> bool:
    """Whether anything is changed at all."""
    return any(bool(getattr(settings, name)) for name in Augment.model_fields if name not in ("border", "flip_alternate"))


def fit(settings: Augment, pixels_NHWC: PixelRows, rows_M: NDArray[np.int64], seed: int) -> Augmentation | None:
    """The augmentation that the settings ask for, with the moments of the training pixels that it needs; None for none."""
    if not is_on(settings):
        return None
    side_px, channels = pixels_NHWC.shape[2:]
    check(settings, side_px, channels)
    total, products, count = np.zeros(channels), np.zeros((channels, channels)), 0
    if settings.random_erasing or settings.pca_noise:
        for pixels in in_chunks(pixels_NHWC, rows_M, _CHUNK):
            levels = pixels.reshape(-1, channels) / 255.0
            total, products, count = total + levels.sum(axis=0), products + levels.T @ levels, count + len(levels)
    mean_C = total / max(count, 1)
    pca_noise = principal_colors(products / count - np.outer(mean_C, mean_C)) if settings.pca_noise else None
    return Augmentation(settings, seed, tuple(float(level) for level in mean_C), pca_noise)


def check(settings: Augment, side_px: int, channels: int) -> None:
    """Refuse changes that images of this size and color do not take."""
    if settings.equalize and side_px < lookup_tables.SMALLEST_EQUALIZED_PX:
        raise SettingError(
            f"augment.equalize changes no image below {lookup_tables.SMALLEST_EQUALIZED_PX} px; the images have {side_px}. "
            "Remove it, or make preprocess.size_px larger."
        )
    if channels == 1:
        for name in color.COLOR_ONLY:
            if getattr(settings, name):
                raise SettingError(f"augment.{name} does not apply to gray images; remove it.")


def principal_colors(covariance_33: NDArray[np.float64]) -> NDArray[np.float64]:
    """[p1 l1, p2 l2, p3 l3]: components of pixel colors times their variances (Krizhevsky et al. 2012, section 4.1)."""
    variances_3, components_33 = np.linalg.eigh(covariance_33)
    colors_33: NDArray[np.float64] = components_33 * variances_3
    return colors_33
