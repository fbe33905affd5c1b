"""Images a second on one core: ours against torchvision.transforms.v2, on tensors and on Pillow images, by the same policy.

Random resized crop, mirroring, rotation by 15 degrees, perspective 0.2, colors .4/.4/.4/.1, on 64 color images of 224 px; the
drawing of parameters is included. The three take turns; printed are medians over the turns and the ratio to the faster peer, by
turn too. The limit is that of memory: an image's pixels are read as bytes and written as float32 numbers.
"""

import time
from collections.abc import Callable
from statistics import median

import limits
import numpy as np
import rows
import torch
from PIL import Image
from torchvision.transforms import v2

from striate.base.config import Augment, Engine
from striate.batches import augment
from striate.training import device

IMAGES, SIDE, TURNS = 64, 224, 7


def main() -> None:
    device.pick(Engine(device="cpu", threads=1))  # a process set up as for a training; the peers run in the same
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (IMAGES, 8, 8, 3), np.uint8)
    images = [Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for one in coarse]
    pixels_NHWC = np.stack([np.asarray(image) for image in images])
    tensors = [torch.from_numpy(one).permute(2, 0, 1).contiguous() for one in pixels_NHWC]
    ids = np.arange(IMAGES, dtype=np.uint64)
    asked = Augment(crop=0.08, flip=True, rotate=15, perspective=0.2, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    changes = augment.fit(asked, pixels_NHWC, np.arange(IMAGES), 0)
    assert changes is not None
    policy = v2.Compose([
        v2.RandomResizedCrop(SIDE, scale=(0.08, 1.0)), v2.RandomHorizontalFlip(),
        v2.RandomRotation(15, interpolation=v2.InterpolationMode.BILINEAR), v2.RandomPerspective(0.2, p=1.0),
        v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
    ])  # fmt: skip
    to_float = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    epochs = iter(range(10_000))
    ways: dict[str, Callable[[], object]] = {
        "striate, a batch": lambda: changes.images(pixels_NHWC, ids, next(epochs), torch.device("cpu")),
        "torchvision, tensors": lambda: torch.stack([to_float(policy(one)) for one in tensors]),
        "torchvision, Pillow": lambda: torch.stack([to_float(policy(one)) for one in images]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(TURNS + 1):
        for name, way in ways.items():
            begun = time.process_time()
            way()
            if turn:
                seconds[name].append(time.process_time() - begun)
    speeds = {name: IMAGES / median(taken) for name, taken in seconds.items()}
    for name, speed in speeds.items():
        print(f"{name:22} {speed:7.1f} images a second and core")
    mine, *others = seconds.values()
    ratios = [min(peers) / own for own, *peers in zip(mine, *others, strict=True)]
    ours, *peers = speeds.values()
    print(f"{ours / max(peers):.2f} times the faster peer; by turn {min(ratios):.2f} to {max(ratios):.2f}")
    rows.show(rows.Row(
        "augment", "augmentation at 224 px, images a second and core", "5 times the faster peer",
        f"{ours / max(peers):.2f} times ({min(ratios):.2f} to {max(ratios):.2f}): {ours:.0f} against {max(peers):.0f}",
        f"transforms.v2 on tensors and on Pillow images: {rows.versions('torchvision', 'pillow')}",
        f"{TURNS}, in turns, by the processor", limits.measure(1).of_bytes(5 * pixels_NHWC.size, median(mine)),
        "python bench/augment.py", rows.here(),
    ))  # fmt: skip


if __name__ == "__main__":
    main()
