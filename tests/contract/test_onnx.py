"""Published networks as ONNX files, before any training: their answers are those of the network in batches of 1, 2 and 17."""

import numpy as np
import pytest
import torch

from striate.batches.preprocess import Preprocess
from striate.data.decode import InputSpec
from striate.model import Model
from striate.nets import catalogue
from striate.nets.factory import build
from striate.workflows.export import graph, proof
from striate.workflows.export.run import about, as_model, described

NAMES = (
    "lecun1989", "lenet1", "lenet5", "lenet5_modern", "mlp", "mnist_cnn", "alexnet", "alexnet_owt", "vgg11", "vgg13",
    "vgg11_bn", "vgg16", "googlenet", "resnet18", "resnet20", "resnet50", "resnet56", "efficientnet_lite0",
)  # fmt: skip


@pytest.mark.soak
@pytest.mark.parametrize("name", NAMES)
def test_a_network_answers_the_same_in_onnx(name: str):
    (row,) = (row for row in catalogue.CATALOGUE if row.name == name)
    channels, side, _ = row.input_chw
    preprocess = Preprocess(torch.full((channels, 1, 1), 0.4), torch.full((channels, 1, 1), 0.3))
    net = build(name, (channels, side, side), 10, seed=1).eval()
    model = Model(net, name, {}, preprocess, InputSpec(side, channels, "squash"), tuple("abcdefghij"))
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (8, side, side, channels), np.uint8)
    with as_model(described(graph.trace(model).proto, about(f"{name}@none", model, "fp32"))) as exported:
        agreement = proof.prove(model, exported, proof.reference(model, pixels_NHWC, np.zeros(8, np.int64)))
    assert agreement.n == 8
    assert agreement.top1 + agreement.near_ties / 8 == 1
