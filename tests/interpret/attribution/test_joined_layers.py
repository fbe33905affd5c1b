"""What each position of several layers gives to a logit: by hand, and as a sum."""

import torch
from torch import Tensor, nn

from striate.interpret.attribution import explain, gradcam
from striate.interpret.attribution.joined_layers import class_activation_maps, joined_layers
from striate.interpret.attribution.query import make_query
from striate.interpret.faithfulness import FaithfulnessTest
from striate.nets.factory import build
from striate.nets.feature_layer import with_head

LINE = "conv 1x1x1, relu, avgpool 2, conv 1x1x1, relu, globalpool, fc"
IMAGE_CHW = torch.tensor([[[4.0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 8.0]]])


def by_hand(layers: str, weights_KD: list[list[float]]) -> nn.Module:
    """The maps are the image, and three times the means of its four quarters."""
    net = with_head(build(LINE, (1, 4, 4), len(weights_KD), seed=1), len(weights_KD), layers)
    values = dict(net.named_parameters())
    with torch.no_grad():
        for name, value in {"conv1": 1.0, "conv2": 3.0}.items():
            values[f"body.{name}.weight"].fill_(value)
            values[f"body.{name}.bias"].zero_()
        values["classifier.weight"].copy_(torch.tensor(weights_KD))
        values["classifier.bias"].zero_()
    return net.eval()


def test_every_position_of_every_layer_counts():
    """Quarters are 3, 0, 0 and 6; class 1 has twice the image and the quarters once, between them by interpolation."""
    net = by_hand("relu1+relu2", [[0.0, 0.0], [2.0, 1.0]])
    map_HW = gradcam(net, IMAGE_CHW, target=1)
    assert map_HW.shape == (4, 4)
    assert map_HW[0, 0] == 2 * 4 + 3
    assert map_HW[3, 3] == 2 * 8 + 6
    assert map_HW[0, 3] == map_HW[3, 0] == 0
    assert map_HW[1, 1] == 0.75 * 0.75 * 3 + 0.25 * 0.25 * 6
    assert gradcam(net, IMAGE_CHW, target=0).tolist() == torch.zeros(4, 4).tolist()


def test_the_mean_over_positions_is_the_logit():
    net = by_hand("relu1+relu2", [[0.5, 0.25], [2.0, 1.0]])
    logits_NK = net(IMAGE_CHW[None])
    for target in (0, 1):
        assert torch.isclose(gradcam(net, IMAGE_CHW, target=target).mean(), logits_NK[0, target])


def test_what_is_evidence_against_the_class_is_left_out():
    net = by_hand("relu1+relu2", [[1.0, -1.0]])
    map_HW = gradcam(net, IMAGE_CHW, target=0)
    assert map_HW[0, 0] == 4 - 3
    assert map_HW[3, 3] == 8 - 6
    assert map_HW.sum() == 3


def test_a_pool_over_all_positions_counts_with_the_maps_that_it_is_given():
    pooled, maps = by_hand("relu1+globalpool1", [[2.0, 1.0]]), by_hand("relu1+relu2", [[2.0, 1.0]])
    assert torch.equal(pooled(IMAGE_CHW[None]), maps(IMAGE_CHW[None]))
    assert torch.equal(gradcam(pooled, IMAGE_CHW), gradcam(maps, IMAGE_CHW))


def test_its_map_is_judged_as_those_of_others():
    net = by_hand("relu1+relu2", [[1.0, 0.0], [0.0, 1.0]])
    explained = explain(net, IMAGE_CHW, test=FaithfulnessTest(steps=4, shifts=9, orders=1, copies=1))
    assert explained.layer == "relu1+relu2"
    assert len(explained.faithfulness) == 1
    assert torch.equal(explained.values, explain(net, IMAGE_CHW, layer="relu1+relu2", test=None).values)


def test_each_image_has_its_class_and_the_layers_are_named():
    net = by_hand("relu1+relu2", [[1.0, 0.0], [0.0, 1.0]])
    both_NCHW = torch.stack([IMAGE_CHW, IMAGE_CHW])
    one_NHW: Tensor = gradcam(net, both_NCHW, target=[0, 1])
    assert torch.equal(one_NHW[0], IMAGE_CHW[0])
    assert one_NHW[1, 0, 0] == 3
    explained = explain(net, IMAGE_CHW, test=None)
    assert explained.layer == joined_layers(net) == "relu1+relu2"
    assert torch.equal(class_activation_maps(make_query(net, IMAGE_CHW, 0))[0], IMAGE_CHW[0])
    one = explain(net, IMAGE_CHW, layer="body.relu2", test=None)
    assert (one.layer, joined_layers(by_hand("relu1", [[1.0] * 16]))) == ("body.relu2", None)
