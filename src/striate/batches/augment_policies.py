"""Policies that draw whole changes: RandAugment (Cubuk et al. 2020) and TrivialAugment (Müller & Hutter 2021).

RandAugment applies `policy_ops` changes of one strength to each image, TrivialAugment one change of any strength. What they
draw becomes the matrices and tables of `geometry.py`, `color.py` and `lookup_tables.py`, a neutral one for images that drew
something else, so a policy costs no second interpolation. The spaces and strengths are those of
`torchvision.transforms.v2.RandAugment` and `TrivialAugmentWide`.

Departures:
    - Each kind of change is made once: of an image's changes tables come first, then sharpness, then those of place, then
      those of color, whatever order they were drawn in; the published order is kept within a kind only.
    - Pixels are interpolated (bilinear) where the papers take the nearest, outside of an image lies `augment.border` in
      place of black or gray, and a shear is around the middle in place of the corner.
    - TrivialAugment moves by up to 32 pixels whatever the size; here by at most half a side, since a small image would
      leave altogether, and at a mirror border come back as its mirror image.

Legend: N images.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.base.hash_rng import uniform
from striate.base.settings import Augment
from striate.batches import color, geometry, lookup_tables

Numbers = NDArray[np.float64]

BINS = 31  # of strength, from 0 to 30
_OPS, _MAGNITUDE = 2, 9  # RandAugment's own for ImageNet (section 4.4)
_FAR_PX = 32


class Op(NamedTuple):
    """One change: its name, its strength in the strongest bin of each policy, and whether it goes either way."""

    name: str
    randaugment: float
    trivialaugment: float
    signed: bool


OPS = (
    Op("identity", 0.0, 0.0, False),
    Op("shear x", 0.3, 0.99, True),  # tangent of the angle
    Op("shear y", 0.3, 0.99, True),
    Op("translate x", 150 / 331, float(_FAR_PX), True),  # a share of the side, and pixels
    Op("translate y", 150 / 331, float(_FAR_PX), True),
    Op("rotate", 30.0, 135.0, True),  # degrees
    Op("brightness", 0.9, 0.99, True),  # what is added to a factor of 1
    Op("saturation", 0.9, 0.99, True),
    Op("contrast", 0.9, 0.99, True),
    Op("sharpness", 0.9, 0.99, True),
    Op("posterize", 4.0, 6.0, False),  # bits taken away
    Op("solarize", 1.0, 1.0, False),  # share of the levels that are inverted, from above
    Op("autocontrast", 0.0, 0.0, False),
    Op("equalize", 0.0, 0.0, False),
)
_PLACE = {op.name: place for place, op in enumerate(OPS)}


class Drawn(NamedTuple):
    """One change for each of N images."""

    op_N: NDArray[np.int64]  # places in `OPS`
    strength_N: Numbers  # with its sign, in the unit of the change; of a translation as a share of the side

    def is_drawn(self, name: str) -> NDArray[np.bool_]:
        """Which images drew this change."""
        chosen_N: NDArray[np.bool_] = self.op_N == _PLACE[name]
        return chosen_N

    def strengths(self, name: str) -> Numbers:
        """How strong this change is: 0 for images that drew another."""
        return np.where(self.is_drawn(name), self.strength_N, 0.0)


def draw(settings: Augment, ids_N: NDArray[np.uint64], channels: int, side_px: int, seed: int, epoch: int) -> tuple[Drawn, ...]:
    """The policy's changes in turn, drawn by (seed, epoch, id); none without a policy; no saturation of gray images."""
    if settings.policy is None:
        return ()
    open_to = np.array([place for place, op in enumerate(OPS) if channels == 3 or op.name not in color.COLOR_ONLY])
    most = np.array([_most(op, settings.policy, side_px) for op in OPS])
    signed = np.array([op.signed for op in OPS])
    turns = []
    for turn in range((settings.policy_ops or _OPS) if settings.policy == "randaugment" else 1):

        def draw(purpose: str, turn: int = turn) -> Numbers:
            return uniform(ids_N, seed, epoch, "augment", f"{settings.policy} {purpose} {turn}")

        op_N = open_to[np.floor(draw("op") * len(open_to)).astype(np.int64)]
        if settings.policy == "randaugment":
            magnitude = _MAGNITUDE if settings.policy_magnitude is None else settings.policy_magnitude
            bin_N = np.full(len(ids_N), float(magnitude))
        else:
            bin_N = np.floor(draw("magnitude") * BINS)
        sign_N = np.where(signed[op_N] & (draw("sign") < 0.5), -1.0, 1.0)
        turns.append(Drawn(op_N, sign_N * most[op_N] * bin_N / (BINS - 1)))
    return tuple(turns)


def _most(op: Op, policy: str, side_px: int) -> float:
    """The strength of the strongest bin."""
    if policy == "randaugment":
        return op.randaugment
    return min(op.trivialaugment / side_px, 0.5) if op.name.startswith("translate") else op.trivialaugment


def places(turns: tuple[Drawn, ...], side_px: int) -> list[geometry.Matrices]:
    """N x 3 x 3 matrices, one for each turn; translations are by whole pixels."""
    matrices = []
    for turn in turns:
        slants = [np.degrees(np.arctan(turn.strengths(f"shear {axis}"))) for axis in "xy"]
        shifts = [np.rint(turn.strengths(f"translate {axis}") * side_px) * 2 / side_px for axis in "xy"]
        matrices.append(
            geometry.shear(slants[0])
            @ geometry.shear(slants[1]).transpose(0, 2, 1)
            @ geometry.translation(*shifts)
            @ geometry.rotation(turn.strengths("rotate"))
        )
    return matrices


def factors(turns: tuple[Drawn, ...]) -> list[color.Factors]:
    """What multiplies brightness, contrast and saturation, one for each turn."""
    names = ("brightness", "contrast", "saturation")
    return [color.Factors(*(1 + turn.strengths(name) for name in names)) for turn in turns]


def steps(turns: tuple[Drawn, ...]) -> list[lookup_tables.Step]:
    """What is looked up in tables, one for each turn."""
    tables = []
    for turn in turns:
        # The small number: 255 * (1 - 10 / 30) is 170, and not the next level for want of a last bit
        thresholds_N = np.ceil(255 * (1 - turn.strengths("solarize")) - 1e-9)
        tables.append(
            lookup_tables.Step(
                posterize_N=np.rint(turn.strengths("posterize")).astype(np.int64),
                solarize_N=np.where(turn.is_drawn("solarize"), thresholds_N, lookup_tables.UNTOUCHED).astype(np.int64),
                equalize_N=turn.is_drawn("equalize"),
                autocontrast_N=turn.is_drawn("autocontrast"),
            )
        )
    return tables


def sharpen_rows(images_NCHW: Tensor, turns: tuple[Drawn, ...], rows: slice) -> Tensor:
    """The images, float32 from 0 to 255, with their sharpness; changed in place. `rows` are theirs among the N of the turns."""
    for turn in turns:
        strengths_N = turn.strengths("sharpness")[rows]
        chosen = np.flatnonzero(strengths_N)
        if len(chosen):
            positions = torch.from_numpy(chosen).to(images_NCHW.device)
            images_NCHW[positions] = sharpen(images_NCHW[positions], 1 + strengths_N[chosen])
    return images_NCHW


def sharpen(images_NCHW: Tensor, factors_N: Numbers) -> Tensor:
    """Multiplies the distance of every pixel to its smoothed self by a factor: below 1 blurs, above 1 sharpens.

    Smoothed is a mean over 3 x 3 pixels in which the middle counts five times, as in Pillow's `ImageEnhance.Sharpness`; the
    pixels at the border stay as they are. Levels stay within 0 and 255.
    """
    if min(images_NCHW.shape[2:]) < 3:
        return images_NCHW
    inner = images_NCHW[..., 1:-1, 1:-1]
    # By sums element by element, since a convolution may round otherwise in another batch
    across = images_NCHW[..., :-2] + images_NCHW[..., 1:-1] + images_NCHW[..., 2:]
    towards = (across[..., :-2, :] + across[..., 1:-1, :] + across[..., 2:, :] - 9 * inner) / 13
    shares = images_NCHW.new_tensor(1 - factors_N).view(-1, 1, 1, 1)
    out = images_NCHW.clone()
    out[..., 1:-1, 1:-1] = (inner + shares * towards).clamp_(0.0, 255.0)
    return out
