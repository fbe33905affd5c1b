"""Activation functions and their derivatives, by the activations of the networks and autograd.

Legend: P places on the axis.
"""

from pathlib import Path

import torch
from torch import Tensor

from striate.figures.catalogue import FigureResult
from striate.nets.blocks import activation
from striate.plots import curves
from striate.plots.curves import Line, Panel

GROUPS = {
    "ReLU and its relatives": ("relu", "leaky_relu", "elu", "gelu", "silu"),
    "squashing functions": ("sigmoid", "tanh", "scaled_tanh"),
}
LAYERS = 10  # through which the largest derivative is carried


def draw(path: Path) -> FigureResult:
    """Values and derivatives from -4 to 4."""
    x_P = torch.linspace(-4, 4, 801, dtype=torch.float64)
    values, derivatives, numbers = [], [], dict[str, object]()
    for title, names in GROUPS.items():
        both = {name: over(name, x_P) for name in names}
        numbers |= {
            name: {"at_-1": at(name, -1.0)[0], "at_1": at(name, 1.0)[0], "derivative_at_-3": at(name, -3.0)[1],
                   "largest_derivative": float(derivative_P.max())}
            for name, (_, derivative_P) in both.items()
        }  # fmt: skip
        value_lines, derivative_lines = ([Line(name, pair[i].numpy()) for name, pair in both.items()] for i in (0, 1))
        limits = (-2, 4) if "relu" in names else (-2, 2)
        values.append(Panel(title, "input a", "output f(a)", x_P.numpy(), value_lines, limits))
        derivatives.append(Panel("derivatives", "input a", "derivative f'(a)", x_P.numpy(), derivative_lines, (-0.2, 1.25)))
    title = "Activation functions: the output of a unit, and the factor on a gradient in back-propagation"
    curves.draw(title, [values, derivatives], path)
    sigmoid = at("sigmoid", 0.0)[1]
    lines = (
        f"the derivative of sigmoid is at most {sigmoid:g}: through {LAYERS} layers at most {sigmoid**LAYERS:.2g}; "
        "that of relu is 1 for positive inputs, and 0 elsewhere",
        f"at -3: derivative of relu {at('relu', -3.0)[1]:g}, leaky_relu {at('leaky_relu', -3.0)[1]:g}, elu "
        f"{at('elu', -3.0)[1]:.3f}, tanh {at('tanh', -3.0)[1]:.4f}",
        f"1.7159 tanh(2a/3) at 1: {at('scaled_tanh', 1.0)[0]:.6f}; its derivative at 0: {at('scaled_tanh', 0.0)[1]:.5f}",
    )
    return FigureResult(lines, numbers)


def over(name: str, x_P: Tensor) -> tuple[Tensor, Tensor]:
    """Values and derivatives of an activation at these places."""
    x_P = x_P.clone().requires_grad_()
    y_P = activation(name)(x_P)
    (derivative_P,) = torch.autograd.grad(y_P.sum(), x_P)
    return y_P.detach(), derivative_P


def at(name: str, x: float) -> tuple[float, float]:
    """Value and derivative of an activation at one place."""
    value, derivative = over(name, torch.tensor([x], dtype=torch.float64))
    return float(value), float(derivative)
