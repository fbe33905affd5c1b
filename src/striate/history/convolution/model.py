"""Convolution: a kernel slides over an image, and at each place gives one number, the sum of products with what lies under it.

Networks compute cross-correlation and call it convolution: torch's conv2d does not flip the kernel. Convolution in the sense of
mathematics flips it in both directions, and is for that commutative and associative. As weights are learned, the flip makes no
difference to what a network can do; it does make one to a kernel that is written down, unless that is its own mirror image.

Sources: the formulas as in Stanford's notes for CS231n; AlexNet is Krizhevsky, Sutskever & Hinton 2012.

Legend: C channels of H x W pixels in, D kernels of C x F x G weights, and so D maps of Y x X out.
"""

from itertools import product
from math import cos, pi, radians, sin
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from striate.base.errors import SettingError, ShapeError

Floats = NDArray[np.float64]

SOBEL_X: Floats = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])  # positive where it gets brighter to the right
SOBEL_Y: Floats = SOBEL_X.T  # and downwards


def correlate(image_CHW: Floats, kernels_DCFG: Floats, stride: int = 1, padding: int = 0) -> Floats:
    """Cross-correlation, what networks call convolution: maps_DYX[d, y, x] = sum over c, i, j of kernel times window.

    Each kernel goes through all channels and gives one map. One larger than the padded image, or not as deep: ShapeError.
    """
    depth, height, width = kernels_DCFG.shape[1:]
    if depth != image_CHW.shape[0]:
        raise ShapeError(f"expected kernels as deep as the image, {image_CHW.shape[0]}; got a depth of {depth}.")
    output_side(image_CHW.shape[1], height, stride, padding)
    output_side(image_CHW.shape[2], width, stride, padding)
    padded_CHW = np.pad(image_CHW, ((0, 0), (padding, padding), (padding, padding))) if padding else image_CHW
    windows_CYXFG = sliding_window_view(padded_CHW, (height, width), axis=(1, 2))[:, ::stride, ::stride]
    # A row of windows at a time, since all of them at once are copied, F x G times the image
    kernels_DK = kernels_DCFG.reshape(len(kernels_DCFG), -1)
    rows = [
        np.dot(kernels_DK, windows_CXFG.transpose(0, 2, 3, 1).reshape(kernels_DK.shape[1], -1))
        for windows_CXFG in windows_CYXFG.swapaxes(0, 1)
    ]
    maps_DYX: Floats = np.stack(rows, axis=1)
    return maps_DYX


def convolve(image_CHW: Floats, kernels_DCFG: Floats, stride: int = 1, padding: int = 0) -> Floats:
    """Convolution: `correlate` with every kernel turned by half a turn."""
    return correlate(image_CHW, kernels_DCFG[:, :, ::-1, ::-1], stride, padding)


def feature_map(image_HW: Floats, kernel_FG: Floats, stride: int = 1, padding: int = 0, flip: bool = False) -> Floats:
    """The map, Y x X, of one kernel on a gray image: cross-correlation, or convolution where it is flipped."""
    map_YX: Floats = (convolve if flip else correlate)(image_HW[None], kernel_FG[None, None], stride, padding)[0]
    return map_YX


def everywhere(first_HW: Floats, second_FG: Floats, flip: bool = True) -> Floats:
    """All places where two arrays overlap at all, H + F - 1 by W + G - 1: the convolution of polynomials and of signals."""
    rows, columns = (side - 1 for side in second_FG.shape)
    return feature_map(np.pad(first_HW, ((rows, rows), (columns, columns))), second_FG, flip=flip)


class Step(NamedTuple):
    """One place of the kernel."""

    row: int  # of the map
    column: int
    top: int  # of the window, in the padded image
    left: int
    products_FG: Floats  # each weight times the pixel under it
    total: float  # their sum, which is the value of the map


def steps(image_HW: Floats, kernel_FG: Floats, stride: int = 1, padding: int = 0) -> list[Step]:
    """Every place that a kernel visits, row by row: what `correlate` does, slowly."""
    padded_HW, (height, width) = np.pad(image_HW, padding), kernel_FG.shape
    rows, columns = (output_side(*sides, stride, padding) for sides in zip(image_HW.shape, kernel_FG.shape, strict=True))
    places = []
    for row, column in product(range(rows), range(columns)):
        top, left = row * stride, column * stride
        products_FG = padded_HW[top : top + height, left : left + width] * kernel_FG
        places.append(Step(row, column, top, left, products_FG, float(products_FG.sum())))
    return places


# Kernels


def mean(side: int) -> Floats:
    """The mean of a window: its weights sum to 1, so it keeps the brightness."""
    return np.full((side, side), 1 / side**2)


def gabor(
    side: int, wavelength_px: float, degrees: float = 0.0, phase_degrees: float = 0.0,
    sigma_px: float | None = None, aspect: float = 1.0,
) -> Floats:  # fmt: skip
    """A wave under a Gaussian bell (Gabor 1946; Daugman 1985 in two dimensions), without its mean and of length 1.

    Args:
        side: odd, so that it has a middle.
        wavelength_px: from one crest to the next.
        degrees: in which direction the wave goes, from the right (0) downwards (90): at 0 its stripes are upright.
        phase_degrees: 0 has a crest in the middle and is even, 90 a slope and is odd.
        sigma_px: of the bell across the stripes; else half the wavelength.
        aspect: of the bell, across over along the stripes; below 1 it is longer along them.

    """
    sigma = wavelength_px / 2 if sigma_px is None else sigma_px
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    across = x * cos(radians(degrees)) + y * sin(radians(degrees))
    along = y * cos(radians(degrees)) - x * sin(radians(degrees))
    bell = np.exp(-(across**2 + (aspect * along) ** 2) / (2 * sigma**2))
    wave: Floats = bell * np.cos(2 * pi * across / wavelength_px + radians(phase_degrees))
    # What is left of the mean is taken off under the bell, so that the rim stays 0 and even light gives nothing
    wave -= bell * (wave.sum() / bell.sum())
    unit: Floats = wave / np.sqrt((wave**2).sum())
    return unit


# Volumes and weights


def output_side(side: int, filter_side: int, stride: int = 1, padding: int = 0) -> int:
    """Windows that fit along a side: floor((W - F + 2 P) / S) + 1; a ShapeError where not one fits.

    >>> output_side(227, 11, stride=4)  # AlexNet's first layer
    55
    """
    if stride < 1 or padding < 0:
        raise SettingError(f"expected a stride of at least 1 and a padding of at least 0; got {stride} and {padding}.")
    if side + 2 * padding < filter_side:
        raise ShapeError(
            f"expected a kernel within the image; got {filter_side} over {side} pixels with a padding of {padding}. "
            "Take a smaller kernel or more padding."
        )
    return (side - filter_side + 2 * padding) // stride + 1


class Cost(NamedTuple):
    """What a convolutional layer is made of."""

    side: int  # of its maps
    neurons: int  # values of its maps
    shared: int  # weights and biases, one kernel for all places of a map
    unshared: int  # the same if each neuron had its own
    multiplications: int  # for one image


def cost(side: int, channels: int, filter_side: int, kernels: int, stride: int = 1, padding: int = 0) -> Cost:
    """The volumes and weights of a layer on a square image; stride changes the maps and the work, never the weights.

    >>> cost(227, 3, 11, 96, stride=4)
    Cost(side=55, neurons=290400, shared=34944, unshared=105705600, multiplications=105415200)
    """
    across = output_side(side, filter_side, stride, padding)
    weights, neurons = filter_side**2 * channels, across**2 * kernels
    return Cost(across, neurons, (weights + 1) * kernels, (weights + 1) * neurons, weights * neurons)


def fully_connected(side: int, channels: int) -> int:
    """Weights of one neuron that sees the whole image: quadratic in the side.

    >>> fully_connected(32, 3), fully_connected(200, 3)
    (3072, 120000)
    """
    return side * side * channels
