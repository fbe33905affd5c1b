"""Batch norm over the images of all processes, on any device; torch's own SyncBatchNorm takes CUDA tensors alone.

Each process has a part of a batch. Mean and variance of the part are noisier than those of the whole, so a network that learns
in several processes would be another one than that of one process. Here sums go over all of them (Ioffe & Szegedy 2015,
algorithm 1, with the batch as it is meant).

Legend: N images, C channels, P places of a map.
"""

import torch
from torch import Tensor, nn

from striate.nets.blocks import UnscaledBatchNorm2d
from striate.training.processes import summed


class _Synchronized(nn.modules.batchnorm._BatchNorm):
    def forward(self, maps_NC: Tensor) -> Tensor:
        """The same shape and type, N x C or N x C x H x W; of maps in bfloat16 sums and statistics are float32, as torch's."""
        if not self.training:
            return super().forward(maps_NC)
        return self._normalized(maps_NC.to(torch.promote_types(maps_NC.dtype, torch.float32))).to(maps_NC.dtype)

    def _normalized(self, maps_NC: Tensor) -> Tensor:
        axes = [axis for axis in range(maps_NC.dim()) if axis != 1]
        shape = [-1 if axis == 1 else 1 for axis in range(maps_NC.dim())]
        count = summed(maps_NC.new_tensor(maps_NC.numel() / maps_NC.shape[1]))
        mean_C = summed(maps_NC.sum(axes)) / count
        centered_NC = maps_NC - mean_C.view(shape)
        variance_C = summed(centered_NC.square().sum(axes)) / count
        if self.track_running_stats:
            self._follow(mean_C.detach(), (variance_C * count / (count - 1).clamp(min=1)).detach())
        normalized_NC = centered_NC * (variance_C + self.eps).rsqrt().view(shape)
        if self.weight is not None:
            normalized_NC = normalized_NC * self.weight.view(shape)
        return normalized_NC if self.bias is None else normalized_NC + self.bias.view(shape)

    @torch.no_grad()
    def _follow(self, mean_C: Tensor, variance_C: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean_C.to(self.running_mean), share)
        self.running_var.lerp_(variance_C.to(self.running_var), share)


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
