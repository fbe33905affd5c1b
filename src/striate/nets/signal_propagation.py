"""How signals travel through a network at the start: mean and variance of activations and gradients, layer by layer.

Where the variance of the activations shrinks or grows by the same factor from layer to layer, a deep network does not begin to
learn (Glorot & Bengio 2010; He et al. 2015, section 2.2).

Legend: N images, C channels, H x W pixels.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from striate.nets.architectures.googlenet import GoogLeNetOut
from striate.nets.eval_mode import evaluating
from striate.nets.hooks import taps
from striate.nets.init import weighted
from striate.nets.net import Net

_PRODUCTS = 2e10  # multiply-adds to spend on the forward pass
_MOST_IMAGES = 64


class Signal(NamedTuple):
    """One layer with weights: moments of what it puts out, and of the loss's gradient with respect to that."""

    name: str
    mean: float
    variance: float
    gradient_mean: float
    gradient_variance: float


def of_noise(net: Net, macs: int, seed: int = 0) -> tuple[Signal, ...]:
    """`signals` for images from N(0, 1): as many as cost a few seconds at so many multiply-adds an image, 2 to 64."""
    generator = torch.Generator().manual_seed(seed)
    count = max(2, min(_MOST_IMAGES, int(_PRODUCTS / max(macs, 1))))
    return signals(net, torch.randn(count, *net.input_chw, generator=generator), seed)


def signals(net: Net, images_NCHW: Tensor, seed: int = 0) -> tuple[Signal, ...]:
    """One forward and one backward pass in training mode; one row for each layer with weights, in forward order.

    The loss is cross-entropy against labels drawn from `seed`, as dropout is, summed over the images. The network's buffers and
    mode are put back; its weights do not change.
    """
    names = {layer: name for name, layer in net.named_modules()}
    buffers = {name: buffer.clone() for name, buffer in net.named_buffers()}
    layers = [names[layer] for layer in weighted(net)]
    try:
        # `evaluating` puts the mode of each layer back, also after training mode
        with evaluating(net), torch.random.fork_rng(devices=[]), taps(net.train(), *layers) as activations:
            torch.manual_seed(seed)
            labels_N = torch.randint(net.num_classes, (len(images_NCHW),))
            outputs = net(images_NCHW)
        logits_NK = outputs.logits_NK if isinstance(outputs, GoogLeNetOut) else outputs
        loss = functional.cross_entropy(logits_NK, labels_N.to(logits_NK.device), reduction="sum")
        ran = [name for name in activations if activations[name].requires_grad]
        gradients = torch.autograd.grad(loss, [activations[name] for name in ran], allow_unused=True)
    finally:
        for name, buffer in net.named_buffers():
            buffer.copy_(buffers[name])
    return tuple(
        Signal(name, *_moments(activations[name].detach()), *((0.0, 0.0) if gradient is None else _moments(gradient)))
        for name, gradient in zip(ran, gradients, strict=True)
    )


def _moments(values: Tensor) -> tuple[float, float]:
    wide = values.double()
    return float(wide.mean()), float(wide.var(correction=0))
