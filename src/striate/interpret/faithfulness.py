"""Whether an attribution map is faithful to the network: two tests that need no labels.

Deletion and insertion (Samek et al. 2017, section III; Petsiuk, Das & Saenko 2018, section 4.1): squares of the image are
replaced by the training mean, those first that the map marks most, or come back in that order to an image that is all mean.
Where the map is right, the probability of the class falls at once, or rises at once: a small area under the one curve and a
large one under the other. Both are compared with shifted controls: the same map moved cyclically to 19 other positions that lie
evenly over the image. It passes where at most one of them does as well, which may be close by; of maps that have nothing to
do with the image one in ten passes.

Orders of squares at random, against which the papers hold a map, are given too, but would be no fair judge: scattered holes
destroy an image sooner than patches do, so that maps of patches seem worse than they are, and scattered maps better. Of 24
images of CIFAR-10 on resnet20 the mean gain of Grad-CAM over them was 0.03, over its shifted controls 0.10.

Random weights (Adebayo et al. 2018, section 3.1): the same map of the same network with fresh weights in every layer. Where
the two are alike, the map shows the image and not what was learned. They are compared by Spearman's rank correlation over the
squares; the limit from which they count as alike is a choice of this package.

Legend: N images, C channels, H x W pixels, Q squares, S points of a curve, M shifts.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from striate.base import files
from striate.base.errors import SettingError
from striate.base.hash_rng import permute, seed_of
from striate.nets.init import he

ACROSS = 16  # squares along the longer side, at most
STEPS = 10  # shares of the image, one after the other
SHIFTS = 19  # 4 x 5 with the map itself
MIN_SHIFTS = 9
ORDERS = 5  # of squares at random
ERROR = 0.1  # of maps that have nothing to do with the image
ALIKE = 0.7  # rank correlation from where on a map hardly depends on the weights
_LARGE = 2**28  # bytes of weights of which there are no two copies in memory
COPIES = 3  # by chance one map of patches may look like another

Probabilities = Callable[[nn.Module, Tensor], Tensor]
Floats = NDArray[np.float64]
Order = NDArray[np.int64]


class Faithfulness(NamedTuple):
    """The results of both tests for the map of one image."""

    faithful: bool  # the map passes both
    reason: str  # a sentence
    deletion_area: float  # under the deletion curve of the map, 0..1; small is good
    shifted_deletion_area: float  # the mean over the shifted controls
    shifted_deletion_std: float  # their standard deviation
    gain: float  # shifted_deletion_area - deletion_area; how much faster the probability falls than for the shifted controls
    insertion_area: float  # under the insertion curve of the map, 0..1; large is good
    shifted_insertion_area: float  # its mean over the shifted controls
    p_value: float  # (1 + controls whose insertion_area - deletion_area is as large) / (1 + controls)
    random_deletion_area: float  # the mean of the areas under the deletion curves of squares in random orders
    rank_correlation: float  # rank correlation with the map of fresh weights, -1..1; 0 where one of the two is constant
    deletion_curve_S: Floats  # probability of the class with 0, 1/steps, ... all of the image removed
    insertion_curve_S: Floats  # with as much of it inserted
    shifted_deletion_curve_S: Floats  # the mean over the shifted controls
    forward_passes: int  # images that went through the network for these curves; the maps of fresh weights come on top


@dataclass(frozen=True)
class FaithfulnessTest:
    """How thoroughly a map is tested."""

    steps: int = STEPS  # in which the image is deleted and inserted
    shifts: int = SHIFTS  # shifted controls, 9 or more
    orders: int = ORDERS  # of squares at random, for `random_deletion_area`
    copies: int = COPIES  # networks with random weights; the correlations with their maps are averaged
    seed: int = 0  # of the orders, of ties and of the weights

    def __post_init__(self) -> None:
        if min(self.steps, self.orders, self.copies) < 1 or self.shifts < MIN_SHIFTS:
            raise SettingError(
                f"expected {MIN_SHIFTS} shifts or more, the fewest for an error rate of one in ten, and steps, orders and "
                f"copies of 1 or more; got {self.shifts} shifts, {self.steps} steps, {self.orders} orders "
                f"and {self.copies} copies."
            )


DEFAULT_TEST = FaithfulnessTest()


def judge(
    net: nn.Module, images_NCHW: Tensor, targets_N: Tensor, heat_NHW: Tensor, probabilities: Probabilities,
    heat_of_copy: Callable[[nn.Module], Tensor], test: FaithfulnessTest = DEFAULT_TEST,
) -> list[Faithfulness]:  # fmt: skip
    """Both tests of the maps of some images; an image costs (steps + 1) (2 + 2 shifts + orders) forward passes, 495 by default.

    Of the preprocessed images 0 is the training mean; `heat_NHW` are the maps for the target classes, of the images' size,
    never negative. `probabilities` gives N x K of a network and images, without gradients and in bounded memory;
    `heat_of_copy` makes the same maps of another network, at a cost of its own.
    """
    squares = _squares(images_NCHW)
    marks_NQ = squares.means(heat_NHW)
    copies, results = [], []
    for number in range(test.copies):
        with random_weights(net, test.seed, number) as copy_of_net:
            copies.append(squares.means(heat_of_copy(copy_of_net)))
    for n, marks_Q in enumerate(marks_NQ):
        image = _Masked(net, images_NCHW[n], int(targets_N[n]), squares, test.steps, probabilities)
        orders = [_order(squares.moved(marks_Q, m, test.shifts + 1), test.seed, m) for m in range(test.shifts + 1)]
        count = squares.number
        random_orders = [permute(np.arange(count), count, test.seed, m, "deletion") for m in range(test.orders)]
        curves_M2S = np.array([image.curves(order_Q) for order_Q in orders])
        random_RS = np.array([image.curves(order_Q, insert=False)[0] for order_Q in random_orders])
        correlation = float(np.mean([rank_correlation(marks_Q, other_NQ[n]) for other_NQ in copies]))
        results.append(verdict(curves_M2S, random_RS, correlation, empty=not marks_Q.any()))
    return results


def verdict(curves_M2S: Floats, random_RS: Floats, correlation: float, empty: bool = False) -> Faithfulness:
    """The result that the deletion and insertion curves of the map and, after it, of its shifted controls give.

    `random_RS` are deletion curves of squares in R random orders, `correlation` the rank correlation with the maps of random
    weights; an empty map marks nothing.
    """
    areas_M2 = area_under(curves_M2S)
    (area, inserted), shifted_M2 = areas_M2[0], areas_M2[1:]
    mean, mean_inserted = shifted_M2.mean(axis=0)
    shifts = len(shifted_M2)
    as_good = int((shifted_M2[:, 1] - shifted_M2[:, 0] >= inserted - area).sum())
    p_value = (1 + as_good) / (1 + shifts)
    numbers = (
        f"(mean probability during deletion {area:.2f}, during insertion {inserted:.2f}; shifted controls {mean:.2f} and "
        f"{mean_inserted:.2f})"
    )
    faithful = False
    if empty:
        reason = "not faithful: the map is empty"
    elif p_value > ERROR:
        reason = f"not faithful: shifted controls do as well at {as_good} of {shifts} shifts {numbers}"
    elif correlation >= ALIKE:
        reason = (
            f"not faithful: it hardly changes with random weights (rank correlation {correlation:.2f}), so it shows the image "
            "and not what was learned"
        )
    else:
        faithful = True
        reason = (
            f"faithful: better than {shifts - as_good} of {shifts} shifted controls {numbers}, and it changes with random "
            f"weights (rank correlation {correlation:.2f})"
        )
    return Faithfulness(
        faithful=faithful, reason=reason, deletion_area=float(area), shifted_deletion_area=float(mean),
        shifted_deletion_std=float(shifted_M2[:, 0].std()), gain=float(mean - area), insertion_area=float(inserted),
        shifted_insertion_area=float(mean_inserted), p_value=p_value, random_deletion_area=float(area_under(random_RS).mean()),
        rank_correlation=correlation, deletion_curve_S=curves_M2S[0, 0], insertion_curve_S=curves_M2S[0, 1],
        shifted_deletion_curve_S=curves_M2S[1:, 0].mean(axis=0), forward_passes=curves_M2S.size + random_RS.size,
    )  # fmt: skip


def with_random_weights(net: nn.Module, seed: int, copy_number: int = 0) -> nn.Module:
    """A copy of a network with random weights in every layer, drawn from a seed.

    Convolutions and fully connected layers are He normal with biases zero, under which no signal dies or explodes; norms
    begin anew at mean 0 and variance 1; any other parameter is normal with its own mean and standard deviation. What is
    not learned, such as the bitmaps of LeNet-5, stays. The generators of torch are as they were.
    """
    place = next(net.parameters(), torch.empty(0)).device
    twin = copy.deepcopy(net).cpu()
    _randomize(twin, seed, copy_number)
    return twin.to(place)


@contextmanager
def random_weights(net: nn.Module, seed: int, copy_number: int = 0) -> Iterator[nn.Module]:
    """What `with_random_weights` gives, for a block; of a large network itself, whose weights wait in a file meanwhile."""
    tensors = [*net.parameters(), *net.buffers()]
    in_place = all(tensor.device.type == "cpu" and tensor.is_contiguous() for tensor in tensors)
    if not in_place or sum(tensor.nbytes for tensor in tensors) <= _LARGE:
        yield with_random_weights(net, seed, copy_number)
        return
    contents = [tensor.detach().view(-1).view(torch.uint8).numpy().data for tensor in tensors if tensor.numel()]
    with TemporaryFile() as file:
        with files.explained(Path(gettempdir()), "write a file in"):
            for content in contents:
                file.write(content)
        try:
            _randomize(net, seed, copy_number)
            yield net
        finally:
            file.seek(0)
            for content in contents:
                file.readinto(content)


def _randomize(twin: nn.Module, seed: int, copy_number: int) -> None:
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
        means_NQ: Floats = mean_NQ.cpu().numpy()
        return means_NQ

    def moved(self, marks_Q: Floats, place: int, places: int) -> Floats:
        """The marks moved cyclically to one of so many positions that lie evenly over the grid; 0 leaves them."""
        down = max(side for side in range(1, isqrt(places) + 1) if places % side == 0)
        across = places // down
        row, column = divmod(place, across)
        shift = round(row * self.rows / down), round(column * self.columns / across)
        return np.roll(marks_Q.reshape(self.rows, self.columns), shift, (0, 1)).reshape(-1)

    def pixels(self, visible_SQ: Tensor) -> Tensor:
        """S x 1 x H x W: which pixels are kept, from which squares are."""
        grid = visible_SQ.view(-1, 1, self.rows, self.columns)
        whole = grid.repeat_interleave(self.side, 2).repeat_interleave(self.side, 3)
        return whole[:, :, : self.size[0], : self.size[1]]


def _squares(images_NCHW: Tensor) -> _Squares:
    height, width = images_NCHW.shape[2:]
    side = -(-max(height, width) // ACROSS)
    return _Squares(side, -(-height // side), -(-width // side), (height, width))


def _order(marks_Q: Floats, seed: int, place: int) -> Order:
    """The squares from the most marked to the least; equal ones in an order that is drawn."""
    return np.lexsort((permute(np.arange(len(marks_Q)), len(marks_Q), seed, place, "ties"), -marks_Q))


class _Masked(NamedTuple):
    """An image, squares of which are hidden while the probability of a class is measured."""

    net: nn.Module
    image_CHW: Tensor
    target: int
    squares: _Squares
    steps: int
    probabilities: Probabilities

    def curves(self, order_Q: Order, insert: bool = True) -> Floats:
        """The probability with the first 0, 1/steps, ... all squares at zero; to insert, also with all but those."""
        squares = self.squares
        rank_Q = np.empty(squares.number, np.int64)
        rank_Q[order_Q] = np.arange(squares.number)
        first_S = np.round(np.arange(self.steps + 1) * squares.number / self.steps)
        visible_SQ = torch.from_numpy(rank_Q[None, :] >= first_S[:, None]).to(self.image_CHW)
        pixels = squares.pixels(torch.cat([visible_SQ, 1 - visible_SQ]) if insert else visible_SQ)
        target = self.probabilities(self.net, self.image_CHW * pixels)[:, self.target].double()
        curves_2S: Floats = target.cpu().numpy().reshape(-1, self.steps + 1)
        return curves_2S


def area_under(curve_S: Floats) -> Floats:
    """The area under curves over the share that is removed, by trapezia: ... x S to ...

    >>> float(area_under(np.array([1.0, 0.5, 0.0])))
    0.5
    """
    areas: Floats = (curve_S[..., 1:] + curve_S[..., :-1]).mean(axis=-1) / 2
    return areas


def rank_correlation(first_Q: Floats, other_Q: Floats) -> float:
    """Spearman's: the correlation of the ranks, equal values sharing the mean of theirs; 0 where one is constant.

    >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([0.1, 0.2, 0.3]))
    1.0
    """
    a_Q, b_Q = _ranks(first_Q), _ranks(other_Q)
    a_Q, b_Q = a_Q - a_Q.mean(), b_Q - b_Q.mean()
    lengths = float(np.sqrt((a_Q @ a_Q) * (b_Q @ b_Q)))
    return float(a_Q @ b_Q) / lengths if lengths > 0 else 0.0


def _ranks(values_Q: Floats) -> Floats:
    _, place_Q, count_U = np.unique(values_Q, return_inverse=True, return_counts=True)
    last_U = np.cumsum(count_U)
    ranks_Q: Floats = (last_U - (count_U - 1) / 2)[place_Q]
    return ranks_Q
