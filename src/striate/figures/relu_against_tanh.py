"""ReLU against tanh: epochs of plain gradient descent until few training images are wrong, at several rates.

Krizhevsky, Sutskever & Hinton 2012, figure 1: a network of four layers learns CIFAR-10 six times as fast with ReLU, each at the
rate that is best for it. Here a small network learns 1,000 of the embedded digits: at one small rate ReLU is about twice as
fast, and at the rate that is best for tanh it does not learn at all.

Legend: N images.
"""

from pathlib import Path
from statistics import median_low

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from striate.base.events import Watch, progress, quiet
from striate.data import builtin_datasets
from striate.figures.catalogue import FigureResult
from striate.nets import factory
from striate.plots import curves
from striate.plots.curves import Line, Panel

NET = "conv 3x3x8, {0}, pool 2, conv 3x3x16, {0}, pool 2, fc 32, {0}, fc"
INITS = {"relu": "he", "tanh": "scaled"}  # what suits each: variances of 2/n and 1/n
RATES, SEEDS = (0.02, 0.1, 0.5), (0, 1, 2)
BATCH, EPOCHS, IMAGES = 20, 14, 1000
GOAL = 0.1  # share of training images that are wrong, below which a training ends
LOST = 0.8  # share that is still wrong in the fourth epoch, above which it ends too


def draw(path: Path, watch: Watch = quiet) -> FigureResult:
    """Train with each activation at each rate, once for each seed; `watch` is called with the stage `networks`."""
    report, count = progress(watch, "networks"), len(RATES) * len(INITS) * len(SEEDS)
    report(0, count)
    images_N1HW, labels_N = digits()
    panels, lines, numbers = [], [], list[dict[str, object]]()
    for rate in RATES:
        shown = []
        for activation in INITS:
            runs = []
            for seed in SEEDS:
                runs.append(errors(activation, rate, seed, images_N1HW, labels_N))
                report(len(numbers) * len(SEEDS) + len(runs), count)
            middle = next(run for run in runs if len(run) == median_low(map(len, runs)))
            epochs = [len(run) if run[-1] < GOAL else None for run in runs]
            note = ", ".join("never" if count is None else str(count) for count in epochs)
            shown.append(Line(activation, np.array(middle + [np.nan] * (EPOCHS - len(middle))), note))
            numbers.append({"rate": rate, "activation": activation, "epochs": epochs, "errors": runs})
        axes = (f"rate {rate:g}", "epoch", "share of training images that are wrong")
        panels.append(Panel(*axes, np.arange(1.0, EPOCHS + 1), shown, (0, 1), (GOAL, "10 %")))
        both = "; ".join(f"{line.name} {line.note}" for line in shown)
        lines.append(f"rate {rate:g}: epochs until fewer than 10 % of the training images are wrong, by seed: {both}")
    title = "ReLU against tanh, plain gradient descent: one of three seeds, and the epochs of all until 10 % are wrong"
    curves.draw(title, [panels], path)
    return FigureResult(tuple(lines), {"goal": GOAL, "seeds": list(SEEDS), "runs": numbers})


def digits() -> tuple[Tensor, Tensor]:
    """The first images of the embedded digits, 8 x 8, with mean 0 and standard deviation 1; and their classes."""
    examples = builtin_datasets.read("digits", None)
    assert examples.pixels_NHWC is not None
    pixels_NHWC = torch.from_numpy(examples.pixels_NHWC[:IMAGES]).float()
    images_NCHW = ((pixels_NHWC - pixels_NHWC.mean()) / pixels_NHWC.std()).permute(0, 3, 1, 2)
    return images_NCHW.contiguous(), torch.from_numpy(examples.labels_N[:IMAGES])


def errors(activation: str, rate: float, seed: int, images_NCHW: Tensor, labels_N: Tensor) -> list[float]:
    """Share of images that were wrong when their batch came, epoch by epoch, until it is below the goal."""
    net = factory.build(NET.format(activation), (1, *images_NCHW.shape[2:]), 10, seed=seed, init=INITS[activation])
    parameters = [*net.parameters()]
    generator = torch.Generator().manual_seed(seed)
    shares = list[float]()
    while len(shares) < EPOCHS and not (shares and (shares[-1] < GOAL or min(shares[3:], default=0) > LOST)):
        wrong = 0
        for batch_N in torch.split(torch.randperm(len(labels_N), generator=generator), BATCH):
            logits_NK = net(images_NCHW[batch_N])
            gradients = torch.autograd.grad(functional.cross_entropy(logits_NK, labels_N[batch_N]), parameters)
            with torch.no_grad():
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter.sub_(gradient, alpha=rate)
            wrong += int((logits_NK.argmax(dim=1) != labels_N[batch_N]).sum())
        shares.append(wrong / len(labels_N))
    return shares
