"""The machine: device, precision, memory order, threads, and what is computed over several processes."""

import ctypes
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from striate.base import worker_pool
from striate.base.config import Engine as Settings
from striate.base.errors import SettingError, UnsupportedError
from striate.base.launcher import place
from striate.base.option_names import option
from striate.nets.net import Net
from striate.training import synchronized_batchnorm

log = logging.getLogger("striate")


@dataclass(frozen=True)
class Engine:
    """What a run computes on."""

    device: torch.device  # where weights and images are
    bf16: bool  # products in bfloat16; weights and sums stay float32
    channels_last: bool | None  # memory order of images and filters; None for that which a network trains faster in
    threads: int  # CPU threads of this process
    rank: int  # number of this process, from 0
    world: int  # number of processes
    workers: int  # child processes that decode images
    reasons: tuple[str, ...]  # one sentence for each choice
    synchronizes: bool = True  # of several processes: batch norm over the images of all of them

    @property
    def precision(self) -> str:
        """Of the products of training: bf16 or fp32."""
        return "bf16" if self.bf16 else "fp32"

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes to disk and speaks."""
        return self.rank == 0

    def place(self, net: nn.Module) -> nn.Module:
        """The network on the device, in the memory order; it is changed in place."""
        net.to(self.device)
        return net.to(memory_format=torch.channels_last) if self.channels_last else net

    @contextmanager
    def training_order(self, net: nn.Module) -> Iterator[None]:
        """Within the block a network lies in the memory order that it trains faster in, and in the usual one after it.

        The order of the filters decides that of the maps. Answers are computed in the usual order wherever weights come from.
        """
        last = self.channels_last is None and isinstance(net, Net) and net.channels_last
        if not last:
            yield
            return
        net.to(memory_format=torch.channels_last)
        try:
            yield
        finally:
            net.to(memory_format=torch.contiguous_format)

    def parallel(self, net: nn.Module) -> nn.Module:
        """The module whose backward pass averages gradients over all processes; `net` itself where there is one.

        Batch norms of `net` normalize over the images of all of them from now on, where that was chosen.
        """
        if self.world == 1:
            return net
        if self.synchronizes and (others := synchronized_batchnorm.synchronize(net)):
            log.warning("%d batch norms, as %s, normalize over the images of each process alone.", len(others), others[0])
        return nn.parallel.DistributedDataParallel(net)

    def alone(self, net: nn.Module) -> None:
        """Undo what `parallel` did to the batch norms of a network."""
        synchronized_batchnorm.restore(net)

    def autocast(self) -> AbstractContextManager[object]:
        """Products in bfloat16 within the block, where that was chosen."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16) if self.bf16 else nullcontext()

    def sums(self, values: Sequence[float]) -> list[float]:
        """Each value summed over all processes, in float64."""
        if self.world == 1:
            return list(values)
        totals = torch.tensor(values, dtype=torch.float64, device=self.device if self.device.type == "cuda" else "cpu")
        torch.distributed.all_reduce(totals)
        return [float(total) for total in totals.tolist()]

    def gather(self, array: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        """The array of every process, by rank; lengths along the first axis may differ."""
        if self.world == 1:
            return [array]
        lengths = [int(total) for total in self.sums([len(array) * (rank == self.rank) for rank in range(self.world)])]
        longest = max(lengths)
        padded = np.zeros((longest, *array.shape[1:]), dtype=array.dtype)
        padded[: len(array)] = array
        raw = torch.from_numpy(padded.view(np.uint8).reshape(longest, -1)).to(self.device)
        parts = [torch.empty_like(raw) for _ in range(self.world)]
        torch.distributed.all_gather(parts, raw)
        shape = (-1, *array.shape[1:])
        whole = [part.cpu().numpy().reshape(-1).view(array.dtype).reshape(shape) for part in parts]
        return [part[:length] for part, length in zip(whole, lengths, strict=True)]

    def with_one_precision(self) -> "Engine":
        """This engine, in float32 where not every process has bfloat16."""
        if self.sums([float(self.bf16)])[0] in (0, self.world):
            return self
        reason = "precision fp32: not every process has bf16"
        reasons = tuple(reason if other.startswith("precision") else other for other in self.reasons)
        return replace(self, bf16=False, reasons=reasons)

    def agree(self, value: float) -> float:
        """The value of the writing process, in every process."""
        return self.sums([value if self.writes else 0.0])[0]


def pick(settings: Settings) -> Engine:
    """Choose device, precision, memory order and threads, each with the reason."""
    rank, local, size = place()
    device, why_device = _device(settings.device, local)
    bf16, why_precision = _precision(settings.precision, device)
    last, why_order = _order(settings.channels_last, device)
    threads, why_threads = _threads(settings.threads)
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    workers = worker_pool.workers(settings.workers, beside)
    why_workers = "asked for" if settings.workers else f"one a core, at most 8{', shared' if beside > 1 else ''}"
    if device.type == "cpu":
        keep_freed_memory()
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    reasons = (
        f"device {device}: {why_device}",
        f"precision {'bf16' if bf16 else 'fp32'}: {why_precision}",
        f"channels_last {'by network' if last is None else 'on' if last else 'off'}: {why_order}",
        f"threads {threads}: {why_threads}",
        f"workers {workers}: {why_workers}",
        *((f"processes {size}: as many as the launcher has started",) if size > 1 else ()),
    )
    return Engine(device, bf16, last, threads, rank, size, workers, reasons, settings.sync_batchnorm)


def _device(requested: str, local: int) -> tuple[torch.device, str]:
    if requested == "auto":
        if torch.cuda.is_available():
            device = torch.device("cuda", local)
            torch.cuda.set_device(device)
            return device, torch.cuda.get_device_name(device)
        if torch.backends.mps.is_available():
            return torch.device("mps"), "Apple's GPU is there"
        return torch.device("cpu"), "no GPU is there"
    try:
        device = torch.device(requested)
    except RuntimeError:
        raise SettingError(f"engine.device: expected auto, cpu, cuda, cuda:1 or mps; got {requested!r}.") from None
    cuda = torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    if not {"cpu": True, "cuda": cuda, "mps": torch.backends.mps.is_available()}.get(device.type, False):
        raise SettingError(
            f"engine.device: this machine, or this build of torch, has no {requested}; use auto or cpu. "
            "`striate doctor` shows what is there."
        )
    return device, "asked for"


_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # mallopt's numbers for them, in malloc.h
_MOST_REUSED, _MOST_HELD = 2**28, 2**30


def keep_freed_memory() -> bool:
    """Let the allocator reuse blocks of up to 256 MB, and hold up to 1 GB that is free; False where it is not glibc's.

    By default glibc gives a large block back to the system at once, and a batch of images costs more in page faults when it is
    asked for anew than in arithmetic.
    """
    if not sys.platform.startswith("linux") or "MALLOC_MMAP_THRESHOLD_" in os.environ:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(_MMAP_THRESHOLD, _MOST_REUSED) and mallopt(_TRIM_THRESHOLD, _MOST_HELD))


def _order(requested: str, device: torch.device) -> tuple[bool | None, str]:
    if requested != "auto":
        return requested == "on", "asked for"
    if device.type == "cuda":
        return True, "tensor cores want it"
    if device.type == "cpu":
        return None, "on for training, where a CPU trains the network faster so"
    return False, "the gain is small there"


_AMPERE = (8, 0)  # the first with bf16 in its tensor cores
_ISAS_WITHOUT_BF16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI"}  # of oneDNN


def bf16_on_cpu() -> tuple[bool, str]:
    """Whether torch multiplies in bfloat16 by instructions of the CPU, with the reason.

    Without them a training step takes several times as long as in float32. oneDNN, which computes convolutions and matrix
    products, leaves out what is above `$ONEDNN_MAX_CPU_ISA`, once called `$DNNL_MAX_CPU_ISA`.
    """
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.10 has no such function
    if not (capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")):
        return False, "torch finds neither AVX-512 bf16 nor AMX on this CPU"
    name = next((name for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA") if name in os.environ), "")
    if os.environ.get(name, "").upper() in _ISAS_WITHOUT_BF16:
        return False, f"{name} keeps torch from bf16"
    return True, "the CPU has instructions for it; weights and predictions stay fp32"


def check_bf16(device: torch.device) -> None:
    """Refuse predictions in bfloat16 on a device that has none."""
    if not _has_bf16(device):
        raise UnsupportedError(
            f"{device} has no bf16, in which predictions are to be computed; use {option('precision', 'fp32')}."
        )


def slow_bf16(device: torch.device) -> str | None:
    """A sentence where predictions in bfloat16 may take longer on a CPU than in float32; else None."""
    if device.type != "cpu" or (facts := bf16_on_cpu())[0]:
        return None
    return f"Predictions in bf16 may take longer here than in fp32: {facts[1]}."


def _has_bf16(device: torch.device) -> bool:
    return device.type == "cpu" or (device.type == "cuda" and torch.cuda.get_device_capability(device) >= _AMPERE)


def _precision(requested: str, device: torch.device) -> tuple[bool, str]:
    able = _has_bf16(device)
    if requested == "bf16" and not able:
        raise UnsupportedError(f"{device} has no bf16; use engine.precision=fp32.")
    if requested != "auto":
        return requested == "bf16", "asked for"
    if device.type == "cpu":
        return bf16_on_cpu()
    return (True, "the GPU has it; weights stay fp32") if device.type == "cuda" and able else (False, "the most exact")


def _threads(requested: int | None) -> tuple[int, str]:
    if requested is not None:
        torch.set_num_threads(requested)
        return requested, "asked for"
    from_environment = "OMP_NUM_THREADS" in os.environ
    return torch.get_num_threads(), "from OMP_NUM_THREADS" if from_environment else "one a core"
