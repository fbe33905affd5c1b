"""One unit: its value as a calculation with its numbers, its kernels, and the layer's row of the table worked out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.lab.layers.maps import values_UHW, windows
from striate.lab.layers.passes import Pass
from striate.lab.models import Loaded
from striate.lab.texts import Texts
from striate.lab.views import Formula, Grid, Json, as_json

_TERMS = 8  # of a sum that are written
_PRODUCTS = 25  # of a kernel that are written
_KERNELS = 3  # channels whose kernels and inputs are drawn
_DIGITS_UP_TO = 7  # a side of a kernel with its numbers written


def unit(loaded: Loaded, passed: Pass, place: tuple[str, int, int, int], say: Texts) -> Json:
    """What is shown of a unit at (layer, number, row, column)."""
    from striate.nets.worked_arithmetic import explain

    name, number, row, column = place
    value = float(values_UHW(passed.outputs[name])[number, row, column])
    seen = windows(loaded, name)
    box = [int(seen[side][0 if len(seen[side]) == 1 else at]) for side, at in _sides(row, column)]
    views, lines = _calculated(loaded, passed, place, say)
    titles = [say(f"views.{kind}", channel=channel) for kind, channel in (view.name.split("-") for view in views)]
    return {
        "value": value, "box": box,
        "views": [as_json(view) | {"title": title} for view, title in zip(views, titles, strict=True)],
        "formula": as_json(Formula("formula", lines)) | {"title": say("views.formula")},
        "table": as_json(Formula("table", explain(loaded.model.net, name))) | {"title": say("views.table")},
    }  # fmt: skip


def _sides(row: int, column: int) -> tuple[tuple[str, int], ...]:
    return ("tops", row), ("lefts", column), ("bottoms", row), ("rights", column)


def _calculated(loaded: Loaded, passed: Pass, place: tuple[str, int, int, int], say: Texts) -> tuple[list[Grid], list[str]]:
    """The grids of a unit's largest kernels with their inputs, and the calculation of its value."""
    from torch import nn

    from striate.interpret.unit_sum import unit_sum

    name, number, row, column = place
    layer, given = loaded.model.net.get_submodule(name), passed.inputs[name]
    value = float(values_UHW(passed.outputs[name])[number, row, column])
    total = unit_sum(layer, given, number, row, column)
    if total is not None:
        return _grids(total), _sum_lines(total, value, "input" if isinstance(layer, nn.Linear) else "channel", say)
    before = given[0].float().cpu().numpy()
    if before.shape == tuple(passed.outputs[name].shape[1:]):
        x = float(before.reshape(before.shape[0], -1)[number, row * (before.shape[-1] if before.ndim == 3 else 1) + column])
        return [], _pointwise_lines(layer, number, x, value)
    if isinstance(layer, nn.MaxPool2d | nn.AvgPool2d | nn.AdaptiveAvgPool2d) and before.ndim == 3:
        return _pool(layer, before[number], place, value, say)
    return [], [say("value_only", value=_short(value))]


def _grids(total: Any) -> list[Grid]:
    size, grids = total.terms[0].weights_kk.shape, list[Grid]()
    if size == (1, 1):
        return grids
    shown = total.largest(_KERNELS)
    size_weights = max(float(np.abs(term.weights_kk).max()) for term in shown) or 1.0
    for term in shown:
        digits = max(size) <= _DIGITS_UP_TO
        grids.append(Grid(f"inputs-{term.source}", term.inputs_kk, digits=digits, diverging=bool((term.inputs_kk < 0).any())))
        grids.append(Grid(f"kernel-{term.source}", term.weights_kk, high=size_weights, diverging=True, digits=digits))
    return grids


def _sum_lines(total: Any, value: float, source: str, say: Texts) -> list[str]:
    """The sum of the channels, the largest by name, and where the value was set to zero, that."""
    lines = []
    if 1 < total.terms[0].weights_kk.size <= _PRODUCTS:
        term = total.largest(1)[0]
        pairs = zip(term.weights_kk.flat, term.inputs_kk.flat, strict=True)
        products = _sum([f"{_short(weight)} × {_factor(given)}" for weight, given in pairs])
        lines.append(f"{say('channel', source=term.source)}: {products} = {_short(term.product)}")
    shown = total.largest(_TERMS)
    parts = [f"{_short(term.product)} ({say(source, source=term.source)})" for term in shown]
    if (rest := len(total.terms) - len(shown)) > 0:
        others = sum(term.product for term in total.terms) - sum(term.product for term in shown)
        parts.append(f"{_short(others)} ({say('others', count=rest)})")
    if total.bias:
        parts.append(f"{_short(total.bias)} ({say('bias')})")
    lines.append(f"{_sum(parts)} = {_short(total.value)}")
    if value == 0 and abs(total.value) > 1e-6:
        lines.append(say("set_to_zero"))
    return lines


def _pointwise_lines(layer: Any, number: int, x: float, value: float) -> list[str]:
    from torch import nn

    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and layer.running_mean is not None and layer.running_var is not None:
        mean, variance = float(layer.running_mean[number]), float(layer.running_var[number])
        gamma = 1.0 if layer.weight is None else float(layer.weight[number])
        beta = 0.0 if layer.bias is None else float(layer.bias[number])
        parts = [_short(part) for part in (gamma, x, mean, variance, layer.eps, beta)]
        return [
            "y = γ × (x − μ) / √(σ² + ε) + β",
            "= {} × ({} − {}) / √({} + {}) + {} = {}".format(*parts, _short(value)),
        ]
    if isinstance(layer, nn.ReLU):
        return [f"max(0, {_short(x)}) = {_short(value)}"]
    return [f"{type(layer).__name__}({_short(x)}) = {_short(value)}"]


def _pool(
    layer: Any, before_HW: NDArray[np.float32], place: tuple[str, int, int, int], value: float, say: Texts
) -> tuple[list[Grid], list[str]]:
    from torch import nn

    from striate.nets.summary import window

    _, number, row, column = place
    if isinstance(layer, nn.AdaptiveAvgPool2d):
        under = before_HW
    else:
        (high, down, above, _), (wide, across, left, _) = window(layer, 0), window(layer, 1)
        top, start = row * down - above, column * across - left
        under = before_HW[max(0, top) : top + high, max(0, start) : start + wide]
    maximum = isinstance(layer, nn.MaxPool2d)
    lines = [f"{say('maximum' if maximum else 'mean', count=under.size)} = {_short(value)}"]
    small = max(under.shape) <= 16
    grid = Grid(f"inputs-{number}", under, digits=max(under.shape) <= _DIGITS_UP_TO, diverging=bool((under < 0).any()))
    return [grid] if small else [], lines


def _sum(parts: Sequence[str]) -> str:
    """Parts added: `1 + 2 − 3`."""
    return " + ".join(parts).replace("+ −", "− ")


def _factor(number: float) -> str:
    """A number after a sign of multiplication, in brackets where it is negative."""
    return f"({_short(number)})" if number < 0 else _short(number)


def _short(number: float) -> str:
    return f"{number:.4g}".replace("-", "−")
