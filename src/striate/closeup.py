"""One picture seen through a model: the maps of its layers, and what in the picture spoke for the answer.

Legend: C channels, H x W pixels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from striate.base.errors import SettingError, nearest
from striate.base.stopping import asked
from striate.inside import activations, attribution
from striate.inside.attribution import Explanation
from striate.material import Watch
from striate.model import Model

Json = dict[str, Any]


def look(
    run: str,
    model: Model,
    pictures: Sequence[Path],
    layers: Sequence[str],
    methods: Sequence[str],
    target: str | None,
    out: Path,
    watch: Watch,
) -> Json:
    """Draw for each picture a sheet for each layer, and one with the maps of all methods.

    Args:
        run: what the model was loaded by.
        model: that is asked.
        pictures: paths.
        layers: whose maps are drawn; none for all taps.
        methods: of attribution; none for all.
        target: the class that is asked about; None for the answer.
        out: the folder for the sheets; of several pictures each has one of its own in it.
        watch: called with progress.

    """
    if not pictures:
        raise SettingError("expected at least one picture to look at; got none.")
    if target is not None and target not in model.classes:
        raise SettingError(f"There is no class {target!r}; {nearest(target, model.classes)}")
    names = activations.layers_of(model.net, layers or None)
    found = []
    with asked() as stop:
        for number, picture in enumerate(pictures):
            folder = out if len(pictures) == 1 else out / f"{number + 1}-{picture.stem}"
            found.append(_one(run, model, picture, names, methods or tuple(attribution.METHODS), target, folder))
            watch({"event": "look", "done": number + 1, "total": len(pictures)})
            stop.check("looking at the pictures")
    return {"run": run, "net": model.net_name, "images": found, "files": [path for one in found for path in one["files"]]}


def _one(
    run: str, model: Model, picture: Path, layers: Sequence[str], methods: Sequence[str], target: str | None, folder: Path
) -> Json:
    from striate.report import heat, sheets

    pixels_HWC = model.pixels([picture])[0]
    answer = model.predict([picture])[0]
    wanted = answer.label if target is None else target
    maps = activations.maps(model.net, model.images([picture]), layers)
    files = []
    for number, name in enumerate(layers):
        path = folder / f"{number + 1:02d}-{name}.png"
        title = f"{name} of {Path(run).name} for {picture.name}"
        sheets.draw_maps(title, name, maps[name][0].cpu().numpy(), pixels_HWC / 255, path)
        files.append(str(path))
    why = attribution.explain_all(model, picture, methods, target=wanted)
    panels = [heat.Panel(name, made.at, made.heat_NHW[0].cpu().numpy(), *_figures(made)) for name, made in why.made.items()]
    if panels:
        path = folder / "why.png"
        share = dict(answer.top).get(wanted)
        sure = "" if share is None else f", {share:.1%}"
        heat.draw(f"Why {wanted}{sure}? {Path(run).name} on {picture.name}", pixels_HWC, panels, path)
        files.append(str(path))
    return {
        "path": str(picture), "label": answer.label, "probability": answer.probability,
        "top": [list(one) for one in answer.top], "target": wanted,
        "methods": [_told(made) for made in why.made.values()], "refused": why.refused,
        "layers": [_measured(name, maps[name]) for name in layers], "files": files,
    }  # fmt: skip


def _figures(made: Explanation) -> tuple[float, float, bool, str]:
    (found,) = made.faithfulness
    return found.gain, found.p_value, found.explains, found.why


def _told(made: Explanation) -> Json:
    (found,) = made.faithfulness
    error = made.completeness_error[0] if made.completeness_error else None
    numbers = {name: value for name, value in found._asdict().items() if not name.endswith("curve_S")}
    curves = {name[:-2]: list(map(float, value)) for name, value in found._asdict().items() if name.endswith("curve_S")}
    return {"method": made.method, "at": made.at, **numbers, **curves, "completeness_error": error}


def _measured(name: str, maps: Any) -> Json:
    values = maps[0].float()
    return {
        "name": name, "shape": list(values.shape), "mean": float(values.mean()), "largest": float(values.max()),
        "zeros": float((values == 0).float().mean()),
    }  # fmt: skip
