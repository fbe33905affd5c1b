"""CIFAR-10 by few multiply-adds: what a finished run of the recipe took, beside a ResNet-18 in plain PyTorch.

    striate train cifar10 --recipe airbench94_cifar10 --name cifar10-94
    python bench/cifar10_94.py runs/cifar10-94 --threads 2
    python bench/cifar10_94.py runs/cifar10-94 --threads 2 --passes 15     # also trains the ResNet-18: hours

Of the run: passes, images, PFLOP (six operations for each multiply-add of a forward pass, as the paper counts), seconds in the
loop, and accuracy on its own held-out images by one, two and six views. Of the ResNet-18 (3 x 3 first convolution without a
pool, batches of 128, SGD with momentum and a one-cycle rate, crops and mirroring, channels_last): seconds and PFLOP of a pass,
by steps that take turns with steps of the recipe's network on the same threads; with --passes its accuracy on the same images.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import median

import numpy as np
import rows
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet18

import striate
from striate.base import run_folder
from striate.base.signals import catch_signals
from striate.data import sources
from striate.metrics import classification
from striate.model import Model
from striate.nets.factory import build
from striate.nets.summary import layer_table
from striate.training import journal
from striate.workflows.dataset import gather

TURNS, RECORDS_BATCH, PEER_BATCH = 5, 250, 128
PEER_MACS = 555_422_720  # of one image of 32 px: convolutions and the last layer
OPERATIONS = 6  # of training, for each multiply-add of a forward pass


def peer() -> nn.Module:
    net = resnet18(num_classes=10)
    net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    net.maxpool = nn.Identity()
    return net.to(memory_format=torch.channels_last)


def step_seconds() -> tuple[float, float]:
    """Median seconds an image of a step of the recipe's network and of the ResNet-18, which take turns."""
    sides = []
    for net, count in (
        (build("airbench94", (3, 32, 32), 10).to(memory_format=torch.channels_last), RECORDS_BATCH),
        (peer(), PEER_BATCH),
    ):
        images_NCHW = torch.randn(count, 3, 32, 32).contiguous(memory_format=torch.channels_last)
        sides.append((net.train(), images_NCHW, torch.randint(0, 10, (count,)), []))
    for turn in range(TURNS + 1):
        for net, images_NCHW, labels_N, seconds in sides:
            start = time.perf_counter()
            net.zero_grad(set_to_none=True)
            torch.autograd.backward(functional.cross_entropy(net(images_NCHW), labels_N))
            if turn:
                seconds.append((time.perf_counter() - start) / len(labels_N))
    own, other = (median(seconds) for _, _, _, seconds in sides)
    return own, other


def held_out(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels and labels of the run's training and test images."""
    run = run_folder.settings(folder)
    with catch_signals() as stop:
        dataset = gather(sources.read(run.data), run, stop, lambda _event: None)
    pixels, labels, parts = dataset.stored.pixels_NHWC, dataset.examples.labels_N, dataset.parts
    return pixels[parts.train_M], labels[parts.train_M], pixels[parts.test_M], labels[parts.test_M]


def by_views(folder: Path, pixels_NHWC: NDArray[np.uint8], labels_N: NDArray[np.int64]) -> None:
    model = Model.load(folder / "model")
    for views in (1, 2, 6):
        model.net.views = views
        found = classification.accuracy(model.logits(pixels_NHWC), labels_N)
        print(f"| accuracy by {views} view{'s' * (views > 1)} | {100 * found.value:.2f} % "
              f"({100 * found.low:.2f} to {100 * found.high:.2f}) of {found.n:,} |")  # fmt: skip


def train_peer(
    passes: int, train_NHWC: NDArray[np.uint8], labels_N: NDArray[np.int64], test_NHWC: NDArray[np.uint8],
    truth_N: NDArray[np.int64],
) -> None:  # fmt: skip
    """Accuracy of the ResNet-18 after each pass."""
    torch.manual_seed(0)
    net = peer().train()
    mean_3, std_3 = (torch.from_numpy(v.astype(np.float32)) for v in (train_NHWC.mean((0, 1, 2)), train_NHWC.std((0, 1, 2))))

    def ready(pixels_NHWC: NDArray[np.uint8]) -> Tensor:
        return ((torch.from_numpy(pixels_NHWC) - mean_3) / std_3).permute(0, 3, 1, 2)

    images_NCHW, targets_N = ready(train_NHWC), torch.from_numpy(labels_N)
    steps = len(images_NCHW) // PEER_BATCH
    sgd = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    rate = torch.optim.lr_scheduler.OneCycleLR(sgd, max_lr=0.1, total_steps=passes * steps)
    since = time.perf_counter()
    for number in range(1, passes + 1):
        for rows_B in torch.randperm(len(images_NCHW))[: steps * PEER_BATCH].view(steps, PEER_BATCH):
            padded = functional.pad(images_NCHW[rows_B], (4, 4, 4, 4), mode="reflect")
            x, y = torch.randint(0, 9, (2,))
            batch = padded[:, :, y : y + 32, x : x + 32]
            batch = torch.where(torch.rand(PEER_BATCH, 1, 1, 1) < 0.5, batch.flip(3), batch)
            sgd.zero_grad(set_to_none=True)
            torch.autograd.backward(functional.cross_entropy(net(batch), targets_N[rows_B]))
            sgd.step()
            rate.step()
        net.eval()
        with torch.inference_mode():
            right = sum(
                int((net(part).argmax(1).numpy() == truth).sum())
                for part, truth in zip(
                    ready(test_NHWC).split(500), np.split(truth_N, range(500, len(truth_N), 500)), strict=True
                )
            )
        net.train()
        print(f"| ResNet-18 after {number} passes | {100 * right / len(truth_N):.2f} %, {time.perf_counter() - since:,.0f} s |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--passes", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    result = json.loads((given.run / "result.json").read_text("utf-8"))
    last = [event for event in journal.read(given.run / "journal.jsonl") if event["event"] == "epoch"][-1]
    train_NHWC, labels_N, test_NHWC, truth_N = held_out(given.run)
    macs = sum(row.macs for row in layer_table(build("airbench94", (3, 32, 32), 10)))
    images = rows.images_trained_on(result["steps"], len(train_NHWC), run_folder.settings(given.run).train.batch_size)
    print(f"striate {striate.__version__}, torch {torch.__version__}, {given.threads} threads\n\n| | |\n|---|---|")
    print(f"| passes | {images / len(train_NHWC):.2f} over {len(train_NHWC):,} images, {result['steps']:,} steps |")
    print(f"| PFLOP | {OPERATIONS * macs * images / 1e15:.3f} |")
    print(f"| seconds in the loop | {last['seconds']:,.0f} |")
    by_views(given.run, test_NHWC, truth_N)
    own, other = step_seconds()
    for name, seconds, one in (("the recipe", own, macs), ("ResNet-18", other, PEER_MACS)):
        work = OPERATIONS * one * len(train_NHWC) / 1e15
        print(f"| a pass of {name} | {seconds * len(train_NHWC):,.0f} s, {work:.3f} PFLOP |")
    if given.passes:
        train_peer(given.passes, train_NHWC, labels_N, test_NHWC, truth_N)


if __name__ == "__main__":
    main()
