"""The image that a unit likes best, by gradient ascent on the image, held back by the published regularizers.

| regularizer | after each step | source |
|---|---|---|
| norm | the image is brought to this length | Erhan, Bengio, Courville & Vincent 2009 |
| penalty | none: l |x|^2 is taken from what is climbed | Simonyan, Vedaldi & Zisserman 2014, equation 1 |
| decay | times 1 - decay | Yosinski et al. 2015, and the three below |
| blur | a Gaussian of this deviation, every so many steps | |
| small norm | this share of the pixels, those of least length over the channels, to zero | |
| small contribution | this share of the pixels, those whose |sum of x dx| over the channels is least, to zero | |

Departure: in the papers a step is a rate times the gradient, which differs by orders of magnitude between layers. Here it is
divided by the root mean square of the answer's gradient, so that the rate is in the net's numbers a step. Zero is the mean
image where the mean is subtracted.

Legend: N images, C channels, H x W pixels, U units that are climbed at the same time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from striate.base.errors import SettingError, UnsupportedError
from striate.base.hash_rng import seed_of
from striate.interpret.activations import flat_NUP, layers_of, reach
from striate.nets.eval_mode import evaluating
from striate.nets.net import Net

PLACES = ("middle", "mean")


@dataclass(frozen=True)
class Regularizers:
    """What holds an image back; each is off where it is None or zero.

    Attributes:
        norm: Euclidean length that the image is brought to.
        penalty: l of l |x|^2.
        decay: share of the image that is lost each step, 0 to below 1.
        blur_px: deviation of the Gaussian.
        blur_every: steps from one blur to the next.
        small_norm: share of pixels, 0 to below 1.
        small_contribution: share of pixels, 0 to below 1.

    """

    norm: float | None = None
    penalty: float = 0.0
    decay: float = 0.0
    blur_px: float = 0.0
    blur_every: int = 1
    small_norm: float = 0.0
    small_contribution: float = 0.0

    def __post_init__(self) -> None:
        shares = (self.decay, self.small_norm, self.small_contribution)
        if (self.norm is not None and self.norm <= 0) or min(self.penalty, self.blur_px, *shares) < 0 or max(shares) >= 1:
            raise SettingError(f"expected a norm above 0, shares from 0 to below 1 and nothing below 0; got {self}.")
        if self.blur_every < 1:
            raise SettingError(f"expected at least 1 step from one blur to the next; got {self.blur_every}.")


# Yosinski's four are as they are commonly cited; his paper's table was not at hand to confirm them. They were chosen for plain
# gradient steps on AlexNet, so here they are starting points. The norm and the penalty are choices of this package.
PRESETS: Mapping[str, Regularizers] = {
    "none": Regularizers(),
    "erhan": Regularizers(norm=10.0),
    "simonyan": Regularizers(penalty=0.01),
    "yosinski-1": Regularizers(blur_px=0.5, blur_every=4, small_norm=0.5),
    "yosinski-2": Regularizers(decay=0.3, small_norm=0.2),
    "yosinski-3": Regularizers(decay=1e-4, blur_px=1.0, blur_every=4),
    "yosinski-4": Regularizers(blur_px=0.5, blur_every=4, small_contribution=0.9),
}


class Best(NamedTuple):
    """The images that U units like best.

    Attributes:
        layer: its name.
        units: which units of it.
        images_UCHW: in the net's numbers; `Preprocess.pixels` brings them back for display.
        before_U: the answer to the image that the ascent began with.
        after_U: the answer to the image in the end.
        stuck_U: no gradient reached the image in the first step, as of a rectifier that is off: try its layer before.

    """

    layer: str
    units: tuple[int, ...]
    images_UCHW: Tensor
    before_U: Tensor
    after_U: Tensor
    stuck_U: Tensor


def maximize(
    net: Net,
    layer: str,
    units: Sequence[int],
    *,
    by: Regularizers = PRESETS["yosinski-3"],
    place: str = "middle",
    steps: int = 200,
    rate: float = 0.1,
    start_CHW: Tensor | None = None,
    spread: float = 0.1,
    seed: int = 0,
    at_once: int = 32,
) -> Best:
    """Climb what units of a layer answer; the forward pass ends at that layer.

    Args:
        net: the network; it keeps its mode, and its weights get no gradient.
        layer: any of its layers; for a class the head, before any softmax.
        units: numbers of its units.
        by: what holds the images back; `PRESETS` has the published choices.
        place: of a unit with a map: "middle", the place in the middle, or "mean" of all places.
        steps: of the ascent, at least 1.
        rate: root mean square of what a step adds, in the net's numbers.
        start_CHW: what all begin with; None for zeros.
        spread: deviation of the draw that is added to it, each unit its own.
        seed: of the draws; an image depends on it, the layer and the unit, not on the other units.
        at_once: units climbed at the same time.

    Raises:
        SettingError: no such layer, unit, place or number.
        UnsupportedError: no gradient leads from the layer back to the image.

    """
    layers_of(net, [layer])
    if place not in PLACES or steps < 1 or rate <= 0 or spread < 0 or at_once < 1 or not units:
        raise SettingError(
            f"expected units, a place of {' or '.join(PLACES)}, steps and at_once from 1 and a rate above 0; got {len(units)} "
            f"units, {place!r}, {steps}, {at_once} and {rate:g}."
        )
    first = next(net.parameters(), torch.empty(0))
    starts = [_start(net, layer, unit, start_CHW, spread, seed) for unit in units]
    parts = []
    with evaluating(net):
        for at in range(0, len(units), at_once):
            images_UCHW = torch.stack(starts[at : at + at_once]).to(first.device, first.dtype)
            parts.append(_climb(net, layer, units[at : at + at_once], images_UCHW, by, place, steps, rate))
    return Best(layer, tuple(units), *(torch.cat(column) for column in zip(*parts, strict=True)))


def _start(net: Net, layer: str, unit: int, start_CHW: Tensor | None, spread: float, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed_of(seed, layer, unit, "maximize"))
    drawn_CHW = spread * torch.randn(net.input_chw, generator=generator)
    return drawn_CHW if start_CHW is None else drawn_CHW + start_CHW.cpu()


def _climb(
    net: Net,
    layer: str,
    units: Sequence[int],
    images_UCHW: Tensor,
    by: Regularizers,
    place: str,
    steps: int,
    rate: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    if by.norm is not None:
        images_UCHW = _of_length(images_UCHW, by.norm)
    before_U = stuck_U = torch.empty(0)
    for step in range(steps):
        answers_U, gradient_UCHW = _gradient(net, layer, units, images_UCHW, place)
        if step == 0:
            before_U, stuck_U = answers_U, gradient_UCHW.flatten(1).abs().amax(1) == 0
        size_U111 = gradient_UCHW.flatten(1).square().mean(1).sqrt().view(-1, 1, 1, 1)
        upwards_UCHW = gradient_UCHW - 2 * by.penalty * images_UCHW
        moved_UCHW = images_UCHW + rate * upwards_UCHW / size_U111.clamp(min=1e-20)
        images_UCHW = _held_back(moved_UCHW, gradient_UCHW, by, step)
    with torch.no_grad():
        after_U = _answers(net, layer, units, images_UCHW, place)
    return images_UCHW, before_U, after_U, stuck_U


def _answers(net: Net, layer: str, units: Sequence[int], images_UCHW: Tensor, place: str) -> Tensor:
    output = reach(net, images_UCHW, [layer])[layer]
    values_NUP = flat_NUP(layer, output)
    known = values_NUP.shape[1]
    if wrong := [unit for unit in units if not 0 <= unit < known]:
        raise SettingError(f"{layer} has units 0 to {known - 1}; got {', '.join(map(str, wrong))}.")
    own_UP = values_NUP[torch.arange(len(units)), list(units)]
    if place == "mean" or output.dim() == 2:
        return own_UP.mean(1)
    h, w = output.shape[2:]
    return own_UP[:, (h // 2) * w + w // 2]


def _gradient(net: Net, layer: str, units: Sequence[int], images_UCHW: Tensor, place: str) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        images_UCHW = images_UCHW.detach().requires_grad_()
        answers_U = _answers(net, layer, units, images_UCHW, place)
        if not answers_U.requires_grad:
            raise UnsupportedError(
                f"the image that a unit of {layer} likes best is found by gradient ascent, and no gradient leads from there "
                f"back to the image of {type(net).__name__}. Take the images of a data set that excite it most: "
                "striate.interpret.top_activations.strongest."
            )
        (gradient_UCHW,) = torch.autograd.grad(answers_U.sum(), images_UCHW)
    return answers_U.detach(), gradient_UCHW


def _held_back(images_UCHW: Tensor, gradient_UCHW: Tensor, by: Regularizers, step: int) -> Tensor:
    if by.decay:
        images_UCHW = images_UCHW * (1 - by.decay)
    if by.blur_px and (step + 1) % by.blur_every == 0:
        images_UCHW = blurred(images_UCHW, by.blur_px)
    if by.small_norm:
        images_UCHW = _without_least(images_UCHW, images_UCHW.square().sum(1), by.small_norm)
    if by.small_contribution:
        images_UCHW = _without_least(images_UCHW, (images_UCHW * gradient_UCHW).sum(1).abs(), by.small_contribution)
    return images_UCHW if by.norm is None else _of_length(images_UCHW, by.norm)


def _of_length(images_UCHW: Tensor, norm: float) -> Tensor:
    length_U111: Tensor = torch.linalg.vector_norm(images_UCHW.flatten(1), dim=1).view(-1, 1, 1, 1)
    return images_UCHW * (norm / length_U111.clamp(min=1e-20))


def _without_least(images_UCHW: Tensor, size_UHW: Tensor, share: float) -> Tensor:
    """The images with floor(share x H x W) of their pixels, those of least size, at zero; of equals the first."""
    flat_UP = size_UHW.flatten(1)
    least_UM = flat_UP.argsort(dim=1, stable=True)[:, : int(share * flat_UP.shape[1])]
    kept_UP = torch.ones_like(flat_UP).scatter_(1, least_UM, 0.0)
    return images_UCHW * kept_UP.view(len(images_UCHW), 1, *images_UCHW.shape[2:])


def blurred(images_NCHW: Tensor, deviation_px: float) -> Tensor:
    """Blurred by a Gaussian that is cut off at three deviations and sums to 1; a border is repeated beyond itself."""
    reach_px = max(1, ceil(3 * deviation_px))
    along_K = torch.arange(-reach_px, reach_px + 1, device=images_NCHW.device, dtype=images_NCHW.dtype)
    weights_K = torch.exp(-0.5 * (along_K / deviation_px).square())
    weights_K = weights_K / weights_K.sum()
    channels = images_NCHW.shape[1]
    down, right = weights_K.view(-1, 1), weights_K.view(1, -1)
    for kernel, pad in ((down, (0, 0, reach_px, reach_px)), (right, (reach_px, reach_px, 0, 0))):
        padded_NCHW = functional.pad(images_NCHW, pad, mode="replicate")
        images_NCHW = functional.conv2d(padded_NCHW, kernel.expand(channels, 1, -1, -1), groups=channels)
    return images_NCHW
