"""Whether planted faults are found: dead, blank, duplicate and white-noise filters among smooth ones and among trained ones.

Smooth: 64 kernels of 7 x 7 over three channels, Gabors and blobs of many turns, frequencies and places, in front of a
rectifier; images are white noise. Trained: the layers of `resnet20@cifar10`, looking at CIFAR-10, and the first of
`mnist_cnn` after an epoch on MNIST. Each draw plants eight of a kind (four where a layer has fewer than 32) in random
places; recall is the share of these that are found, false is what else has that verdict, less what had it before. White
noise is planted at the scale of the layer, in kernels of 5 x 5 and larger.

    python bench/health.py --draws 20

Needs CIFAR-10 and MNIST ($STRIATE_DATA).
"""

import argparse
import copy
import tempfile
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

import striate
from striate.base.config import Data
from striate.data import sources
from striate.interpret import filter_health
from striate.interpret.readout_points import probes
from striate.nets.factory import build
from striate.nets.net import Net

KINDS = ("dead", "blank", "duplicate", "noisy")


def smooth_kernels(count: int, k: int, rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[:k, :k] - (k - 1) / 2
    made = []
    for number in range(count):
        turn, cycles, phase = rng.uniform(0, np.pi), rng.uniform(0.5, 1.8) * (number % 4 > 0), rng.uniform(0, 2 * np.pi)
        middle, width, color = rng.uniform(-1, 1, 2), rng.uniform(1.2, 2.2), rng.standard_normal(3)
        along = (x - middle[0]) * np.cos(turn) + (y - middle[1]) * np.sin(turn)
        hill = np.exp(-((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / (2 * width**2))
        made.append(color[:, None, None] * hill * np.cos(2 * np.pi * cycles * along / k + phase))
    return np.stack(made)


def smooth_net(rng: np.random.Generator) -> Net:
    net = build("conv 7x7x64, relu, globalpool, fc", (3, 24, 24), 10).eval()
    conv: Any = net.get_submodule(probes(net)[0].layer)
    with torch.no_grad():
        conv.weight.copy_(torch.from_numpy(smooth_kernels(64, 7, rng)))
        conv.bias.zero_()
    return net


def plant(net: Net, layer: int, kind: str, chosen: np.ndarray, rng: np.random.Generator) -> None:
    probe = probes(net)[layer]
    conv: Any = net.get_submodule(probe.layer)
    norm: Any = net.get_submodule(probe.norm) if probe.norm else None
    rest = np.setdiff1d(np.arange(len(conv.weight)), chosen)
    with torch.no_grad():
        if kind == "dead":
            (conv if norm is None else norm).bias[chosen] = -1e4
        elif kind == "blank":
            conv.weight[chosen] *= 1e-6
            if norm is not None:
                norm.running_var[chosen] = 1.0
        elif kind == "duplicate":
            conv.weight[chosen] = conv.weight[rng.choice(rest, len(chosen), replace=False)] * 1.5
        else:
            conv.weight[chosen] = torch.from_numpy(rng.standard_normal(conv.weight[chosen].shape)).float() * conv.weight.std()


def verdicts(net: Net, layer: int, batches: list[Any]) -> np.ndarray:
    return np.array([one.verdict for one in filter_health.examine(net, batches)[layer].filters])


def recall(nets: list[Net], layer: int, kind: str, batches: list[Any], rng: np.random.Generator) -> tuple[int, int, int]:
    """Planted, found, and others with that verdict that had not got it before."""
    planted = found = false = 0
    for net in nets:
        before = verdicts(net, layer, batches)
        count = 8 if len(before) >= 32 else 4
        chosen = rng.choice(len(before), count, replace=False)
        twin = copy.deepcopy(net)
        plant(twin, layer, kind, chosen, rng)
        after = verdicts(twin, layer, batches)
        hit = after == kind
        if kind == "duplicate":  # the later of two is called so
            pairs = np.flatnonzero(hit & (before != kind))
            planted, found = planted + count, found + len(pairs)
            continue
        others = np.setdiff1d(np.arange(len(before)), chosen)
        planted, found = planted + count, found + int(hit[chosen].sum())
        false += int((hit[others] & (before[others] != kind)).sum())
    return planted, found, false


def batch(images_NCHW: Any) -> list[Any]:
    return [SimpleNamespace(images_NCHW=torch.as_tensor(images_NCHW).float())]


def main() -> None:
    parser = argparse.ArgumentParser(description="recall of planted faults")
    parser.add_argument("--draws", type=int, default=20)
    draws = parser.parse_args().draws
    rng = np.random.default_rng(0)
    print("| among | layer | planted | found | others called so |\n|---|---|---|---|---|")
    noise = batch(rng.standard_normal((32, 3, 24, 24)))
    nets = [smooth_net(rng) for _ in range(draws)]
    for kind in KINDS:
        planted, found, false = recall(nets, 0, kind, noise, rng)
        print(f"| smooth | 7 x 7 | {kind} {planted} | {found} ({found / planted:.3f}) | {false} |", flush=True)
    model = striate.load("resnet20@cifar10")
    pixels = sources.read(Data(path="cifar10")).pixels_NHWC
    images = batch(model.preprocess.images(torch.from_numpy(pixels[:256])))
    for layer in (0, 5, 17):  # which a rectifier follows at once
        for kind in KINDS[:3]:
            planted, found, false = recall([model.net] * max(1, draws // 4), layer, kind, images, rng)
            name = probes(model.net)[layer].layer
            print(f"| resnet20@cifar10 | {name} | {kind} {planted} | {found} ({found / planted:.3f}) | {false} |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        run = striate.train("mnist", recipe="mnist_cnn", out=folder, name="run", settings={"train": {"epochs": 1}})["run"]
        trained = striate.load(run)
        digits = sources.read(Data(path="mnist")).pixels_NHWC
        images = batch(trained.preprocess.images(torch.from_numpy(digits[:256])))
        for kind in KINDS:
            planted, found, false = recall([trained.net] * draws, 0, kind, images, rng)
            print(
                f"| mnist_cnn | {probes(trained.net)[0].layer} | {kind} {planted} | {found} ({found / planted:.3f}) | {false} |"
            )
        print("\nAs trained:\n")
        for layer in filter_health.examine(trained.net, images):
            counts = ", ".join(f"{layer.count(v)} {v}" for v in filter_health.VERDICTS if layer.count(v))
            print(f"- mnist_cnn, {layer.name}: {counts}")


if __name__ == "__main__":
    main()
