"""GMDH and the neocognitron as networks of the catalogue: trained, tested, saved and looked into like any other.

Neither descends a gradient, so each has a `learn` of its own, which `striate train` calls in place of its loop. What grew has
other sizes each time; `grown` says which, and rebuilds the network around saved weights. As outputs that are no logits say
nothing of probability, the last layer, `answer`, multiplies them by one factor, chosen on the validation images.

Legend: N images, C channels, H x W pixels, K classes, D coordinates, L elements of a layer.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.base.errors import ShapeError, UnsupportedError
from striate.base.events import Watch
from striate.history.gmdh.criteria import TERMS
from striate.history.gmdh.model import GMDH
from striate.history.neocognitron import growing
from striate.history.neocognitron.net import Neocognitron
from striate.nets.net import Net

LEAST_PX = 19  # what the neocognitron looks at
_LEAST, _MOST = -1.0, 2.0  # of a polynomial that was grown to put out 0 or 1: of degree 256, it explodes on unlike images
_MARGIN_28 = 3  # outermost pixels of MNIST's 28 x 28 that carry no ink


class Answer(nn.Module):
    """Outputs times a factor: logits, once the factor has been chosen."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.out_features = num_classes
        self.register_buffer("factor", torch.ones(()))

    def forward(self, outputs_NK: Tensor) -> Tensor:
        """N x K."""
        return outputs_NK * self.get_buffer("factor")


class NeocognitronClassifier(Neocognitron):
    """The neocognitron whose S-layers organize themselves (`neocognitron.growing`), for images of 19 px and more.

    Images of another side than 19 are brought to it by area; those of 28 px, as MNIST's, lose their empty margin before.
    White is ink. `grown` is the planes of us2, us3, and of us4 for each class; None for a network that has learned nothing.
    Colored images and smaller sides are refused with ShapeError.
    """

    def __init__(self, input_chw: tuple[int, int, int], num_classes: int, grown: Sequence[Any] | None = None) -> None:
        c, h, w = input_chw
        if c != 1 or h != w or h < LEAST_PX:
            raise ShapeError(
                f"the neocognitron expects gray square images of {LEAST_PX} px or more; got C={c}, H={h}, W={w}. Set "
                f"preprocess.channels=1 and preprocess.size_px={LEAST_PX} or more."
            )
        super().__init__(growing.design(), strongest=True)
        self.input_chw = input_chw
        self.add_module("answer", Answer(num_classes))
        self.taps, self.head_name = (*self.taps, "answer"), "answer"
        if grown is not None:
            for stage, planes in ((2, grown[0]), (3, grown[1])):
                self.resize(stage, (1,) * planes)
            self.resize(4, tuple(grown[2]))

    @property
    def description(self) -> str:
        """What it has grown to."""
        return f"us2 {self.grown[0]}, us3 {self.grown[1]} and us4 {sum(self.grown[2]):,} planes"

    @property
    def macs(self) -> int:
        """Multiply-adds of one image, those of the V- and C-cells taken to be as many again each as those of the S-cells."""
        return 3 * sum(layer.row.side**2 * layer.a_PKkk.numel() for layer in map(self.s_layer, (1, 2, 3, 4)))

    @property
    def learned(self) -> int:
        """Numbers that learning has set: the weights a and b of the S-cells."""
        return sum(layer.a_PKkk.numel() + layer.b_P.numel() for layer in map(self.s_layer, (1, 2, 3, 4)))

    @property
    def grown(self) -> list[Any]:
        """What rebuilds the network around its weights."""
        planes = [len(self.s_layer(stage).a_PKkk) for stage in (2, 3)]
        return [*planes, list(self.design.stages[3][1].groups)]

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """N x K logits of images in [0, 1]."""
        self.check(images_NCHW)
        with torch.no_grad():
            logits: Tensor = self.get_submodule("answer")(self.up_to(self._small(images_NCHW), 4))
            return logits

    def _small(self, images_NCHW: Tensor) -> Tensor:
        side = self.input_chw[1]
        if side == LEAST_PX:
            return images_NCHW
        return growing.shrunk(images_NCHW[:, 0], LEAST_PX, _MARGIN_28 if side == 28 else 0)

    def learn(self, images_NCHW: Tensor, labels_N: Tensor, watch: Watch) -> None:
        """Let the S-layers grow (Fukushima 2003 and 2013; see `neocognitron.growing`); `watch` may raise.

        Images in [0, 1], in an order that mixes all K classes.
        """
        growing.learn(self, self._small(images_NCHW), labels_N, watch)


class GMDHNet(Net):
    """One polynomial network for each class, grown to put out 1 for it and 0 for the others (`gmdh.GMDHClassifier`).

    Its inputs are D coordinates without places, (D, 1, 1), as `preprocess.scale=pca` gives; images, of whose pixels there are
    too many pairs, are refused with ShapeError. `grown` is for each class the elements of its layers; None for a network that
    has learned nothing.
    """

    taps = ("polynomials", "answer")
    head_name = "answer"

    def __init__(self, input_chw: tuple[int, int, int], num_classes: int, grown: Sequence[Sequence[int]] | None = None) -> None:
        if input_chw[1:] != (1, 1) or input_chw[0] < 2:
            raise ShapeError(
                f"gmdh expects two or more numbers without places, (D, 1, 1); got {input_chw}. Set preprocess.scale=pca, and "
                "preprocess.components to 20 or so, since every pair of them is fitted."
            )
        super().__init__(input_chw)
        self.polynomials = Polynomials(grown if grown is not None else [[1]] * num_classes)
        self.answer = Answer(num_classes)

    @property
    def description(self) -> str:
        """What it has grown to."""
        depths = [len(layers) for layers in self.grown]
        return f"networks of {min(depths)} to {max(depths)} layers, {sum(map(sum, self.grown))} elements"

    @property
    def learned(self) -> int:
        """Numbers that learning has set: six of each element."""
        return len(TERMS) * sum(map(sum, self.grown))

    @property
    def grown(self) -> list[list[int]]:
        """What rebuilds the network around its weights."""
        return self.polynomials.sizes

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """N x K logits."""
        self.check(images_NCHW)
        outputs_NK = self.polynomials(images_NCHW.flatten(1)).clamp(_LEAST, _MOST)
        logits: Tensor = self.answer(outputs_NK)
        return logits

    def replace_head(self, num_classes: int) -> None:
        """Refused with UnsupportedError: each class has a network of its own."""
        raise UnsupportedError(
            f"gmdh has no last layer to replace by one of {num_classes} classes: each class has a network of its own. "
            "Train it anew."
        )

    def learn(self, images_NCHW: Tensor, labels_N: Tensor, watch: Watch) -> None:
        """Grow the networks, half of the images external: none of the weights is fitted to them. `watch` may raise.

        Images N x D x 1 x 1, in an order that mixes all K classes.
        """
        X_ND, labels = images_NCHW.flatten(1).double().cpu().numpy(), labels_N.cpu().numpy()
        classes = self.answer.out_features
        networks = []
        for k in range(classes):
            networks.append(GMDH(keep=X_ND.shape[1]).fit(X_ND, (labels == k).astype(np.float64)))
            watch({"event": "growing", "done": k + 1, "total": classes})
        place = images_NCHW.device
        self.polynomials = Polynomials([[len(layer.pairs_K2) for layer in network.layers_] for network in networks]).to(place)
        for k, network in enumerate(networks):
            for number, layer in enumerate(network.layers_):
                self.polynomials.pairs(k, number).copy_(torch.from_numpy(layer.pairs_K2))
                self.polynomials.weights(k, number).copy_(torch.from_numpy(layer.weights_KQ))


class Polynomials(nn.Module):
    """K grown networks of elements, in float64, since their degree is high.

    `sizes` are for each class the elements L of its layers, of which the last has one.
    """

    def __init__(self, sizes: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.sizes = [list(layers) for layers in sizes]
        for k, layers in enumerate(self.sizes):
            for number, elements in enumerate(layers):
                self.register_buffer(f"pairs_{k}_{number}", torch.zeros(elements, 2, dtype=torch.int64))
                self.register_buffer(f"weights_{k}_{number}", torch.zeros(elements, len(TERMS), dtype=torch.float64))

    def pairs(self, k: int, number: int) -> Tensor:
        """L x 2 inputs of the elements of a layer of a class."""
        return self.get_buffer(f"pairs_{k}_{number}")

    def weights(self, k: int, number: int) -> Tensor:
        """L x 6 weights of the same."""
        return self.get_buffer(f"weights_{k}_{number}")

    def forward(self, inputs_ND: Tensor) -> Tensor:
        """N x K outputs."""
        return torch.stack([self._grown(k, inputs_ND.double()) for k in range(len(self.sizes))], dim=1).to(inputs_ND.dtype)

    def _grown(self, k: int, values_ND: Tensor) -> Tensor:
        for number in range(len(self.sizes[k])):
            u_NL, v_NL = values_ND[:, self.pairs(k, number)].unbind(dim=2)
            terms_NLQ = torch.stack([torch.ones_like(u_NL), u_NL, v_NL, u_NL * v_NL, u_NL**2, v_NL**2], dim=2)
            values_ND = (terms_NLQ * self.weights(k, number)).sum(dim=2)
        return values_ND[:, 0]
