"""A query: a network, images as it takes them and a target class for each; and running it in evaluation mode.

Legend: N images, C channels, H x W pixels, K classes.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from striate.base.errors import SettingError, ShapeError, nearest
from striate.nets.eval_mode import evaluating
from striate.nets.images_at_once import MOST, images_at_once

Target = int | str | Sequence[int | str] | Tensor | None


class Classifier(Protocol):
    """A network with what turns images into its numbers: `striate.model.Model` is one."""

    @property
    def net(self) -> nn.Module:
        """The network."""

    @property
    def classes(self) -> tuple[str, ...]:
        """K names, in the order of the logits."""

    def images(self, images: Any) -> Tensor:
        """Images as the network takes them, N x C x H x W; C x H x W of one."""


class Query(NamedTuple):
    """A network, preprocessed images and the target class of each."""

    net: nn.Module
    images_NCHW: Tensor  # as it takes them, on its device
    targets_N: Tensor  # the target class of each
    single: bool  # one image came, so the result is without N
    several: bool = False  # whether an image may have several labels, each with a probability of its own

    def probabilities(self, net: nn.Module, images_NCHW: Tensor) -> Tensor:
        """N x K of this network or a copy of it, without a temperature."""
        logits_NK = logits(net, images_NCHW).double()
        return logits_NK.sigmoid() if self.several else logits_NK.softmax(dim=1)


def make_query(model: nn.Module | Classifier, image: object, target: Target = None) -> Query:
    """Bring what a user gives into one form; ShapeError or SettingError for other numbers or classes.

    The image is numbers as the network takes them, floats of C x H x W or N x C x H x W; with a classifier also what it takes
    as images, one or several. The target is the number of a class, with a classifier also its name; one for all images or one
    for each. None asks about the class with the largest logit, of several labels the most probable one.
    """
    net, classes = (model, ()) if isinstance(model, nn.Module) else (model.net, tuple(model.classes))
    with torch.inference_mode(False):
        images_NCHW, single = _images(model, image)
        place = next(chain(net.parameters(), net.buffers()), images_NCHW)
        dtype = place.dtype if place.is_floating_point() else images_NCHW.dtype
        images_NCHW = images_NCHW.detach().to(place.device, dtype).clone()
    logits_NK = logits(net, images_NCHW)
    if target is None:
        targets_N = logits_NK.argmax(dim=1)
    else:
        indices = _class_indices(target, classes, logits_NK.shape[1], len(images_NCHW))
        targets_N = torch.tensor(indices, device=images_NCHW.device)
    return Query(net, images_NCHW, targets_N, single, getattr(model, "label_thresholds", None) is not None)


def _images(model: nn.Module | Classifier, image: object) -> tuple[Tensor, bool]:
    if not isinstance(image, Tensor) or (image.dtype == torch.uint8 and not isinstance(model, nn.Module)):
        if isinstance(model, nn.Module):
            raise ShapeError(
                f"expected a tensor of numbers as the network takes them, C x H x W or N x C x H x W; got "
                f"{type(image).__name__}. For images, ask a model: striate.load(run)."
            )
        images = model.images(image)
        return images.reshape(-1, *images.shape[-3:]), images.dim() == 3
    if image.dim() not in (3, 4) or not image.is_floating_point() or not len(image):
        raise ShapeError(
            f"expected numbers as the network takes them, C x H x W or N x C x H x W of floats; got {tuple(image.shape)} of "
            f"{str(image.dtype).removeprefix('torch.')}. A model takes images: striate.load(run)."
        )
    images_NCHW = image if image.dim() == 4 else image.unsqueeze(0)
    return images_NCHW, len(images_NCHW) == 1


def _class_indices(target: Any, classes: tuple[str, ...], count: int, images: int) -> list[int]:
    if isinstance(target, Tensor | np.ndarray):
        target = target.tolist()
    targets = list(target) if isinstance(target, Sequence) and not isinstance(target, str) else [target] * images
    if len(targets) != images:
        raise SettingError(f"expected one class, or one for each of {images} images; got {len(targets)}.")
    return [_class_index(entry, classes, count) for entry in targets]


def _class_index(target: object, classes: tuple[str, ...], count: int) -> int:
    if isinstance(target, str):
        if target in classes:
            return classes.index(target)
        if not classes:
            raise SettingError(f"expected a class from 0 to {count - 1}; got {target!r}. A network alone has no class names.")
        raise SettingError(f"There is no class {target!r}; {nearest(target, classes)}")
    if not isinstance(target, int | np.integer) or isinstance(target, bool) or not 0 <= int(target) < count:
        raise SettingError(f"expected a class from 0 to {count - 1}; got {target!r}.")
    return int(target)


def at_once(net: nn.Module, images_NCHW: Tensor, copies: int = 1, gradient: bool = False) -> int:
    """How many images go through the network at once, of each of which so many changed copies are made."""
    return images_at_once(net, images_NCHW.shape[1:], min(MOST, copies * len(images_NCHW)), gradient)


def logits(net: nn.Module, images_NCHW: Tensor) -> Tensor:
    """N x K, in evaluation mode and without gradients, a bounded number of images at once."""
    with evaluating_with_gradients(net), torch.no_grad():
        parts = [net(part_NCHW) for part_NCHW in torch.split(images_NCHW, at_once(net, images_NCHW))]
        return torch.cat(parts)


@contextmanager
def evaluating_with_gradients(net: nn.Module) -> Iterator[None]:
    """The network in evaluation mode, with gradients and without captum's warnings; afterwards each layer has its own mode."""
    with evaluating(net), torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"captum\b")
        yield
