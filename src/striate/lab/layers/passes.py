"""Forward passes of one image: the inputs and outputs of all layers, with filters ablated or none.

Legend: U units of a layer, H x W places of its maps.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import SettingError
from striate.lab.layers.outline import rows_of
from striate.lab.models import Loaded

Ablated = Mapping[str, tuple[int, ...]]  # units by layer, as the page names them
_MOST_ABLATED = 1000


class Pass(NamedTuple):
    """What a network computes of one image; tensors by layer, of one image each."""

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    probabilities_K: NDArray[np.float64]


def check_ablated(loaded: Loaded, given: Any) -> Ablated:
    """The units to ablate, by layer, from what a page sends. SettingError: what is none."""
    layers = {row.name: row for row in rows_of(loaded)}
    if not isinstance(given, dict) or not all(isinstance(units, list) for units in given.values()):
        raise SettingError("expected lists of units by layer; got something else.")
    if sum(map(len, given.values())) > _MOST_ABLATED:
        raise SettingError(f"expected at most {_MOST_ABLATED:,} units to ablate; got more.")
    ablated = {}
    for name, units in given.items():
        if name == loaded.model.net.head_name:
            raise SettingError(f"{name} puts out the answer itself; ablate units of a layer before it.")
        ablated[name] = tuple(sorted({check_unit(check_layer(layers, name), unit) for unit in units}))
    return {name: units for name, units in ablated.items() if units}


def check_layer(layers: Mapping[str, Any], name: Any) -> Any:
    """The row of a layer. SettingError: there is none of this name."""
    if not isinstance(name, str) or name not in layers:
        raise SettingError(f"There is no layer {str(name)[:60]!r}.")
    return layers[name]


def check_unit(row: Any, unit: Any) -> int:
    """A number of a unit. SettingError: the layer has none such."""
    if isinstance(unit, bool) or not isinstance(unit, int) or not 0 <= unit < row.output[0]:
        raise SettingError(f"expected units from 0 to {row.output[0] - 1} of {row.name}; got {str(unit)[:40]}.")
    return unit


def readout_layer(loaded: Loaded, layer: str) -> str:
    """Where a filter is taken out: after the norm and the activation that follow it, as it is judged there."""
    readout = next((probe.readout for probe in probes_of(loaded) if probe.layer == layer), layer)
    units = {row.name: row.output[0] for row in rows_of(loaded)}
    return readout if units.get(readout) == units[layer] else layer  # a flatten that follows has other units


def probes_of(loaded: Loaded) -> Any:
    """The layers with filters and where these are judged; found once."""
    if "probes" not in loaded.known:
        from striate.interpret.readout_points import probes

        loaded.known["probes"] = probes(loaded.model.net)
    return loaded.known["probes"]


def run(loaded: Loaded, pixels_HWC: NDArray[np.uint8], ablated: Ablated) -> Pass:
    """The pass of an image; the latest with filters ablated and the latest without are kept."""
    latest = loaded.known.setdefault("passes", {})
    key = hashlib.sha256(json.dumps(sorted(ablated.items())).encode() + pixels_HWC.tobytes()).hexdigest()
    place = bool(ablated)
    if place not in latest or latest[place][0] != key:
        latest.pop(place, None)
        latest[place] = (key, _computed(loaded, pixels_HWC, ablated))
    passed: Pass = latest[place][1]
    return passed


def _computed(loaded: Loaded, pixels_HWC: NDArray[np.uint8], ablated: Ablated) -> Pass:
    from striate.nets import hooks

    model, names = loaded.model, [row.name for row in rows_of(loaded)]
    units: dict[str, set[int]] = {}
    for layer, numbers in ablated.items():
        units.setdefault(readout_layer(loaded, layer), set()).update(numbers)
    # Hooks see what those before them have made of an output
    with hooks.ablated(model.net, units), hooks.inputs(model.net, *names) as given, hooks.taps(model.net, *names) as outputs:
        logits_1K = model.logits(pixels_HWC[None])
    return Pass(given, outputs, model.probabilities(logits_1K)[0])


def answer(loaded: Loaded, before: Pass, after: Pass | None, most: int = 5) -> list[dict[str, Any]]:
    """The most probable classes with their probabilities, before filters are ablated and after."""
    order = [int(k) for k in np.argsort(-before.probabilities_K, kind="stable")[:most]]
    if after is not None:
        order += [k for k in np.argsort(-after.probabilities_K, kind="stable")[:3].tolist() if k not in order]
    return [
        {
            "class": loaded.model.classes[k], "before": float(before.probabilities_K[k]),
            "after": None if after is None else float(after.probabilities_K[k]),
        }
        for k in order
    ]  # fmt: skip
