"""Filters of a first layer that has learned, beside those of one that has hardly begun, on the same images.

What can be told from white noise is judged by `interpret.kernel_noise`, as in `striate inspect RUN`.

Legend: F filters, N images.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from striate.base.events import Watch, quiet
from striate.data import builtin_datasets
from striate.figures.catalogue import FigureResult
from striate.interpret.kernel_noise import whiteness
from striate.nets import factory
from striate.plots.axes import image
from striate.plots.number_grid import WINDOWS, window
from striate.plots.save_figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
Floats = NDArray[np.float64]

NET = "conv 5x5x16, relu, pool 4, fc"
IMAGES, BATCH, RATE, MOMENTUM, DECAY, SEED = 1000, 50, 0.05, 0.9, 0.02, 0
SHOWN = (5, 200)  # steps after which the filters are drawn


def draw(path: Path, watch: Watch = quiet) -> FigureResult:
    """Train the smallest of networks on digits, and draw its filters after five steps and after 200.

    `watch` is called with the stage `step`.
    """
    stages, lines, numbers = trained(watch), [], dict[str, object]()
    title = "Filters of a first layer on the same digits; framed: cannot be told from white noise"
    with new_figure(path, 8.4, 4.7, title) as figure:
        for axes, (steps, kernels_Fkk) in zip(figure.subplots(1, len(stages)), stages.items(), strict=True):
            white = whiteness(kernels_Fkk[:, None])
            assert white is not None
            count, roughness = int(white.noisy_F.sum()), float(white.roughness_F.mean())
            axes.set_title(f"after {steps} steps: {count} of {len(kernels_Fkk)} noisy", fontsize=9)
            _tiles(axes, kernels_Fkk, white.noisy_F)
            lines.append(
                f"after {steps} steps: {count} of {len(kernels_Fkk)} filters are noisy; mean roughness {roughness:.2f}"
            )
            numbers[f"{steps} steps"] = {"noisy": white.noisy_F.tolist(), "roughness": white.roughness_F.tolist()}
    return FigureResult((*lines, f"white noise of 5 x 5 has a roughness of 2 x 25 / 24 = {2 * 25 / 24:.2f}"), numbers)


def _tiles(axes: "Axes", kernels_Fkk: Floats, noisy_F: NDArray[np.bool_]) -> None:
    """Four filters a row, each on its own scale with gray as zero; noisy ones are framed."""
    side, across = kernels_Fkk.shape[-1] + 1, 4
    sheet_HW = np.full((side * (len(kernels_Fkk) // across) - 1, side * across - 1), np.nan)
    for f, kernel in enumerate(kernels_Fkk):
        top, left = side * (f // across), side * (f % across)
        sheet_HW[top : top + side - 1, left : left + side - 1] = kernel / np.abs(kernel).max()
        if noisy_F[f]:
            window(axes, top - 0.75, left - 0.75, side - 0.5, WINDOWS[1])
    image(axes, sheet_HW, frame=False, cmap="gray", vmin=-1, vmax=1)
    axes.set_xlim(-1, sheet_HW.shape[1])
    axes.set_ylim(sheet_HW.shape[0], -1)


def trained(watch: Watch = quiet) -> dict[int, Floats]:
    """The filters, F x 5 x 5, after each number of steps of SGD with momentum and weight decay."""
    examples = builtin_datasets.read("digits", None)
    assert examples.pixels_NHWC is not None
    pixels_N1HW = torch.from_numpy(examples.pixels_NHWC[:IMAGES]).permute(0, 3, 1, 2).float()
    images_N1HW = functional.interpolate(pixels_N1HW, scale_factor=2, mode="bilinear")
    images_N1HW = (images_N1HW - images_N1HW.mean()) / images_N1HW.std()
    labels_N = torch.from_numpy(examples.labels_N[:IMAGES])
    net = factory.build(NET, (1, *images_N1HW.shape[2:]), 10, seed=SEED, init="torch")
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)
    generator = torch.Generator().manual_seed(SEED)
    filters: dict[int, Floats] = {}
    for step in range(1, max(SHOWN) + 1):
        batch_N = torch.randperm(IMAGES, generator=generator)[:BATCH]
        optimizer.zero_grad()
        loss = functional.cross_entropy(net(images_N1HW[batch_N]), labels_N[batch_N])
        torch.autograd.backward(loss)
        optimizer.step()
        watch({"event": "step", "step": step, "steps": max(SHOWN), "loss": float(loss.detach())})
        if step in SHOWN:
            filters[step] = net.get_parameter("conv1.weight")[:, 0].detach().double().numpy().copy()
    return filters
