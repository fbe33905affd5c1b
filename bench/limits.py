"""What this machine can do at most: operations and bytes of memory a second, on one thread and on all.

    python bench/limits.py

- products: of two square matrices by the BLAS of torch; convolutions: 3 x 3 by oneDNN, in the faster of two memory orders. A
  multiply-add counts as two operations. Both are of float32, and where the processor has its instructions of bfloat16 too.
- copy, triad: `a = b` and `a = b + s c` over arrays that no cache holds; bytes read and written, without those that the
  processor reads of `a` before it writes them.

Each is the best of many short repetitions, since other work can only slow them: a limit, and no median. The benches measure it
in their own run, and say in their rows which share of it the work that cannot be left out takes: its multiply-adds at that
speed, or its bytes.
"""

import os
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from striate.training.device import bf16_on_cpu

SECONDS = 0.6  # for each measurement
SIDE = 1536  # of the matrices: 9 MiB each
NUMBERS = 2**25  # of each array: 128 MiB, four times the last cache here


class Limits(NamedTuple):
    """The most that so many threads did in a second."""

    threads: int
    products: float  # operations
    convolutions: float  # operations
    copied: float  # bytes
    triad: float  # bytes
    bf16: bool = False  # operations on bfloat16

    @property
    def operations(self) -> float:
        """The larger of the two ways to multiply and add."""
        return max(self.products, self.convolutions)

    @property
    def bytes(self) -> float:
        """The larger of the two ways to read and write."""
        return max(self.copied, self.triad)

    def of_operations(self, operations: float, seconds: float) -> str:
        """Which share of the seconds that many operations need at least."""
        numbers = " in bf16" if self.bf16 else ""
        return f"{100 * operations / self.operations / seconds:.0f} % of {self.operations / 1e9:.0f} GFLOP/s{numbers}"

    def of_bytes(self, count: float, seconds: float) -> str:
        """Which share of the seconds that many bytes need at least."""
        return f"{100 * count / self.bytes / seconds:.1f} % of {self.bytes / 1e9:.0f} GB/s"


def best(work: Callable[[], object], seconds: float = SECONDS) -> float:
    """The least seconds of one call, by the clock."""
    work()
    least, until = float("inf"), time.perf_counter() + seconds
    while (begun := time.perf_counter()) < until:
        work()
        least = min(least, time.perf_counter() - begun)
    return least


def measure(threads: int, bf16: bool = False) -> Limits:
    """The limits of so many threads; torch has as many as before afterwards."""
    before, dtype = torch.get_num_threads(), torch.bfloat16 if bf16 else torch.float32
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            return Limits(threads, products(dtype), max(convolutions(dtype)), *bandwidth(), bf16)
    finally:
        torch.set_num_threads(before)


def operations(work: Callable[[], object]) -> int:
    """Operations of the products and convolutions of some work, backward passes with it, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def products(dtype: torch.dtype) -> float:
    """Operations a second of a matrix product."""
    a, b, out = (torch.randn(SIDE, SIDE).to(dtype) for _ in range(3))
    return 2 * SIDE**3 / best(lambda: torch.mm(a, b, out=out))


def convolutions(dtype: torch.dtype) -> Iterable[float]:
    """Operations a second of a convolution of 16 images of 128 channels and 28 x 28 px, in each memory order."""
    images_NCHW, filters = torch.randn(16, 128, 28, 28).to(dtype), torch.randn(128, 128, 3, 3).to(dtype)
    count = 2 * images_NCHW.numel() * filters[0].numel()
    for order in (torch.contiguous_format, torch.channels_last):
        x, w = images_NCHW.to(memory_format=order), filters.to(memory_format=order)
        yield count / best(lambda x=x, w=w: functional.conv2d(x, w, padding=1))


def bandwidth() -> tuple[float, float]:
    """Bytes a second of a copy and of a triad."""
    a, b, c = torch.zeros(NUMBERS), torch.ones(NUMBERS), torch.ones(NUMBERS)
    size = 4 * NUMBERS
    return 2 * size / best(lambda: a.copy_(b)), 3 * size / best(lambda: torch.add(b, c, alpha=2.0, out=a))


def main() -> None:
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}\n")
    print("| threads | numbers | products, GFLOP/s | convolutions, GFLOP/s | copy, GB/s | triad, GB/s |")
    print("|---|---|---|---|---|---|")
    for threads in sorted({1, os.cpu_count() or 1}):
        for bf16 in (False, True)[: 1 + bf16_on_cpu()[0]]:
            limits = measure(threads, bf16)
            speeds = (limits.products, limits.convolutions, limits.copied, limits.triad)
            print(f"| {threads} | {'bf16' if bf16 else 'fp32'} | " + " | ".join(f"{each / 1e9:.1f}" for each in speeds) + " |")


if __name__ == "__main__":
    main()
