"""Activation maximization: the image that activates a unit most, by gradient ascent with the published regularizers.

| regularizer | after each step | source |
|---|---|---|
| norm | the image is brought to this length | Erhan, Bengio, Courville & Vincent 2009 |
| penalty | none: l |x|^2 is subtracted from the activation | Simonyan, Vedaldi & Zisserman 2014, equation 1 |
| decay | times 1 - decay | Yosinski et al. 2015, and the three below |
| blur | a Gaussian of this standard deviation, every so many steps | |
| small norm | this share of the pixels, those of least length over the channels, to zero | |
| small contribution | this share of the pixels, those whose |sum of x dx| over the channels is least, to zero | |

Departure: in the papers a step is a rate times the gradient, which differs by orders of magnitude between layers. Here it is
divided by the root mean square of the gradient, so that the step size is in preprocessed values. Zero is the mean
image where the mean is subtracted.

Legend: N images, C channels, H x W pixels, U units at the same time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from striate.base.errors import SettingError, UnsupportedError
from striate.base.events import Watch, progress, quiet
from striate.base.hash_rng import seed_of
from striate.interpret.activations import flat_NUP, layer_names, outputs_up_to
from striate.nets.eval_mode import evaluating
from striate.nets.images_at_once import images_at_once
from striate.nets.net import Net

PLACES = ("middle", "mean")


@dataclass(frozen=True)
class Regularizers:
    """Regularizers of the image; each is off where it is None or zero."""

    norm: float | None = None  # Euclidean length that the image is brought to
    penalty: float = 0.0  # l of l |x|^2
    decay: float = 0.0  # share of the image that is lost each step, 0 to below 1
    blur_px: float = 0.0  # standard deviation of the Gaussian
    blur_every: int = 1  # steps from one blur to the next
    small_norm: float = 0.0  # share of pixels, 0 to below 1
    small_contribution: float = 0.0  # share of pixels, 0 to below 1

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


class MaximizedImages(NamedTuple):
    """The images that maximize U units."""

    layer: str
    units: tuple[int, ...]  # their indices
    images_UCHW: Tensor  # preprocessed; `Preprocess.pixels` brings them back for display
    start_U: Tensor  # activations by the start images
    end_U: Tensor  # activations by the final images
    stuck_U: Tensor  # no gradient reached the image in the first step, as of a ReLU that is off: try the layer before it


@dataclass(frozen=True)
class Ascent:
    """How the image is found."""

    regularizers: Regularizers = PRESETS["yosinski-3"]  # of the image; `PRESETS` has the published choices
    place: str = "middle"  # of a unit with a map: "middle", the middle position, or "mean" of all positions
    steps: int = 200  # at least 1
    step_size: float = 0.1  # root mean square of what a step adds, in preprocessed values
    spread: float = 0.1  # standard deviation of the noise added to the start image, each unit its own
    seed: int = 0  # of the noise; an image depends on it, the layer and the unit, not on the other units
    batch_size: int = 32  # most units at the same time; fewer where their gradients would take much memory

    def __post_init__(self) -> None:
        if self.place not in PLACES or min(self.steps, self.batch_size) < 1 or self.step_size <= 0 or self.spread < 0:
            raise SettingError(
                f"expected a place of {' or '.join(PLACES)}, steps and batch_size from 1, a step_size above 0 and a spread "
                f"from 0; got {self.place!r}, {self.steps}, {self.batch_size}, {self.step_size:g} and {self.spread:g}."
            )


DEFAULT_ASCENT = Ascent()


def maximize(
    net: Net, layer: str, units: Sequence[int], ascent: Ascent = DEFAULT_ASCENT, start_CHW: Tensor | None = None,
    watch: Watch = quiet,
) -> MaximizedImages:  # fmt: skip
    """Images that maximize units of a layer; the forward pass ends at that layer, and the network keeps its mode.

    Any layer will do; for a class the head, before any softmax. The start image of all is zeros where none is given.
    SettingError for no such layer or unit, UnsupportedError where no gradient leads from the layer back to the image.
    """
    layer_names(net, [layer])
    if not units:
        raise SettingError("expected units to maximize; got none.")
    like = next(net.parameters(), torch.empty(0))
    starts = []
    for unit in units:
        generator = torch.Generator().manual_seed(seed_of(ascent.seed, layer, unit, "maximize"))
        noise_CHW = ascent.spread * torch.randn(net.input_chw, generator=generator)
        starts.append(noise_CHW if start_CHW is None else noise_CHW + start_CHW.cpu())
    parts = []
    size = images_at_once(net, net.input_chw, min(len(units), ascent.batch_size), gradient=True)
    with evaluating(net):
        for first in range(0, len(units), size):
            batch = slice(first, first + size)
            images_UCHW = torch.stack(starts[batch]).to(like.device, like.dtype)
            parts.append(_climb(net, layer, units[batch], images_UCHW, ascent, progress(watch, "maximize")))
    return MaximizedImages(layer, tuple(units), *(torch.cat(column) for column in zip(*parts, strict=True)))


def _climb(
    net: Net, layer: str, units: Sequence[int], images_UCHW: Tensor, ascent: Ascent, report: Callable[[int, int], None]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    regularizers = ascent.regularizers
    if regularizers.norm is not None:
        images_UCHW = _of_length(images_UCHW, regularizers.norm)
    start_U = stuck_U = torch.empty(0)
    for step in range(ascent.steps):
        activations_U, gradient_UCHW = _gradient(net, layer, units, images_UCHW, ascent.place)
        if step == 0:
            start_U, stuck_U = activations_U, gradient_UCHW.flatten(1).abs().amax(1) == 0
        size_U111 = gradient_UCHW.flatten(1).square().mean(1).sqrt().view(-1, 1, 1, 1)
        upwards_UCHW = gradient_UCHW - 2 * regularizers.penalty * images_UCHW
        moved_UCHW = images_UCHW + ascent.step_size * upwards_UCHW / size_U111.clamp(min=1e-20)
        images_UCHW = _held_back(moved_UCHW, gradient_UCHW, regularizers, step)
        report(step + 1, ascent.steps)
    with torch.no_grad():
        end_U = _activations(net, layer, units, images_UCHW, ascent.place)
    return images_UCHW, start_U, end_U, stuck_U


def _activations(net: Net, layer: str, units: Sequence[int], images_UCHW: Tensor, place: str) -> Tensor:
    output = outputs_up_to(net, images_UCHW, [layer])[layer]
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
        activations_U = _activations(net, layer, units, images_UCHW, place)
        if not activations_U.requires_grad:
            raise UnsupportedError(
                f"activation maximization of {layer} needs gradients, and none leads from there "
                f"back to the image of {type(net).__name__}. Take the images of a data set that excite it most: "
                "striate.interpret.top_activations.strongest."
            )
        (gradient_UCHW,) = torch.autograd.grad(activations_U.sum(), images_UCHW)
    return activations_U.detach(), gradient_UCHW


def _held_back(images_UCHW: Tensor, gradient_UCHW: Tensor, regularizers: Regularizers, step: int) -> Tensor:
    if regularizers.decay:
        images_UCHW = images_UCHW * (1 - regularizers.decay)
    if regularizers.blur_px and (step + 1) % regularizers.blur_every == 0:
        images_UCHW = blurred(images_UCHW, regularizers.blur_px)
    if regularizers.small_norm:
        images_UCHW = _without_least(images_UCHW, images_UCHW.square().sum(1), regularizers.small_norm)
    if regularizers.small_contribution:
        images_UCHW = _without_least(images_UCHW, (images_UCHW * gradient_UCHW).sum(1).abs(), regularizers.small_contribution)
    return images_UCHW if regularizers.norm is None else _of_length(images_UCHW, regularizers.norm)


def _of_length(images_UCHW: Tensor, norm: float) -> Tensor:
    length_U111: Tensor = torch.linalg.vector_norm(images_UCHW.flatten(1), dim=1).view(-1, 1, 1, 1)
    return images_UCHW * (norm / length_U111.clamp(min=1e-20))


def _without_least(images_UCHW: Tensor, size_UHW: Tensor, share: float) -> Tensor:
    """The images with floor(share x H x W) of their pixels, those of least size, at zero; of equals the first."""
    flat_UP = size_UHW.flatten(1)
    least_UM = flat_UP.argsort(dim=1, stable=True)[:, : int(share * flat_UP.shape[1])]
    mask_UP = torch.ones_like(flat_UP).scatter_(1, least_UM, 0.0)
    return images_UCHW * mask_UP.view(len(images_UCHW), 1, *images_UCHW.shape[2:])


def blurred(images_NCHW: Tensor, std_px: float) -> Tensor:
    """Blurred by a Gaussian that is cut off at three standard deviations and sums to 1; a border is repeated beyond itself."""
    reach_px = max(1, ceil(3 * std_px))
    along_K = torch.arange(-reach_px, reach_px + 1, device=images_NCHW.device, dtype=images_NCHW.dtype)
    weights_K = torch.exp(-0.5 * (along_K / std_px).square())
    weights_K = weights_K / weights_K.sum()
    channels = images_NCHW.shape[1]
    down, right = weights_K.view(-1, 1), weights_K.view(1, -1)
    for kernel, pad in ((down, (0, 0, reach_px, reach_px)), (right, (reach_px, reach_px, 0, 0))):
        padded_NCHW = functional.pad(images_NCHW, pad, mode="replicate")
        images_NCHW = functional.conv2d(padded_NCHW, kernel.expand(channels, 1, -1, -1), groups=channels)
    return images_NCHW
