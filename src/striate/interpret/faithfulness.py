"""Whether a map of what a network looked at can be believed: two tests that need no labels.

Deletion and insertion (Samek et al. 2017, section III; Petsiuk, Das & Saenko 2018, section 4.1): squares of the image are
replaced by the training mean, those first that the map marks most, or come back in that order to an image that is all mean.
Where the map is right, the probability of the class falls at once, or rises at once: a small area under the one curve and a
large one under the other. Both are held against the same map laid elsewhere: moved around the edges to 19 other places that lie
evenly over the image. It passes where at most one of them does as well, which may be close by; of maps that have nothing to
do with the image one in ten passes.

Orders of squares at random, against which the papers hold a map, are given too, but would be no fair judge: scattered holes
destroy an image sooner than patches do, so that maps of patches seem worse than they are, and scattered maps better. Of 24
images of CIFAR-10 on resnet20 the mean gain of Grad-CAM over them was 0.03, over its other places 0.10.

Weights drawn anew (Adebayo et al. 2018, section 3.1): the same map of the same network with fresh weights in every layer. Where
the two are alike, the map shows the image and not what was learned. They are compared by Spearman's rank correlation over the
squares; from where on they count as alike is a choice of this package.

Legend: N images, C channels, H x W pixels, Q squares, S points of a curve, M places.
"""

import copy
from collections.abc import Callable
from functools import partial
from math import isqrt
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from striate.base.errors import SettingError
from striate.base.hash_rng import permute, seed_of
from striate.nets.init import he

ACROSS = 16  # squares along the longer side, at most
STEPS = 10  # shares of the image, one after the other
PLACES = 19  # other than its own, 4 x 5 with it
FEWEST = 9  # places
ORDERS = 5  # of squares at random
ERROR = 0.1  # of maps that have nothing to do with the image
ALIKE = 0.7  # rank correlation from where on a map hardly depends on the weights
COPIES = 3  # by chance one map of patches may look like another

Logits = Callable[[nn.Module, Tensor], Tensor]
Floats = NDArray[np.float64]
Order = NDArray[np.int64]


class Faithfulness(NamedTuple):
    """What the two tests say of the map of one image.

    Attributes:
        explains: the map passes both.
        why: a sentence.
        area: under the deletion curve of the map, 0..1; small is good.
        elsewhere_area: the mean of the areas of the map laid elsewhere.
        elsewhere_spread: their standard deviation.
        gain: elsewhere_area - area; how much faster than elsewhere the probability falls.
        inserted_area: under the insertion curve of the map, 0..1; large is good.
        elsewhere_inserted_area: its mean over the other places.
        p_value: (1 + other places whose inserted_area - area is as large) / (1 + other places).
        random_area: the mean of the areas under the deletion curves of squares in random orders.
        likeness: rank correlation with the map of fresh weights, -1..1; 0 where one of the two is constant.
        curve_S: probability of the class with 0, 1/steps, ... all of the image removed.
        inserted_curve_S: with as much of it inserted.
        elsewhere_curve_S: the mean deletion curve of the other places.
        passes: images that went through the network for these curves; the maps of fresh weights come on top.

    """

    explains: bool
    why: str
    area: float
    elsewhere_area: float
    elsewhere_spread: float
    gain: float
    inserted_area: float
    elsewhere_inserted_area: float
    p_value: float
    random_area: float
    likeness: float
    curve_S: Floats
    inserted_curve_S: Floats
    elsewhere_curve_S: Floats
    passes: int


def judge(
    net: nn.Module,
    images_NCHW: Tensor,
    targets_N: Tensor,
    heat_NHW: Tensor,
    ask: Logits,
    fresh: Callable[[nn.Module], Tensor],
    *,
    steps: int = STEPS,
    places: int = PLACES,
    orders: int = ORDERS,
    copies: int = COPIES,
    seed: int = 0,
) -> list[Faithfulness]:
    """Both tests of the maps of some images.

    An image costs (steps + 1) (2 + 2 places + orders) passes, 495 as it is, and the maps of fresh weights.

    Args:
        net: the network.
        images_NCHW: as it takes them; 0 is the training mean.
        targets_N: the class that is asked about, of each.
        heat_NHW: the maps, of the images' size, never negative.
        ask: gives logits N x K of a network and images, without gradients and in bounded memory.
        fresh: makes the same maps of another network.
        steps: in which the image is removed and inserted.
        places: other places that the map is compared with, 9 or more.
        orders: of squares at random, for `random_area`.
        copies: networks with fresh weights; the correlations with their maps are averaged.
        seed: of the orders, of what stands for equal marks, and of the weights.

    """
    if min(steps, orders, copies) < 1 or places < FEWEST:
        raise SettingError(
            f"expected {FEWEST} places or more, with which one in ten can be told, and steps, orders and copies of 1 or more; "
            f"got {places} places, {steps} steps, {orders} orders and {copies} copies."
        )
    squares = _squares(images_NCHW)
    marks_NQ = squares.means(heat_NHW)
    others = [squares.means(fresh(redrawn(net, seed, number))) for number in range(copies)]
    found = []
    for n, marks_Q in enumerate(marks_NQ):
        curves = partial(_curves, net, images_NCHW[n], int(targets_N[n]), squares, steps, ask)
        own_and_others = [_order(squares.moved(marks_Q, m, places + 1), seed, m) for m in range(places + 1)]
        at_random = [permute(np.arange(squares.number), squares.number, seed, m, "deletion") for m in range(orders)]
        placed = np.array([curves(order_Q) for order_Q in own_and_others])
        scattered = np.array([curves(order_Q, insert=False) for order_Q in at_random])
        likeness = float(np.mean([rank_correlation(marks_Q, other_NQ[n]) for other_NQ in others]))
        found.append(verdict(placed, scattered[:, 0], likeness, empty=not marks_Q.any()))
    return found


def verdict(curves_M2S: Floats, random_RS: Floats, likeness: float, empty: bool = False) -> Faithfulness:
    """What curves mean.

    Args:
        curves_M2S: deletion and insertion curve of the map, and after it those of its other places.
        random_RS: deletion curves of squares in R random orders.
        likeness: rank correlation with the map of fresh weights.
        empty: the map marks nothing.

    """
    areas_M2 = area_under(curves_M2S)
    (area, inserted), elsewhere_M2 = areas_M2[0], areas_M2[1:]
    mean, mean_inserted = elsewhere_M2.mean(axis=0)
    places = len(elsewhere_M2)
    as_good = int((elsewhere_M2[:, 1] - elsewhere_M2[:, 0] >= inserted - area).sum())
    p_value = (1 + as_good) / (1 + places)
    fell = f"mean probability while it is removed {area:.2f}, while it is shown {inserted:.2f}"
    elsewhere = f"laid elsewhere {mean:.2f} and {mean_inserted:.2f}"
    explains = False
    if empty:
        why = "explains nothing here: the map is empty"
    elif p_value > ERROR:
        why = (
            f"explains nothing here: laid elsewhere the same map does as well at {as_good} of {places} places ({fell}; "
            f"{elsewhere})"
        )
    elif likeness >= ALIKE:
        why = (
            "explains nothing here: it hardly changes when the weights are drawn anew (rank correlation "
            f"{likeness:.2f}), so it shows the image and not what was learned"
        )
    else:
        explains = True
        why = (
            f"explains: removing and showing what it marks does more than at {places - as_good} of {places} other places "
            f"({fell}; {elsewhere}), and it changes when the weights are drawn anew (rank correlation {likeness:.2f})"
        )
    return Faithfulness(
        explains=explains, why=why, area=float(area), elsewhere_area=float(mean),
        elsewhere_spread=float(elsewhere_M2[:, 0].std()), gain=float(mean - area), inserted_area=float(inserted),
        elsewhere_inserted_area=float(mean_inserted), p_value=p_value, random_area=float(area_under(random_RS).mean()),
        likeness=likeness, curve_S=curves_M2S[0, 0], inserted_curve_S=curves_M2S[0, 1],
        elsewhere_curve_S=curves_M2S[1:, 0].mean(axis=0), passes=curves_M2S.size + random_RS.size,
    )  # fmt: skip


def redrawn(net: nn.Module, seed: int, copy_number: int = 0) -> nn.Module:
    """A copy of a network as it was before it learned anything: every layer has fresh weights, drawn from a seed.

    Convolutions and fully connected layers are He normal with biases zero, under which no signal dies or explodes; norms
    begin anew at mean 0 and variance 1; any other parameter is normal with its own mean and deviation. What is
    not learned, such as the bitmaps of LeNet-5, stays. The generators of torch are as they were.
    """
    place = next(net.parameters(), torch.empty(0)).device
    twin = copy.deepcopy(net).cpu()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed_of(seed, copy_number, "weights drawn anew"))
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
    def number(self) -> int:
        return self.rows * self.columns

    def means(self, heat_NHW: Tensor) -> Floats:
        """N x Q mean heat of each square."""
        mean_NQ = functional.avg_pool2d(heat_NHW.double().unsqueeze(1), self.side, ceil_mode=True).flatten(1)
        found: Floats = mean_NQ.cpu().numpy()
        return found

    def moved(self, marks_Q: Floats, place: int, places: int) -> Floats:
        """The marks around the edges to one of so many places that lie evenly over the grid; 0 is where they are."""
        down = max(side for side in range(1, isqrt(places) + 1) if places % side == 0)
        across = places // down
        row, column = divmod(place, across)
        shift = round(row * self.rows / down), round(column * self.columns / across)
        return np.roll(marks_Q.reshape(self.rows, self.columns), shift, (0, 1)).reshape(-1)

    def pixels(self, kept_SQ: Tensor) -> Tensor:
        """S x 1 x H x W: which pixels are kept, from which squares are."""
        grid = kept_SQ.view(-1, 1, self.rows, self.columns)
        whole = grid.repeat_interleave(self.side, 2).repeat_interleave(self.side, 3)
        return whole[:, :, : self.size[0], : self.size[1]]


def _squares(images_NCHW: Tensor) -> _Squares:
    height, width = images_NCHW.shape[2:]
    side = -(-max(height, width) // ACROSS)
    return _Squares(side, -(-height // side), -(-width // side), (height, width))


def _order(marks_Q: Floats, seed: int, place: int) -> Order:
    """The squares from the most marked to the least; equal ones in an order that is drawn."""
    return np.lexsort((permute(np.arange(len(marks_Q)), len(marks_Q), seed, place, "ties"), -marks_Q))


def _curves(
    net: nn.Module,
    image_CHW: Tensor,
    target: int,
    squares: _Squares,
    steps: int,
    ask: Logits,
    order_Q: Order,
    insert: bool = True,
) -> Floats:
    """The probability of the class with the first 0, 1/steps, ... all squares at zero; to insert, also with all but those."""
    rank_Q = np.empty(squares.number, np.int64)
    rank_Q[order_Q] = np.arange(squares.number)
    first_S = np.round(np.arange(steps + 1) * squares.number / steps)
    kept_SQ = torch.from_numpy(rank_Q[None, :] >= first_S[:, None]).to(image_CHW)
    pixels = squares.pixels(torch.cat([kept_SQ, 1 - kept_SQ]) if insert else kept_SQ)
    shares = ask(net, image_CHW * pixels).double().softmax(dim=1)[:, target]
    found: Floats = shares.cpu().numpy().reshape(-1, steps + 1)
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
