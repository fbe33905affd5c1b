"""Whether a map of what a network looked at can be believed: two tests that need no labels.

Deletion (Samek et al. 2017, section III; Petsiuk, Das & Saenko 2018, section 4.1): squares of the picture are replaced by the
training mean, those first that the map marks most. Where the map is right, the probability of the class falls at once, so the
area under its curve is small. It is held against the areas of orders drawn at random: the map's is small only if fewer than one
in twenty of such would be as small.

Weights drawn anew (Adebayo et al. 2018, section 3.1): the same map of the same network with fresh weights in every layer. Where
the two are alike, the map shows the picture and not what was learnt. They are compared by Spearman's rank correlation.

Legend: N images, C channels, H x W pixels, Q squares, S steps, M random orders.
"""

import copy
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from striate.base.draws import permute, seed_of
from striate.nets.init import he

ACROSS = 16  # squares along the longer side, at most
STEPS = 16  # shares of the picture that are removed
ORDERS = 19  # at random: the least with which 1 of 20 can be told
ERROR = 0.05
ALIKE = 0.7  # rank correlation from where on a map hardly depends on the weights
COPIES = 1

Logits = Callable[[nn.Module, Tensor], Tensor]
Floats = NDArray[np.float64]


class Faithfulness(NamedTuple):
    """What the two tests say of the map of one image.

    Attributes:
        explains: the map passes both.
        why: a sentence.
        area: under the deletion curve of the map, 0..1.
        random_area: the mean of the random orders' areas.
        random_spread: their standard deviation.
        gain: random_area - area; how much faster than at random the probability falls.
        p_value: (1 + random orders with an area as small) / (1 + random orders).
        likeness: rank correlation with the map of fresh weights, -1..1; 0 where one of the two is constant.
        curve_S: probability of the class after each step, from nothing removed to everything.
        random_curve_S: the mean of the random orders' curves.
        passes: images that went through the network for the deletion curves of this map alone; the maps of fresh weights come
            on top.

    """

    explains: bool
    why: str
    area: float
    random_area: float
    random_spread: float
    gain: float
    p_value: float
    likeness: float
    curve_S: Floats
    random_curve_S: Floats
    passes: int


class Chance(NamedTuple):
    """What deletion in random orders does to some images; it serves every map of them.

    Attributes:
        curves_NMS: probabilities of the class.
        steps: S - 1.
        seed: of the orders.

    """

    curves_NMS: Floats
    steps: int
    seed: int


def chance(
    net: nn.Module,
    images_NCHW: Tensor,
    targets_N: Tensor,
    ask: Logits,
    *,
    steps: int = STEPS,
    orders: int = ORDERS,
    seed: int = 0,
) -> Chance:
    """Remove squares in random orders, the same for every image. steps x orders + orders passes an image.

    Args:
        net: the network.
        images_NCHW: as it takes them.
        targets_N: the class that is asked about, of each.
        ask: gives logits N x K of a network and images, without gradients and in bounded memory.
        steps: in which a picture is removed.
        orders: M.
        seed: of the orders.

    """
    squares = _squares(images_NCHW)
    orders_MQ = np.stack([permute(np.arange(squares.count), squares.count, seed, m, "deletion") for m in range(orders)])
    curves = [
        [_curve(net, image_CHW, int(target), order_Q, squares, steps, ask) for order_Q in orders_MQ]
        for image_CHW, target in zip(images_NCHW, targets_N, strict=True)
    ]
    return Chance(np.array(curves), steps, seed)


def judge(
    net: nn.Module,
    images_NCHW: Tensor,
    targets_N: Tensor,
    heat_NHW: Tensor,
    ask: Logits,
    fresh: Callable[[nn.Module], Tensor],
    by_chance: Chance,
    *,
    copies: int = COPIES,
) -> list[Faithfulness]:
    """Both tests of the maps of some images.

    Args:
        net: the network.
        images_NCHW: as it takes them.
        targets_N: the class that is asked about, of each.
        heat_NHW: the maps, of the images' size, never negative.
        ask: as of `chance`.
        fresh: makes the same maps of another network.
        by_chance: what `chance` gave for these images.
        copies: networks with fresh weights; their correlations are averaged.

    """
    squares = _squares(images_NCHW)
    marks_NQ = squares.means(heat_NHW)
    ties_Q = permute(np.arange(squares.count), squares.count, by_chance.seed, "ties")
    others = [squares.means(fresh(redrawn(net, by_chance.seed, copy))) for copy in range(copies)]
    found = []
    for n, marks_Q in enumerate(marks_NQ):
        order_Q = np.lexsort((ties_Q, -marks_Q))
        curve_S = _curve(net, images_NCHW[n], int(targets_N[n]), order_Q, squares, by_chance.steps, ask)
        likeness = float(np.mean([rank_correlation(marks_Q, other_NQ[n]) for other_NQ in others]))
        found.append(_verdict(curve_S, by_chance.curves_NMS[n], likeness, empty=not marks_Q.any()))
    return found


def _verdict(curve_S: Floats, random_MS: Floats, likeness: float, empty: bool) -> Faithfulness:
    area, areas_M = float(area_under(curve_S)), area_under(random_MS)
    as_small = int((areas_M <= area).sum())
    p_value = (1 + as_small) / (1 + len(areas_M))
    gain = float(areas_M.mean()) - area
    fell = f"the mean probability while it is removed is {area:.2f}, in random order {areas_M.mean():.2f}"
    if empty:
        why = "explains nothing here: the map is empty"
    elif p_value > ERROR:
        why = (
            f"explains nothing here: removing what it marks lowers the probability no faster than random ({fell}; as low in "
            f"{as_small} of {len(areas_M)} random orders)"
        )
    elif likeness >= ALIKE:
        why = (
            f"explains nothing here: it hardly changes when the weights are drawn anew (rank correlation {likeness:.2f}), so it "
            "shows the picture and not what was learnt"
        )
    else:
        why = (
            f"removing what it marks lowers the probability faster than all {len(areas_M)} random orders ({fell}), and it changes "
            f"when the weights are drawn anew (rank correlation {likeness:.2f})"
        )
    explains = not why.startswith("explains nothing")
    mean_S, passes = random_MS.mean(axis=0), len(curve_S)
    spread = float(areas_M.std(ddof=1)) if len(areas_M) > 1 else 0.0
    return Faithfulness(explains, why, area, float(areas_M.mean()), spread, gain, p_value, likeness, curve_S, mean_S, passes)


def redrawn(net: nn.Module, seed: int, copy_number: int = 0) -> nn.Module:
    """A copy of a network as it was before it learnt anything: every layer has fresh weights, drawn from a seed.

    Convolutions and fully connected layers are He normal with biases zero, under which a signal neither dies nor explodes; norms
    begin anew, with the running mean 0 and variance 1; any other parameter is normal with its own mean and deviation. What is
    not learnt, such as the bitmaps of LeNet-5, stays. The generators of torch are as they were.
    """
    place = next(net.parameters(), torch.empty(0)).device
    twin = copy.deepcopy(net).cpu()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.random.default_generator.manual_seed(seed_of(seed, copy_number, "weights drawn anew"))
        he(twin)
        for module in twin.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                continue
            own = list(module.parameters(recurse=False))
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
                continue
            for weight in own if not hasattr(module, "full_weight") else ():
                weight.normal_(float(weight.mean()), float(weight.std(correction=0)))
    return twin.to(place)


class _Squares(NamedTuple):
    """A grid over the image: squares of `side` pixels, the last of a row or column cut off by the edge."""

    side: int
    rows: int
    columns: int
    size: tuple[int, int]

    @property
    def count(self) -> int:
        return self.rows * self.columns

    def means(self, heat_NHW: Tensor) -> Floats:
        """N x Q mean heat of each square."""
        mean_NQ = functional.avg_pool2d(heat_NHW.double().unsqueeze(1), self.side, ceil_mode=True).flatten(1)
        found: Floats = mean_NQ.cpu().numpy()
        return found

    def pixels(self, kept_SQ: Tensor) -> Tensor:
        """S x 1 x H x W: which pixels are kept, from which squares are."""
        grid = kept_SQ.view(-1, 1, self.rows, self.columns)
        whole = grid.repeat_interleave(self.side, 2).repeat_interleave(self.side, 3)
        return whole[:, :, : self.size[0], : self.size[1]]


def _squares(images_NCHW: Tensor) -> _Squares:
    height, width = images_NCHW.shape[2:]
    side = -(-max(height, width) // ACROSS)
    return _Squares(side, -(-height // side), -(-width // side), (height, width))


def _curve(
    net: nn.Module, image_CHW: Tensor, target: int, order_Q: NDArray[np.int64], squares: _Squares, steps: int, ask: Logits
) -> Floats:
    """The probability of the class with 0, 1/steps, ... all of the squares at zero, in this order."""
    rank_Q = np.empty(squares.count, np.int64)
    rank_Q[order_Q] = np.arange(squares.count)
    gone_S = np.round(np.arange(steps + 1) * squares.count / steps)
    kept_SQ = torch.from_numpy(rank_Q[None, :] >= gone_S[:, None]).to(image_CHW)
    logits_SK = ask(net, image_CHW * squares.pixels(kept_SQ))
    found: Floats = logits_SK.double().softmax(dim=1)[:, target].cpu().numpy()
    return found


def area_under(curve_S: Floats) -> Floats:
    """The area under curves over the share that is removed, by trapezia: ... x S to ...

    >>> float(area_under(np.array([1.0, 0.5, 0.0])))
    0.5
    """
    found: Floats = (curve_S[..., 1:] + curve_S[..., :-1]).mean(axis=-1) / 2
    return found


def rank_correlation(one_Q: Floats, other_Q: Floats) -> float:
    """Spearman's: the correlation of the ranks, equal values sharing the mean of theirs; 0 where one is constant.

    >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([0.1, 0.2, 0.3]))
    1.0
    """
    a_Q, b_Q = _ranks(one_Q), _ranks(other_Q)
    a_Q, b_Q = a_Q - a_Q.mean(), b_Q - b_Q.mean()
    lengths = float(np.sqrt((a_Q @ a_Q) * (b_Q @ b_Q)))
    return float(a_Q @ b_Q) / lengths if lengths > 0 else 0.0


def _ranks(values_Q: Floats) -> Floats:
    _, place_Q, count_U = np.unique(values_Q, return_inverse=True, return_counts=True)
    last_U = np.cumsum(count_U)
    found: Floats = (last_U - (count_U - 1) / 2)[place_Q]
    return found
