"""Every network learns: the small ones 32 images by heart, the large ones two, from the start that their papers give."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from striate.nets import catalogue
from striate.nets.factory import build
from striate.nets.net import Net

LARGE = 4_500_000
SLOW = "plain56"  # without shortcuts, 56 layers learn slowly: that is why they have them
SMALL_ROWS = [entry for entry in catalogue.CATALOGUE if entry.parameters < LARGE and entry.name != SLOW]
LARGE_ROWS = [entry for entry in catalogue.CATALOGUE if entry.parameters >= LARGE]
SIDES = {"mlp": 8, "mnist_cnn": 8}  # pixels; the residual family learns at 16, others at what they were published for


def learn(net: Net, images: int, steps: int, rate: float, enough: float) -> tuple[list[float], float]:
    """The losses of Adam on noise with labels, and the share of the images that is right at the end, in training mode.

    It ends before `steps` where every image is right and the loss is below `enough` of the first.
    """
    generator = torch.Generator().manual_seed(0)
    images_NCHW = torch.randn(images, *net.input_chw, generator=generator)
    labels_N = torch.arange(images) % net.num_classes
    optimizer, losses = torch.optim.Adam(net.parameters(), rate), []
    net.train()
    for step in range(steps):
        torch.manual_seed(step)
        logits_NK = net(images_NCHW)
        loss = functional.cross_entropy(logits_NK, labels_N)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        right = float((logits_NK.argmax(1) == labels_N).float().mean())
        if right == 1.0 and losses[-1] < enough * losses[0]:
            break
    return losses, right


def without_dropout(entry: catalogue.Entry) -> dict[str, float]:
    return {"dropout": 0.0} if "dropout" in entry.settings else {}


@pytest.mark.parametrize("entry", SMALL_ROWS, ids=lambda entry: entry.name)
def test_a_small_network_learns_32_images_by_heart(entry: catalogue.Entry):
    residual = entry.name.startswith(("resnet", "plain"))
    side = 16 if residual else SIDES.get(entry.name, entry.input_chw[1])
    net = build(entry.name, (entry.input_chw[0], side, side), 10, **without_dropout(entry))
    losses, right = learn(net, 32, 30 if residual else 80, 3e-3, enough=0.25)
    assert right == 1.0
    assert losses[-1] < 0.25 * losses[0]


@pytest.mark.soak
def test_the_deep_network_without_shortcuts_learns_32_images_in_the_end():
    _, right = learn(build(SLOW, (3, 16, 16), 10), 32, 300, 1e-3, enough=0.0)
    assert right == 1.0


@pytest.mark.soak
@pytest.mark.parametrize("entry", LARGE_ROWS, ids=lambda entry: entry.name)
def test_a_large_network_halves_its_loss_on_two_images_in_20_steps(entry: catalogue.Entry):
    net = build(entry.name, entry.input_chw, 10, **without_dropout(entry))
    losses, _ = learn(net, 2, 21, 1e-4, enough=0.5)
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.soak
@pytest.mark.parametrize("name", ["googlenet", "googlenet_bn"])
def test_auxiliary_heads_learn_with_the_network(name: str):
    net = build(name, (3, 64, 64), 2, aux=True, dropout=0.0).train()
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0  # of the auxiliary heads, which two images leave too much to chance
    images_NCHW = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    labels_N = torch.tensor([0, 1])
    optimizer, losses = torch.optim.Adam(net.parameters(), 2e-4), []
    for _ in range(30):
        outputs = net(images_NCHW)
        heads = [functional.cross_entropy(logits_NK, labels_N) for logits_NK in outputs]
        optimizer.zero_grad()
        (heads[0] + 0.3 * (heads[1] + heads[2])).backward()
        optimizer.step()
        losses.append([float(head.detach()) for head in heads])
    for head in range(3):
        assert sum(loss[head] for loss in losses[-3:]) < 0.5 * sum(loss[head] for loss in losses[:3])
