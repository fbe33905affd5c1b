"""Batch norm over the parts of several processes is torch's over the whole batch, in values, gradients and statistics."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.nets.blocks import UnscaledBatchNorm2d
from striate.training import processes, synchronized_batchnorm
from support import ranks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

PARTS = (4, 1, 3)  # images of each process
NORMS = {
    "2d": partial(nn.BatchNorm2d, 3), "1d": partial(nn.BatchNorm1d, 3), "unscaled": partial(UnscaledBatchNorm2d, 3),
    "not affine": partial(nn.BatchNorm2d, 3, affine=False), "mean of all steps": partial(nn.BatchNorm2d, 3, momentum=None),
    "without statistics": partial(nn.BatchNorm2d, 3, track_running_stats=False),
}  # fmt: skip


def maps(norm: nn.Module, dtype: torch.dtype, last: bool) -> tuple[Tensor, Tensor]:
    """A batch far from zero, as deep maps may be, and the gradient of what comes of it."""
    shape = (sum(PARTS), 3) if isinstance(norm, nn.BatchNorm1d) else (sum(PARTS), 3, 5, 4)
    generator = torch.Generator().manual_seed(0)
    both = [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2)]
    maps_NC, gradient_NC = (2 * both[0] + 30).to(dtype), both[1].to(dtype)
    return (maps_NC.contiguous(memory_format=torch.channels_last) if last else maps_NC), gradient_NC


def steps(norm: nn.Module, maps_NC: Tensor, gradient_NC: Tensor) -> dict[str, list[Any]]:
    """Two steps with one batch; what comes out, gradients, and the statistics after them."""
    with torch.no_grad():
        for number, parameter in enumerate(norm.parameters()):
            parameter.copy_(torch.tensor([0.5, -2.0, 1.5]) + number)
    maps_NC.requires_grad_()
    for _ in range(2):
        out_NC = norm(maps_NC)
        assert out_NC.dtype == maps_NC.dtype
        out_NC.backward(gradient_NC)
    assert maps_NC.grad is not None
    results = {"out": out_NC, "gradient": maps_NC.grad} | {f"gradient of {name}": p.grad for name, p in norm.named_parameters()}
    results |= dict(norm.named_buffers())
    return {name: tensor.double().tolist() for name, tensor in results.items()}


def of_parts(_folder: Path, names: list[str], dtype: torch.dtype, last: bool) -> dict[str, Any]:
    results = {}
    with processes.joined(torch.device("cpu")):
        rank = torch.distributed.get_rank()
        for name in names:
            norm = NORMS[name]().to(torch.promote_types(dtype, torch.float32))
            maps_NC, gradient_NC = (whole.split(PARTS)[rank].detach() for whole in maps(norm, dtype, last))
            assert synchronized_batchnorm.synchronize(nn.Sequential(norm)) == []
            results[name] = steps(norm, maps_NC, gradient_NC)
    return results


@pytest.mark.parametrize(
    ("dtype", "last", "most"), [(torch.float64, False, 1e-12), (torch.float64, True, 1e-12), (torch.float32, True, 3e-5)]
)
def test_parts_of_unequal_size_have_what_the_whole_batch_has(dtype: torch.dtype, last: bool, most: float, tmp_path: Path):
    names = [name for name in NORMS if name != "1d" or not last]
    results = ranks.run(len(PARTS), partial(of_parts, names=names, dtype=dtype, last=last), tmp_path)
    for name in names:
        norm = NORMS[name]().double()
        for what, expected in steps(norm, *maps(norm, torch.float64, last)).items():
            each = [np.array(rank[name][what]) for rank in results]
            if what in ("out", "gradient"):
                actual = np.concatenate(each)
            elif what.startswith("gradient of"):
                actual = sum(each)  # DistributedDataParallel adds them up
            else:
                assert all(np.array_equal(each[0], other) for other in each)
                actual = each[0]
            assert np.allclose(actual, expected, rtol=most, atol=most), (name, what)


def test_maps_in_bf16_have_statistics_of_float32(tmp_path: Path):
    results = ranks.run(len(PARTS), partial(of_parts, names=["2d"], dtype=torch.bfloat16, last=True), tmp_path)
    norm = nn.BatchNorm2d(3).double()
    maps_NC, gradient_NC = (tensor.double() for tensor in maps(norm, torch.bfloat16, True))
    expected = steps(norm, maps_NC, gradient_NC)
    for what in ("running_mean", "running_var"):
        assert np.allclose(results[0]["2d"][what], expected[what], rtol=1e-5)
    for what in ("out", "gradient"):
        actual = np.concatenate([rank["2d"][what] for rank in results])
        assert np.abs(actual - expected[what]).max() < 2**-7 * np.abs(expected[what]).max()


def asked_twice(_folder: Path) -> dict[str, Any]:
    with processes.joined(torch.device("cpu")):
        norm = nn.BatchNorm2d(3)
        maps_NC, _ = maps(norm, torch.float32, False)
        synchronized_batchnorm.synchronize(nn.Sequential(norm))
        (first_NC,) = torch.autograd.grad(norm(maps_NC.requires_grad_()).square().sum(), maps_NC, create_graph=True)
        with pytest.raises(RuntimeError, match="differentiate twice"):
            first_NC.sum().backward()
    return {}


def test_a_second_derivative_is_refused(tmp_path: Path):
    ranks.run(2, asked_twice, tmp_path)


def sums(_folder: Path) -> dict[str, Any]:
    """What two steps of three norms sum over the processes, as numbers of values; the first norm's input needs no gradient."""
    counts: list[int] = []
    reduce = torch.distributed.all_reduce

    def count(tensor: Tensor) -> None:
        counts.append(tensor.numel())
        reduce(tensor)

    with processes.joined(torch.device("cpu")):
        torch.distributed.all_reduce = count
        net = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.BatchNorm1d(24))
        synchronized_batchnorm.synchronize(net)
        for _ in range(2):
            net(torch.randn(2, 3, 5, 4)).square().sum().backward()
        net.eval()(torch.randn(2, 3, 5, 4))
        torch.distributed.all_reduce = reduce
    return {"counts": counts}


def test_a_step_has_one_sum_forward_and_one_backward_of_each_norm(tmp_path: Path):
    for rank in ranks.run(2, sums, tmp_path):
        assert rank["counts"] == 2 * [1 + 2 * 3, 1 + 2 * 4, 1 + 2 * 24, 2 * 24, 2 * 4]


def without_images(_folder: Path) -> dict[str, Any]:
    with processes.joined(torch.device("cpu")):
        norm = nn.BatchNorm2d(3)
        synchronized_batchnorm.synchronize(nn.Sequential(norm))
        maps_NC, _ = maps(norm, torch.float32, False)
        out_NC = norm(maps_NC[: 8 * torch.distributed.get_rank()].requires_grad_())
        out_NC.square().sum().backward()
        assert norm.running_mean is not None
        return {"shape": list(out_NC.shape), "mean": norm.running_mean.tolist()}


def test_a_process_without_images_takes_part(tmp_path: Path):
    one, other = ranks.run(2, without_images, tmp_path)
    assert [one["shape"], other["shape"]] == [[0, 3, 5, 4], [8, 3, 5, 4]]
    assert one["mean"] == other["mean"]
    assert np.allclose(one["mean"], 3, atol=0.1)
