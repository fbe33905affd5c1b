"""The three ways to reuse a network, on scanned digits: resnet20@cifar10, which has never seen one.

The images are 16 x 16, for which its features are computed once. Each way is a function of the number of images per class, of
which the first are taken, and is measured on the same held-out scans.

Legend: N images, M training images, D features, K = 10 digits.
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.hash_rng import places
from striate.lab.digit_training import SIDE, digits
from striate.metrics.intervals import Interval, wilson

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Linear

    from striate.model import Model
    from striate.nets.net import Net

WEIGHTS = "resnet20@cifar10"
LAYERS = ("conv1", "conv2_3", "conv3_3", "conv4_2", "pool4")  # "pixels" are read too, for comparison
HEAD_INPUT = "pool4"
HELD_OUT, MOST_IMAGES = 300, 30  # images; images per class
EPOCHS, HEAD_STEPS = 8, 40
BATCH = 25
Features = Mapping[str, NDArray[np.float32]]  # N x D, by layer


class Score(NamedTuple):
    """What one way comes to."""

    trained: int  # weights and biases that were learned
    accuracy: Interval  # on the held-out scans


class Chosen(NamedTuple):
    """The scans that are used: the held-out ones, then those of digit 0, of digit 1 and so on."""

    images_NCHW: "Tensor"  # preprocessed for the network
    levels_NHW: NDArray[np.uint8]
    labels_N: NDArray[np.int64]

    def rows(self, per_class: int) -> NDArray[np.int64]:
        """The training images with so many per class."""
        return np.concatenate([HELD_OUT + MOST_IMAGES * digit + np.arange(per_class) for digit in range(10)])


@cache
def pretrained() -> "Model":
    """The network with its weights, for images of 16 x 16 pixels."""
    from striate.workflows.finetune.start import at_size
    from striate.workflows.load_model import load_network

    return at_size(load_network(WEIGHTS), SIDE)


@cache
def chosen() -> Chosen:
    """The first scans are held out; of those after them the first 30 of each digit can be learned from."""
    import torch

    labels_N = digits().labels_N.numpy()
    learned = [HELD_OUT + np.flatnonzero(labels_N[HELD_OUT:] == digit)[:MOST_IMAGES] for digit in range(10)]
    rows_N = np.concatenate([np.arange(HELD_OUT), *learned])
    levels_NHW = (digits().images_N1HW[rows_N, 0] * 255).round().to(torch.uint8)
    three_NHWC = levels_NHW[..., None].expand(-1, -1, -1, 3).contiguous()
    return Chosen(pretrained().preprocess.images(three_NHWC), levels_NHW.numpy(), labels_N[rows_N])


def features_of(net: "Net", images_NCHW: "Tensor") -> Features:
    """The output of each layer, of maps their means, and the pixels themselves."""
    import torch

    from striate.nets.hooks import taps

    with torch.inference_mode(), taps(net.eval(), *LAYERS) as outputs:
        net(images_NCHW)
    read = {name: output.mean((2, 3)) if output.ndim == 4 else output for name, output in outputs.items()}
    return {name: values_ND.numpy() for name, values_ND in read.items()} | {"pixels": images_NCHW[:, 0].flatten(1).numpy()}


@cache
def features() -> Features:
    """Those of the frozen network."""
    return features_of(pretrained().net, chosen().images_NCHW)


@lru_cache(maxsize=256)
def extract(layer: str, per_class: int) -> Score:
    """A linear support vector machine on standardized features of a layer, of the middle one of the strengths of `finetune`."""
    from striate.training.transfer.feature_classifier import fit_linear
    from striate.training.transfer.feature_scaling_and_folds import standard

    values_ND, labels_N, rows_M = features()[layer], chosen().labels_N, chosen().rows(per_class)
    shift_D, factor_D = standard(values_ND[rows_M])
    ready_ND = (values_ND - shift_D) * factor_D
    length2 = max(1e-12, float(np.square(ready_ND[rows_M], dtype=np.float64).sum(axis=1).mean()))
    weight_KD, bias_K = fit_linear(ready_ND[rows_M], labels_N[rows_M], "svm", 1 / length2)
    answers_N = (ready_ND[:HELD_OUT] @ weight_KD.T + bias_K).argmax(axis=1)
    return Score(weight_KD.size + bias_K.size, _accuracy(answers_N))


def adapt(per_class: int) -> Score:
    """A new last layer, trained by gradient descent, all images in each step, on what the frozen network gives it."""
    import torch

    head = adapted_head(per_class)
    with torch.inference_mode():
        answers_N = head(torch.from_numpy(features()[HEAD_INPUT][:HELD_OUT])).argmax(1).numpy()
    return Score(sum(each.numel() for each in head.parameters()), _accuracy(answers_N))


@lru_cache(maxsize=64)
def adapted_head(per_class: int) -> "Linear":
    """The new last layer."""
    import torch

    from striate.base.config import Train
    from striate.training import loss, optimizer
    from striate.training.transfer.head_training import fresh

    rows_M, labels_N = chosen().rows(per_class), chosen().labels_N
    values_ND = features()[HEAD_INPUT]
    settings = Train(optimizer="adam", lr=0.03, weight_decay=0, schedule="constant", label_smoothing=0)
    head = fresh(values_ND.shape[1], 10)
    update, losses_of = optimizer.make(head, settings), loss.make(settings, None)
    values_MD, labels_M = torch.from_numpy(values_ND[rows_M]), torch.from_numpy(labels_N[rows_M])
    for _ in range(HEAD_STEPS):
        update.zero_grad()
        torch.autograd.backward(losses_of(head(values_MD), labels_M).mean())
        update.step()
    return head


class Retraining:
    """All weights, from the pretrained ones with the adapted last layer, a few steps with each call."""

    def __init__(self, per_class: int) -> None:
        from copy import deepcopy

        from striate.base.config import Train
        from striate.nets.feature_layer import with_head
        from striate.nets.frozen_batchnorm import freeze_batchnorm
        from striate.training import layer_lr, loss, optimizer
        from striate.training.transfer.full_finetune import layer_decay

        self.rows_M = chosen().rows(per_class)
        self.epoch_steps = -(-len(self.rows_M) // BATCH)
        self.steps, self.step = EPOCHS * self.epoch_steps, 0
        self.net = with_head(deepcopy(pretrained().net).requires_grad_(True), 10)
        self.net.head.load_state_dict(adapted_head(per_class).state_dict())
        freeze_batchnorm(self.net)
        settings = Train(
            batch_size=BATCH, optimizer="adam", lr=0.001, weight_decay=0, schedule="constant", label_smoothing=0,
            layer_decay=layer_decay(self.net),
        )  # fmt: skip
        self._update = optimizer.make(self.net, settings, layer_lr.factors(self.net, settings))
        self._losses_of = loss.make(settings, None)
        self.features: Features = {}  # of the held-out scans, once it is done
        self.score: Score | None = None

    @property
    def done(self) -> bool:
        """Whether it has made its last step, and been measured."""
        return self.score is not None

    def go_on(self, steps: int) -> None:
        """So many steps more; after the last one it is measured."""
        import torch

        images_NCHW, _, labels_N = chosen()
        self.net.train()
        for step in range(self.step, min(self.step + steps, self.steps)):
            epoch, place = divmod(step, self.epoch_steps)
            count = len(self.rows_M)
            order_B = places(place * BATCH, min((place + 1) * BATCH, count), count, 0, epoch)
            rows_B = self.rows_M[order_B]
            self._update.zero_grad()
            torch.autograd.backward(self._losses_of(self.net(images_NCHW[rows_B]), torch.from_numpy(labels_N[rows_B])).mean())
            self._update.step()
            self.step = step + 1
        if self.step == self.steps and self.score is None:
            self.features = features_of(self.net, images_NCHW[:HELD_OUT])
            with torch.inference_mode():
                answers_N = self.net.head(torch.from_numpy(self.features[HEAD_INPUT])).argmax(1).numpy()
            learned = sum(each.numel() for each in self.net.parameters() if each.requires_grad)
            self.score = Score(learned, _accuracy(answers_N))


@lru_cache(maxsize=MOST_IMAGES)
def retraining(per_class: int) -> Retraining:
    """That of so many images per class: begun once, however often a page asks."""
    return Retraining(per_class)


def _accuracy(answers_N: NDArray[np.int64]) -> Interval:
    return wilson(int((answers_N == chosen().labels_N[:HELD_OUT]).sum()), HELD_OUT)
