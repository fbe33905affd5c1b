"""Degradation: deeper networks without shortcuts have the larger training loss, although batch norm keeps their signals alive.

The losses are those of `python bench/degradation.py`: CIFAR-10, 300 steps of 128 images, SGD with momentum 0.9 at 0.02, seed 0,
one run each; half an hour on two cores. The variances are of the same networks before their first step, for noise.

Sources: He et al. 2016, figures 1 and 6.
"""

from math import log10
from pathlib import Path

import numpy as np
import torch

from striate.figures.catalogue import FigureResult
from striate.nets import factory
from striate.nets.signal_propagation import Signal, signals
from striate.plots import curves
from striate.plots.curves import Line, Panel

# Mean training loss of steps 1 to 50 and 251 to 300, and accuracy on the validation images after them
MEASURED = {
    "plain20": (2.173, 1.514, 0.391), "plain56": (2.312, 2.124, 0.225), "resnet20": (2.085, 1.324, 0.490),
    "resnet56": (2.224, 1.371, 0.479),
}  # fmt: skip
DEEP = ("plain56", "resnet56")
IMAGES = 16


def draw(path: Path) -> FigureResult:
    """Losses of networks of 20 and 56 layers, and variances through the two of 56."""
    losses = [Line(name, np.array(row[:2]), f"{row[1]:.3f}") for name, row in MEASURED.items()]
    steps = np.array([50.0, 300.0])
    depth = {name: [row for row in at_the_start(name) if row.name.endswith(".conv2")] for name in DEEP}
    places = np.arange(1.0, len(depth[DEEP[0]]) + 1)
    panels = [Panel("training loss, mean of the last 50 steps", "step", "cross-entropy", steps, losses, (1.2, 2.4))]
    for title, column, limits in (("outputs", "variance", (-2.0, 2.0)), ("gradients", "gradient_variance", (-8.0, 3.0))):
        logs = [Line(name, np.array([log10(getattr(row, column)) for row in rows])) for name, rows in depth.items()]
        panels.append(
            Panel(f"{title} before training", "block, from the image on", "log10 of the variance", places, logs, limits)
        )
    curves.draw("Degradation: without shortcuts 36 more layers cost training loss; signals do not vanish", [panels], path)
    extra = {kind: MEASURED[f"{kind}56"][1] - MEASURED[f"{kind}20"][1] for kind in ("plain", "resnet")}
    least = min(row.variance for rows in depth.values() for row in rows)
    ends = (f"{name} {rows[-1].gradient_variance:.2g} and {rows[0].gradient_variance:.2g}" for name, rows in depth.items())
    lines = (
        "training loss of steps 251 to 300: " + ", ".join(f"{name} {row[1]:.3f}" for name, row in MEASURED.items()),
        f"36 more layers cost {extra['plain']:.2f} without shortcuts and {extra['resnet']:.2f} with them "
        "(python bench/degradation.py)",
        f"variance of a block's last convolution before training: at least {least:.2g} in either network",
        f"variance of the gradient there, in the last block and in the first: {', '.join(ends)}",
    )
    measured = {name: {"first": row[0], "last": row[1], "validation": row[2]} for name, row in MEASURED.items()}
    variances = {name: {row.name: [row.variance, row.gradient_variance] for row in rows} for name, rows in depth.items()}
    return FigureResult(lines, {"losses": measured, "variances": variances})


def at_the_start(name: str, images: int = IMAGES) -> tuple[Signal, ...]:
    """Variances of the layers of a network, with seed 0, for images of noise."""
    net = factory.build(name, (3, 32, 32), 10, seed=0)
    return signals(net, torch.randn(images, *net.input_chw, generator=torch.Generator().manual_seed(0)))
