"""How many images a network takes at once, from what its layers put out, so that memory is bounded whatever their size.

Without gradients a layer's input, its output and what it needs besides are in memory together, so the largest output counts
several times; with gradients all outputs are, and the gradients of some of them.

Legend: N images, C channels, H x W pixels.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import chain
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import nn

from striate.nets.eval_mode import evaluating
from striate.nets.hooks import tensors_in

MOST = 64
_CPU_BYTES, _OTHER_BYTES = 2**27, 2**32  # for the outputs of one batch; a GPU has its own memory, and needs large batches
_TIMES_LARGEST, _TIMES_ALL = 4, 2


class OutputBytes(NamedTuple):
    """What the layers put out for one image."""

    largest: int
    all: int


_MEASURED: WeakKeyDictionary[nn.Module, dict[tuple[int, ...], OutputBytes]] = WeakKeyDictionary()


def images_at_once(net: nn.Module, chw: Sequence[int], most: int = MOST, gradient: bool = False) -> int:
    """The size of a batch of images of C x H x W, as the network takes them: 1 to `most`, and `most` where that is 1."""
    if most < 2:
        return most
    size = output_bytes(net, tuple(chw))
    each = _TIMES_ALL * size.all if gradient else _TIMES_LARGEST * size.largest
    on_cpu = next(chain(net.parameters(), net.buffers()), torch.empty(0)).device.type == "cpu"
    return max(1, min(most, (_CPU_BYTES if on_cpu else _OTHER_BYTES) // each))


def output_bytes(net: nn.Module, chw: tuple[int, ...]) -> OutputBytes:
    """Measured once for each network and size of image, by a forward pass; the image itself counts as an output."""
    sizes = _MEASURED.setdefault(net, {})
    if chw not in sizes:
        like = next((each for each in chain(net.parameters(), net.buffers()) if each.is_floating_point()), torch.empty(0))
        image_1CHW = torch.zeros(1, *chw, device=like.device, dtype=like.dtype)
        outputs = [image_1CHW.nbytes]
        with ExitStack() as hooks, torch.inference_mode(), evaluating(net):
            for layer in net.modules():
                if not any(True for _ in layer.children()):
                    note = layer.register_forward_hook(
                        lambda *call: outputs.extend(each.nbytes for each in tensors_in(call[2]))
                    )
                    hooks.callback(note.remove)
            net(image_1CHW)
        sizes[chw] = OutputBytes(max(outputs), sum(outputs))
    return sizes[chw]
