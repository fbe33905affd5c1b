"""Whether a fused optimizer, channels_last or bfloat16 pays on this machine: a step of `mnist_cnn` at batch 100.

Variants take turns step by step in one process; printed is the median of each, as a ratio to the plain one (foreach,
contiguous, fp32). `training/optimizer.py` and `training/device.py` choose by this table.
"""

import time
from statistics import median

import torch
from torch import nn
from torch.nn import functional
from torch.optim import SGD, AdamW, Optimizer

from striate.nets.factory import build

STEPS, WARM_UP = 60, 5


class Variant:
    def __init__(self, optimizer: str, fused: bool, last: bool, bf16: bool) -> None:
        order = torch.channels_last if last else torch.contiguous_format
        self.net: nn.Module = build("mnist_cnn", (1, 28, 28), 10).train().to(memory_format=order)
        weights = list(self.net.parameters())
        self.steps: Optimizer = (
            AdamW(weights, lr=1e-3, fused=fused) if optimizer == "adamw" else SGD(weights, lr=1e-3, momentum=0.9, fused=fused)
        )
        self.images_NCHW = torch.randn(100, 1, 28, 28).contiguous(memory_format=order)
        self.bf16 = bf16
        self.seconds: list[float] = []

    def step(self, labels_N: torch.Tensor) -> None:
        begun = time.perf_counter()
        self.steps.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            logits_NK = self.net(self.images_NCHW)
        torch.autograd.backward(functional.cross_entropy(logits_NK.float(), labels_N))
        self.steps.step()
        self.seconds.append(time.perf_counter() - begun)


def main() -> None:
    labels_N = torch.randint(0, 10, (100,))
    for optimizer in ("adamw", "sgd"):
        variants = {
            "plain": Variant(optimizer, fused=False, last=False, bf16=False),
            "fused": Variant(optimizer, fused=True, last=False, bf16=False),
            "fused, channels_last": Variant(optimizer, fused=True, last=True, bf16=False),
            "fused, bf16": Variant(optimizer, fused=True, last=False, bf16=True),
        }
        for _ in range(STEPS + WARM_UP):
            for variant in variants.values():
                variant.step(labels_N)
        plain = median(variants["plain"].seconds[WARM_UP:])
        for name, variant in variants.items():
            taken = median(variant.seconds[WARM_UP:])
            print(f"{optimizer:6} {name:22} {1e3 * taken:7.2f} ms a step   {taken / plain:.2f} of plain")


if __name__ == "__main__":
    main()
