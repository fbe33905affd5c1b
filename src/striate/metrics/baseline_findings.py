"""Whether a network is any better than what needs none: the largest class, the nearest training image, a linear model."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from striate.base.phrases import percent
from striate.metrics.intervals import Interval
from striate.metrics.trust_findings import Finding


class _Rival(NamedTuple):
    what: str
    accuracy: float


def _rivals(baselines: Mapping[str, Any] | None) -> list[_Rival]:
    if baselines is None:
        return []
    pixels = f"{baselines['side_px']} x {baselines['side_px']} pixels"
    return [
        _Rival(f"the nearest training image by {pixels}", float(baselines["nearest_pixels"]["accuracy"])),
        _Rival(f"a linear model on {pixels}", float(baselines["linear_pixels"]["accuracy"])),
    ]


def compare(network: Interval, baselines: Mapping[str, Any] | None, majority: float | None = None) -> Finding | None:
    """The best baseline where it is as good as the network, or within its interval; None where it is below.

    `baselines` are those of `baselines.json`; `majority` is the accuracy of always predicting the largest class.
    """
    rivals = _rivals(baselines)
    if majority is not None:
        rivals.append(_Rival("always predicting the largest class", majority))
    best = max(rivals, key=lambda rival: rival.accuracy, default=None)
    if best is None or best.accuracy < network.low:
        return None
    scores = f"{percent(best.accuracy)}, the network {percent(network.value)}"
    head, tail = "better than a method that needs none", f"{best.what} gets {scores}"
    if best.accuracy >= network.value:
        return Finding("warning", f"The network is no {head}: {tail}. Train longer, or use the simpler method.")
    interval = f"95 % interval {percent(network.low)} to {percent(network.high)}"
    return Finding("note", f"The network may be no {head}: {tail} ({interval}).")
