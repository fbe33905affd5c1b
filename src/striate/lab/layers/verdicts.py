"""The verdict on every filter of a layer: on the run's own images where they are there, else by the weights alone."""

from typing import Any

from striate.base.errors import DataError, SettingError
from striate.lab.layers.passes import probes_of
from striate.lab.models import Loaded
from striate.lab.views import Json

_MOST_WEIGHTS = 5_000_000  # of a layer that is judged while a page waits


def verdicts(loaded: Loaded, layer: str) -> Json:
    """`each` filter of the layer, `images_from`, and `reason` where the images of the run are not there or none are judged."""
    probe = next((probe for probe in probes_of(loaded) if layer in (probe.layer, probe.readout)), None)
    if probe is None:
        return {"each": [], "images_from": None, "reason": None}
    judged = loaded.known.setdefault("verdicts", {})
    source, reason = None, None
    if loaded.choice.kind == "run":
        if "run" not in judged:
            judged["run"] = _of_run(loaded)
        source, reason = judged["run"]["images_from"], judged["run"]["reason"]
        rows = {row["name"]: row["each"] for row in judged["run"]["layers"]}
        if probe.layer in rows:
            return {"each": [_short(entry) for entry in rows[probe.layer]], "images_from": source, "reason": reason}
    if probe.layer not in judged:
        judged[probe.layer] = _by_weights(loaded, probe)
    return {"each": judged[probe.layer], "images_from": source, "reason": reason}


def _of_run(loaded: Loaded) -> Json:
    from striate.workflows.inspect import filter_health

    try:
        return {"reason": None, **filter_health.verdicts(loaded.source)}
    except (DataError, SettingError) as error:
        return {"reason": str(error), "images_from": None, "layers": []}


def _by_weights(loaded: Loaded, probe: Any) -> list[Json]:
    from striate.interpret import filter_health

    layer: Any = loaded.model.net.get_submodule(probe.layer)
    if layer.weight.numel() > _MOST_WEIGHTS:
        return []
    return [_short(judged._asdict()) for judged in filter_health.examine_weights(loaded.model.net, probe).filters]


def _short(entry: Json) -> Json:
    return {key: entry[key] for key in ("verdict", "nearest", "similarity", "zeros")}
