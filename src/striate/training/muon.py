"""Muon: momentum whose updates are orthogonalized (Jordan et al. 2024, "Muon: An optimizer for hidden layers").

As in the speed records on CIFAR-10 (Jordan 2024, airbench94_muon): each update of a hidden layer is brought near to the closest
matrix with singular values of one, and the weights are scaled back to one norm before it, so that their size does not matter.
The last layer, biases and norms learn by SGD with Nesterov momentum of 0.85. Or, as Jordan advises for other networks, what is
not orthogonalized learns by AdamW (Loshchilov & Hutter 2019), the first layer too. Then of the others the kernels of
convolutions alone are orthogonalized: for a large fully connected layer that would cost many times its multiply-adds.

Legend: U units of a layer, D inputs of a unit.
"""

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.adamw import adamw

MOMENTUM = 0.6
_SGD_MOMENTUM = 0.85
_STEPS = 3
_A, _B, _C = 3.4445, -4.7750, 2.0315  # of the odd polynomial that drives singular values towards one, fast and not exactly


def orthogonalized(matrix_UD: Tensor, steps: int = _STEPS) -> Tensor:
    """The matrix with singular values of about one (0.3 to 1.3), by so many Newton-Schulz iterations of degree five.

    >>> matrix_UD = torch.diag(torch.tensor([3.0, 1.0]))
    >>> bool((orthogonalized(matrix_UD, 5).diagonal() - 1).abs().max() < 0.35)
    True
    """
    wide = matrix_UD.T if matrix_UD.shape[0] > matrix_UD.shape[1] else matrix_UD
    wide = wide / (wide.norm() + 1e-7)
    for _ in range(steps):
        squares = wide @ wide.T
        wide = _A * wide + (_B * squares + _C * (squares @ squares)) @ wide
    orthogonal_UD: Tensor = wide.T if matrix_UD.shape[0] > matrix_UD.shape[1] else wide
    return orthogonal_UD


class Muon(Optimizer):
    """Muon for the groups with `orthogonal` true, whose `momentum` it is; SGD for the others, or with `betas` AdamW."""

    def __init__(
        self, groups: Iterable[dict[str, Any]], lr: float, momentum: float = MOMENTUM, betas: tuple[float, float] | None = None
    ) -> None:
        # `fused` is for torch, which puts the count of steps of a loaded state where a fused optimizer wants it
        plain = {"lr": lr, "momentum": momentum, "betas": betas, "weight_decay": 0.0, "orthogonal": False, "fused": False}
        super().__init__(list(groups), plain)
        for group in self.param_groups:
            kinds = {parameter.device.type for parameter in group["params"]}
            group["fused"] = betas is not None and not group["orthogonal"] and kinds <= {"cpu", "cuda"}

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step from the gradients that there are; `closure` computes them anew before, and its loss is returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group["betas"] is not None and not group["orthogonal"]:
                self._step_adamw(group)
                continue
            momentum = group["momentum"] if group["orthogonal"] else _SGD_MOMENTUM
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                gradient = parameter.grad
                if not group["orthogonal"]:
                    gradient = gradient.add(parameter, alpha=group["weight_decay"])
                state = self.state[parameter]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(parameter)
                buffer = state["momentum_buffer"].mul_(momentum).add_(gradient)
                update = gradient.add(buffer, alpha=momentum)
                if group["orthogonal"]:
                    parameter.mul_(len(parameter) ** 0.5 / parameter.norm().clamp(min=1e-12))
                    update = orthogonalized(update.reshape(len(update), -1)).view_as(update)
                parameter.add_(update, alpha=-group["lr"])
        return loss

    def _step_adamw(self, group: dict[str, Any]) -> None:
        parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter] = {
                    "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        states = [self.state[parameter] for parameter in parameters]
        first, second, steps = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step"))
        beta1, beta2 = group["betas"]
        adamw(
            parameters, [parameter.grad for parameter in parameters], first, second, [], steps, fused=group["fused"],
            amsgrad=False, beta1=beta1, beta2=beta2, lr=group["lr"], weight_decay=group["weight_decay"], eps=1e-8,
            maximize=False,
        )  # fmt: skip
