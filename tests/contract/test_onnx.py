"""Every classifier that learns by gradient as a file, with weights drawn at random: it answers as the network does.

Eight images of the network's own size, in batches of 1, 2 and 17 too: no logit differs by more than 1e-4 of the largest.
"""

import json
from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import nn

from striate.batches.preprocess import Preprocess
from striate.data.decode import InputSpec
from striate.model import Model
from striate.nets import catalogue
from striate.nets.architectures.residual_blocks import BasicBlock, Bottleneck
from striate.nets.factory import build, published
from striate.workflows.export import graph, proof, torch_file
from striate.workflows.export.run import about, as_model, described

IMAGES = 8
TIMM = ("mobilenetv3_small_100", "convnext_atto", "regnety_002", "densenet121")  # kinds that the catalogue has none of
NAMES = (*(row.name for row in catalogue.CATALOGUE if row.learns == "back-propagation"), *(f"timm:{name}" for name in TIMM))


@lru_cache(maxsize=1)  # the tests of one network come one after the other
def _made(name: str) -> tuple[Model, proof.Reference]:
    channels, side, _ = published(name)
    preprocess = Preprocess(torch.full((channels, 1, 1), 0.4), torch.full((channels, 1, 1), 0.3))
    net = build(name, (channels, side, side), 10, init="he", seed=1)  # by which the signal does not vanish on its way
    _damp_branches(net)
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (IMAGES, side, side, channels), np.uint8)
    _measure_norms(net, preprocess.images(torch.from_numpy(pixels_NHWC)))
    model = Model(net.eval(), name, {}, preprocess, InputSpec(side, channels, "squash"), tuple("abcdefghij"))
    return model, proof.reference(model, pixels_NHWC, np.zeros(IMAGES, np.int64))


def _damp_branches(net: nn.Module) -> None:
    """Let each residual block add little, as in a network that has learned (Goyal et al. 2017 begin with nothing).

    With a gamma of 1 everywhere the 50 blocks of resnet152 magnify rounding such that torch alone differs between batches. So
    do 55 convolutions and batch norms in a line (Yang et al. 2019: by 1.2 a layer): where there is no shortcut, each passes on
    what it gets and mixes in a little of the rest.
    """
    with torch.no_grad():
        for block in net.modules():
            if isinstance(block, BasicBlock) and block.shortcut is None:
                for conv in (block.conv1, block.conv2):
                    conv.weight.mul_(0.2).add_(nn.init.dirac_(torch.empty_like(conv.weight)))
            elif isinstance(block, BasicBlock | Bottleneck):
                block.last_norm.weight.fill_(0.2)


def _measure_norms(net: nn.Module, images_NCHW: torch.Tensor) -> None:
    """Give the batch norms the statistics of these images, as a training would; before one they change nothing."""
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net.train()(images_NCHW)


def _prove(name: str, form: str) -> proof.Agreement:
    model, images = _made(name)
    facts = about(f"{name}@none", model, "fp32")
    if form == "pt2":
        return proof.prove(model, torch_file.loaded(torch_file.written(model, facts)), images)
    with as_model(described(graph.trace(model).proto, facts)) as exported:
        return proof.prove(model, exported, images)


@pytest.mark.soak
@pytest.mark.parametrize("form", ["onnx", "pt2"])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_answers_as_its_network(name: str, form: str):
    if catalogue.is_timm(name):
        pytest.importorskip("timm")
    agreement = _prove(name, form)
    print(json.dumps({"net": name, "form": form, **agreement.as_json()}))
    assert agreement.n == IMAGES
    assert agreement.top1 + agreement.near_ties / IMAGES == 1
    assert agreement.max_abs_logit <= 1e-4 * agreement.largest_logit  # logits of weights drawn at random may be small
