"""Batch norm over the images of all processes, on any device; torch's own SyncBatchNorm takes CUDA tensors alone.

Each process has a part of a batch. Mean and variance of the part are noisier than those of the whole, so a network that learns
in several processes would be another one than that of one process. Here sums go over all of them (Ioffe & Szegedy 2015,
algorithm 1, with the batch as it is meant): one in the forward pass and one in the backward pass, however many channels.

Legend: N images, C channels, P places of a map.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from striate.nets.blocks import UnscaledBatchNorm2d


class _Statistics(NamedTuple):
    """Of the maps of all processes."""

    values: Tensor  # how many of each channel
    mean_C: Tensor
    variance_C: Tensor  # the mean square distance from the mean


def _statistics_type(maps_NC: Tensor) -> torch.dtype:
    return torch.promote_types(maps_NC.dtype, torch.float32)


def _of_part(maps_NC: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel of this process's maps; zeros where it has none."""
    zeros_C = maps_NC.new_zeros(maps_NC.shape[1], dtype=_statistics_type(maps_NC))
    if maps_NC.numel() == 0:
        return zeros_C, zeros_C
    if maps_NC.device.type == "cpu" and maps_NC.dtype == zeros_C.dtype:  # torch's adds one number at a time there: 4 times this
        axes = [axis for axis in range(maps_NC.dim()) if axis != 1]
        mean_C = maps_NC.mean(axes, keepdim=True)
        return mean_C.flatten(), (maps_NC - mean_C).square_().mean(axes)
    mean_C, variance_C = torch.batch_norm_update_stats(maps_NC, zeros_C, zeros_C.clone(), 0.0)
    return mean_C, variance_C


@torch.no_grad()
def _of_all(maps_NC: Tensor) -> _Statistics:
    """Mean and variance over all processes, by one sum of what each has.

    A part's mean is rounded, but only its distance from the mean of all counts; the squares, where digits would cancel, are of
    float64.
    """
    mean_C, variance_C = (values_C.double() for values_C in _of_part(maps_NC))
    count = mean_C.new_full((1,), maps_NC.numel() / maps_NC.shape[1])
    sums = torch.cat((count, count * mean_C, count * (variance_C + mean_C.square())))
    torch.distributed.all_reduce(sums)
    count, means_C = sums[0], sums[1:] / sums[0]
    mean_C, square_C = means_C.chunk(2)
    variance_C = (square_C - mean_C.square()).clamp(min=0)
    return _Statistics(count, mean_C.to(_statistics_type(maps_NC)), variance_C.to(_statistics_type(maps_NC)))


class _Normalization(torch.autograd.Function):
    """Maps with mean 0 and variance 1 over all processes, then weight and bias; the gradient is that of the whole batch.

    With x the normalized maps, dy the gradient of the output and n the values of a channel, that of the input is (weight / std)
    (dy - sum(dy) / n - x sum(dy x) / n), whose sums go over all processes (Ioffe & Szegedy 2015, section 3).
    """

    @staticmethod
    def forward(context: Any, maps_NC: Tensor, weight_C: Tensor, bias_C: Tensor, statistics: _Statistics, eps: float) -> Tensor:
        context.save_for_backward(maps_NC, weight_C, *statistics)
        context.eps = eps
        _, mean_C, variance_C = statistics
        return functional.batch_norm(maps_NC, mean_C, variance_C, weight_C, bias_C, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        maps_NC, weight_C, count, mean_C, variance_C = context.saved_tensors
        last = maps_NC.dim() == 4 and maps_NC.is_contiguous(memory_format=torch.channels_last)
        gradient_NC = gradients[0].contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
        if maps_NC.numel() == 0:
            own = mean_C.new_zeros(2, len(mean_C))
        else:
            absent = mean_C.new_empty(0)  # statistics of a part, which torch would have kept
            _, of_weight_C, of_bias_C = torch.ops.aten.native_batch_norm_backward(
                gradient_NC, maps_NC, weight_C, mean_C, variance_C, absent, absent, False, context.eps, [False, True, True]
            )
            own = torch.stack((of_weight_C, of_bias_C))
        of_maps_NC = None
        if context.needs_input_grad[0]:
            sums = own.clone()
            torch.distributed.all_reduce(sums)
            scale_C = weight_C * (variance_C + context.eps).rsqrt()
            of_weight_C, of_bias_C = -sums / count * scale_C
            exact_NC = maps_NC.to(mean_C.dtype)  # or what is nearly the same for all images would be rounded before it cancels
            of_maps_NC = functional.batch_norm(exact_NC, mean_C, variance_C, of_weight_C, of_bias_C, eps=context.eps)
            of_maps_NC = of_maps_NC.addcmul_(gradient_NC, scale_C.view(-1, *[1] * (maps_NC.dim() - 2))).to(maps_NC.dtype)
        return of_maps_NC, own[0], own[1], None, None


class _Synchronized(nn.modules.batchnorm._BatchNorm):
    def forward(self, maps_NC: Tensor) -> Tensor:
        """The same shape and type, N x C or N x C x H x W; of maps in bfloat16 sums and statistics are float32, as torch's."""
        if not self.training:
            return super().forward(maps_NC)
        statistics = _of_all(maps_NC)
        if self.track_running_stats:
            self._follow(statistics)
        like = statistics.mean_C
        weight_C = torch.ones_like(like) if self.weight is None else self.weight.to(like)
        bias_C = torch.zeros_like(like) if self.bias is None else self.bias.to(like)
        normalized_NC: Tensor = _Normalization.apply(maps_NC, weight_C, bias_C, statistics, self.eps)
        return normalized_NC

    @torch.no_grad()
    def _follow(self, statistics: _Statistics) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        count, mean_C, variance_C = statistics
        unbiased_C = variance_C * (count / (count - 1).clamp(min=1))
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean_C.to(self.running_mean), share)
        self.running_var.lerp_(unbiased_C.to(self.running_var), share)


class _Synchronized1d(_Synchronized, nn.BatchNorm1d):
    pass


class _Synchronized2d(_Synchronized, nn.BatchNorm2d):
    pass


class _SynchronizedUnscaled2d(_Synchronized, UnscaledBatchNorm2d):
    pass


_CLASSES: dict[type[nn.Module], type[_Synchronized]] = {
    nn.BatchNorm1d: _Synchronized1d, nn.BatchNorm2d: _Synchronized2d, UnscaledBatchNorm2d: _SynchronizedUnscaled2d,
}  # fmt: skip


def synchronize(net: nn.Module) -> list[str]:
    """Let the batch norms of a network normalize over all processes while they train, in place; names of those that do not.

    Parameters, statistics and their names stay. What is a batch norm of another class, as some of timm's are, is left as it is.
    """
    others = []
    for name, module in net.named_modules():
        if type(module) in _CLASSES:
            module.__class__ = _CLASSES[type(module)]
        elif isinstance(module, nn.modules.batchnorm._BatchNorm) and not isinstance(module, _Synchronized):
            others.append(name)
    return others


def restore(net: nn.Module) -> None:
    """Undo `synchronize`."""
    plain: dict[type[nn.Module], type[nn.Module]] = {synchronized: own for own, synchronized in _CLASSES.items()}
    for module in net.modules():
        if type(module) in plain:
            module.__class__ = plain[type(module)]
