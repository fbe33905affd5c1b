"""A convolution over three channels with every number, by two filters that make two maps; and the average filter on an image.

Legend: C channels, D filters, H x W pixels, F x F a window, Y x X places of it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from striate.figures.catalogue import FigureResult
from striate.plots.canvas import INK
from striate.plots.image_panels import show
from striate.plots.number_grid import WINDOWS, numbers, window
from striate.plots.save_figure import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

CHANNELS, SIDE, FILTER = ("red", "green", "blue"), 6, 5
BIASES = (1, -2)
PLACE = (0, 1)  # of the window that is worked out
MEANS = (3, 5)  # sides of the average filters
NOISE = 0.2  # standard deviation of what is added to the image that they smooth


def draw(path: Path) -> FigureResult:
    """Work out one window of each filter, all places of both, and average an image."""
    image_CHW, kernels_DCFF = small_numbers()
    maps_DYX = functional.conv2d(image_CHW[None], kernels_DCFF, torch.tensor(BIASES, dtype=torch.float32))[0]
    row, column = PLACE
    products_DCFF = kernels_DCFF * image_CHW[:, row : row + FILTER, column : column + FILTER]
    sums = products_DCFF.sum(dim=(2, 3)).int().tolist()
    equations = [
        " + ".join(f"({value})" if value < 0 else f"{value}" for value in (*values, bias)) + f" = {sum(values) + bias}"
        for values, bias in zip(sums, BIASES, strict=True)
    ]
    images, spreads = averages()
    title = "A filter of 5 x 5 goes through all channels: 5 x 5 x 3 = 75 products and a bias; two filters make two maps"
    with new_figure(path, 13.0, 11.6, title) as figure:
        upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(8.4, 2.9))[:, 0]
        _draw_products(upper, image_CHW, kernels_DCFF, products_DCFF, maps_DYX, equations)
        for axes, (name, image_HW) in zip(lower.subplots(1, len(images)), images.items(), strict=True):
            show(axes, image_HW.numpy())
            axes.set_title(name, fontsize=9)
    maps = maps_DYX.int().tolist()
    lines = (
        *(f"filter {d}: sums of 25 products in red, green and blue, and the bias: {text}" for d, text in enumerate(equations)),
        *(f"map {d}: {' / '.join(' '.join(map(str, line)) for line in values)}" for d, values in enumerate(maps)),
        "noise of the average filter: " + ", ".join(f"{name} {spread:.3f}" for name, spread in spreads.items()),
    )
    given = {"image": image_CHW.int().tolist(), "filters": kernels_DCFF.int().tolist(), "biases": list(BIASES)}
    return FigureResult(lines, {**given, "place": list(PLACE), "sums": sums, "maps": maps, "noise": spreads})


def small_numbers() -> tuple[Tensor, Tensor]:
    """An image of three channels and two filters: a bright bar in red, and filters for bars that stand and that lie."""
    rows = torch.arange(SIDE).view(-1, 1)
    columns = torch.arange(SIDE).view(1, -1)
    red = torch.where(columns == 3, 4, 1).expand(SIDE, SIDE)
    image_CHW = torch.stack([red, (rows + columns) % 3, (rows == 2).expand(SIDE, SIDE) * 2])
    across = torch.tensor([-1, 0, 2, 0, -1])
    standing, lying = across.expand(FILTER, FILTER), across.view(-1, 1).expand(FILTER, FILTER)
    ones = torch.ones(FILTER, FILTER)
    return image_CHW.float(), torch.stack([torch.stack([standing, lying, ones]), torch.stack([ones, standing, lying])]).float()


def averages() -> tuple[dict[str, Tensor], dict[str, float]]:
    """A disc on dark, with noise, and smoothed by windows of equal weights; and the standard deviation of what noise is left.

    Of k x k independent values the mean has a k-th of their standard deviation.
    """
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    disc_HW = ((x - 48).hypot(y - 48) < 30).float() * 0.8 + 0.1
    noise_HW = NOISE * torch.randn(96, 96, generator=torch.Generator().manual_seed(0))
    images, spreads = {"an image with noise": disc_HW + noise_HW}, {"none": float(noise_HW.std())}
    for side in MEANS:
        kernel = torch.full((1, 1, side, side), 1 / side**2)
        smooth_HW = functional.conv2d((disc_HW + noise_HW)[None, None], kernel)[0, 0]
        images[f"mean of {side} x {side}: each weight 1/{side**2}"] = smooth_HW
        spreads[f"{side} x {side}"] = float(functional.conv2d(noise_HW[None, None], kernel).std())
    return images, spreads


def _draw_products(
    figure: "SubFigure", image_CHW: Tensor, kernels_DCFF: Tensor, products_DCFF: Tensor, maps_DYX: Tensor, equations: list[str]
) -> None:  # fmt: skip
    """A row for each channel: image, and for each filter its weights and the products; below, the sums and the maps."""
    grid: Any = figure.subplots(4, 5, height_ratios=(6, 6, 6, 4), width_ratios=(6, 5, 5, 5, 5))
    for c, channel in enumerate(CHANNELS):
        numbers(grid[c, 0], image_CHW[c].numpy(), size=9)
        window(grid[c, 0], *PLACE, FILTER, INK)
        grid[c, 0].set_title(f"image, {channel}", fontsize=9)
        for d, kernels_CFF in enumerate(kernels_DCFF):
            weights, products = grid[c, 1 + 2 * d], grid[c, 2 + 2 * d]
            numbers(weights, kernels_CFF[c].numpy(), size=9)
            weights.set_title(f"filter {d}, {channel}", fontsize=9, color=WINDOWS[d])
            numbers(products, products_DCFF[d, c].int().numpy(), size=9)
            total = f"{products_DCFF[d, c].sum():g}"
            products.set_title(f"25 products, sum {total}", fontsize=9, color=WINDOWS[d])
    grid[3, 0].axis("off")
    for d, equation in enumerate(equations):
        text, shown = grid[3, 1 + 2 * d], grid[3, 2 + 2 * d]
        text.axis("off")
        words = f"red + green + blue + bias\n{equation}"
        text.text(0.5, 0.5, words, fontsize=9, ha="center", va="center", transform=text.transAxes, color=WINDOWS[d])
        numbers(shown, maps_DYX[d].numpy(), {PLACE: WINDOWS[d]}, size=9)
        shown.set_title(f"map {d}: 2 x 2", fontsize=9, color=WINDOWS[d])
