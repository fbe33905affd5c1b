"""Class activation maps of a classifier on the means of the maps of several layers.

Such a logit is a sum over layers, and for each of them over positions: what each position gives is known exactly, without what
the layers between make of it.

Legend: N images, C channels, h x w positions of a layer, D features.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.interpret.attribution.query import Query
from striate.nets.feature_layer import FeatureHeadNet
from striate.nets.hooks import inputs, taps


class _Maps(NamedTuple):
    """The maps of a layer, of which the classifier is given the means."""

    values_NChw: Tensor
    means_NC: Tensor


def joined_layers(net: nn.Module) -> str | None:
    """The layers, joined by +, of whose maps the classifier of a network is given the means; None where it is given others."""
    return net.feature_layer if isinstance(net, FeatureHeadNet) and "+" in net.feature_layer else None


def class_activation_maps(query: Query) -> Tensor:
    """sum_l sum_k (dy_c / dm_lk) A_lk, m_lk the mean of map A_lk of layer l (Zhou et al. 2016, equation 2, for several layers).

    Layers with fewer positions are brought to those of the one with the most by bilinear interpolation. A pool over all
    positions counts with the maps that it is given. The network is a `FeatureHeadNet` of `joined_layers`.

    Returns:
        N x h x w of the layer with the most positions; never negative.

    """
    net = query.net
    assert isinstance(net, FeatureHeadNet)
    layers = net.feature_layer.split("+")
    with torch.no_grad(), taps(net.body, *layers) as outputs, inputs(net.body, *layers) as givens:
        net.body(query.images_NCHW)
    maps = [_spatial(outputs[layer], givens[layer]) for layer in layers]
    with torch.enable_grad():
        features_ND = torch.cat([each.means_NC for each in maps], dim=1).detach().requires_grad_()
        scores_N = net.classifier(features_ND).gather(1, query.targets_N[:, None])
        (gradients_ND,) = torch.autograd.grad(scores_N.sum(), features_ND)
    size = max(((each.values_NChw.shape[2], each.values_NChw.shape[3]) for each in maps), key=lambda hw: hw[0] * hw[1])
    parts = torch.split(gradients_ND, [each.means_NC.shape[1] for each in maps], dim=1)
    total_NHW = torch.zeros(len(query.images_NCHW), *size, dtype=features_ND.dtype, device=features_ND.device)
    for (values_NChw, _), gradients_NC in zip(maps, parts, strict=True):
        own_Nhw = torch.einsum("nc,nchw->nhw", gradients_NC, values_NChw)
        total_NHW += functional.interpolate(own_Nhw[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    return total_NHW.clamp(min=0)


def _spatial(output: Tensor, given: Tensor) -> _Maps:
    """The maps that a layer puts out; of a pool over all positions those that it is given."""
    if output.dim() != 4:
        return _Maps(output.flatten(1)[:, :, None, None], output.flatten(1))
    means_NC = output.mean(dim=(2, 3))
    pooled = output.shape[2:] == (1, 1) and given.dim() == 4 and given.shape[:2] == output.shape[:2]
    if pooled and torch.allclose(given.mean(dim=(2, 3)), means_NC, rtol=1e-4, atol=1e-6):
        return _Maps(given, means_NC)
    return _Maps(output, means_NC)
