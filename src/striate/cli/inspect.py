"""`striate inspect`."""

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from striate.base.errors import SettingError
from striate.cli.console import Event, documented_by, show, speaking, split, table, trust

_COLUMNS = ("blank", "dead", "duplicate", "nearly_dead", "noisy", "healthy")
_KINDS = {"images": "with IMAGES", "filters": "with --filters", "units": "with --layer alone", "verdicts": "with RUN alone"}
_APPLY = {
    "--filters": ("filters",), "--unit": ("units",), "--method": ("images",), "--target": ("images",), "--draw": ("verdicts",),
    "--data": ("verdicts", "units"), "--out": ("images", "filters", "units"),
}  # fmt: skip


@documented_by("striate.workflows.inspect.units", "units", json="print one JSON object on stdout, with all numbers.")
def inspect(
    run: str, /, *images: Path, filters: bool = False, layer: tuple[str, ...] = (), unit: tuple[str, ...] = (),
    method: tuple[str, ...] = (), target: str | None = None, data: str | None = None, draw: Path | None = None,
    out: Path | None = None, trust_code: bool = False, json: bool = False,
) -> None:  # fmt: skip
    """Look inside a model: a verdict on every filter; or one image through all layers; or filters; or the units of a layer.

    Args:
        images: images: the maps of every layer for each, and the evidence in it for the prediction.
        filters: stripes and colors that the first filters are tuned to, shift tolerance, and all weights as tiles.
        layer: with IMAGES or --filters, layers to draw; alone, one layer: what activates and maximizes its units.
        unit: with --layer alone: units to draw; else those that tell classes apart most.
        method: with IMAGES: saliency, deconvnet, guided, gradcam, integrated_gradients, occlusion; else all.
        target: with IMAGES: the class to explain; else the prediction, of several labels each one.
        data: without IMAGES: images to look at, as a folder or digits; else the run's own validation images.
        draw: of the verdicts: a figure of the first layer's filters, .svg, .png or .pdf.
        out: a folder for sheets of images, filters or units; else striate-inspect-RUN.

    """
    from striate.workflows import checks

    which = "images" if images else "filters" if filters else "units" if layer else "verdicts"
    flags = (("--filters", filters), ("--unit", unit), ("--method", method), ("--target", target), ("--draw", draw))
    _refuse(which, [name for name, given in (*flags, ("--data", data), ("--out", out)) if given])
    layers, units = split(layer), _numbers(unit)
    single = _single_layer(layers) if which == "units" else ""
    with speaking() as watch, checks.before_torch(watch, checks.check_inspection, run, images, out, draw, data):
        from striate.workflows.inspect import filter_health, first_layer_filters, one_image
        from striate.workflows.inspect import units as workflow

        trust(run, trust_code)
        if which == "images":
            result = one_image.inspect_image(
                run, images, layers=layers, methods=split(method), target=target, out=out, watch=watch
            )
        elif which == "filters":
            result = first_layer_filters.filters(run, layers=layers, out=out, watch=watch)
        elif which == "units":
            result = workflow.units(run, single, unit_indices=units, data=data, out=out, watch=watch)
        else:
            result = filter_health.verdicts(run, data=data, draw=draw, watch=watch)
    show(result, json, {"images": _images, "filters": _filters, "units": _units, "verdicts": _verdicts}[which])


def _refuse(which: str, given: list[str]) -> None:
    for flag in given:
        if which not in _APPLY[flag]:
            only = "" if flag == "--filters" else f", only {' or '.join(_KINDS[kind] for kind in _APPLY[flag])}"
            raise SettingError(f"{flag} does not apply {_KINDS[which]}{only}; remove it.")


def _single_layer(layers: list[str]) -> str:
    if len(layers) != 1:
        raise SettingError(
            f"expected one --layer, whose units are looked at; got {', '.join(layers)}. Ask for one after the other."
        )
    return layers[0]


def _numbers(given: tuple[str, ...]) -> list[int]:
    parts = split(given)
    if not all(part.isdigit() for part in parts):
        raise SettingError(f"--unit: expected numbers with commas, as 0,3,7; got {', '.join(parts)}.")
    return [int(part) for part in parts]


def _drawn(result: Event) -> Iterator[str]:
    yield from (f"drawn: {path}" for path in result["files"])


def _images(result: Event) -> Iterator[str]:
    for image in result["images"]:
        if "targets" in image:
            yield f"{image['path']}: {', '.join(image['labels']) or '(none)'}"
            for each in image["targets"]:
                yield f"  evidence for {each['target']} at {each['probability']:.1%}"
                yield from _evidence(each, "    ")
            continue
        target = "" if image["target"] == image["label"] else f"; explained: {image['target']}"
        yield f"{image['path']}: {image['label']} at {image['probability']:.1%}{target}"
        yield from _evidence(image, "  ")
    yield from _drawn(result)


def _evidence(explained: Event, indent: str) -> Iterator[str]:
    for explanation in explained["methods"]:
        at = f" at {explanation['layer']}" if explanation["layer"] else ""
        yield f"{indent}{explanation['method']}{at} {explanation['reason']}"
    yield from (f"{indent}{method}: {reason}" for method, reason in explained["refused"].items())


def _filters(result: Event) -> Iterator[str | Table]:
    if result["first"] is None:
        yield result["reason"]
    else:
        yield _tuning(result["first"]["each"])
    for row in result["tolerance"]:
        known = sorted(unit["half_shift"] for unit in row["units"] if unit["half_shift"] is not None)
        median = (
            f"{known[len(known) // 2]:.2f} periods of the best stripes, the median of {len(known)} units"
            if known
            else "more than was measured"
        )
        yield f"{row['name']}: half of the response remains after a shift of {median}"
    yield from _drawn(result)


def _tuning(filters: list[Event]) -> Table:
    heads = ("filter", "orientation", "cycles a pixel", "strength", "color")
    rows = table(*heads, left=(), box=None)
    for number, row in enumerate(filters):
        oriented = row["half_width"] is not None  # the response to no other orientation falls to half: a spot has none
        angle = f"{round(row['orientation']) % 180}°" if oriented else "-" if row["frequency"] is None else "none"
        numbers = ("-" if row[name] is None else f"{row[name]:.2f}" for name in ("frequency", "strength", "chromatic"))
        rows.add_row(str(number), angle, *numbers)
    return rows


def _units(result: Event) -> Iterator[str | Table]:
    units = result["statistics"][0]["units"]
    rows = table("unit", "mean", "std", "max", "zeros", "selectivity", "class", left=("class",), box=None)
    for number in result["units"]:
        row = units[number]
        cells = ("-" if row.get(name) is None else f"{row[name]:.3f}" for name in ("mean", "std", "max", "zeros"))
        share = "-" if row.get("selectivity") is None else f"{row['selectivity']:.2f}"
        rows.add_row(str(number), *cells, share, "-" if row.get("preferred") is None else row["preferred"])
    yield rows
    yield f"{result['readout_layer']}: looked at {result['images_from']}"
    yield f"the images that excite it most are of {result['strongest_from']}"
    if result["reason"]:
        yield result["reason"]
    yield from _drawn(result)


def _verdicts(result: Event) -> Iterator[str | Table]:
    rows = table("layer", "filters", *(name.replace("_", " ") for name in _COLUMNS), "3x3 noise", box=None)
    for row in result["layers"]:
        ratio = "-" if row["noise_ratio"] is None else f"{row['noise_ratio']:.3f}"
        rows.add_row(row["name"], f"{row['filters']:,}", *(_number(row[name]) for name in _COLUMNS), ratio)
    yield rows
    yield from (row["advice"] for row in result["layers"] if row["advice"])
    source = result["images_from"]
    if not result["layers"]:
        yield f"{result['net']} has no filters or units before its head that could be judged"
    else:
        yield f"looked at {result['layers'][0]['images']:,} {source}" if source else "judged by the weights alone"
    yield from _drawn(result)


def _number(count: int) -> str:
    return f"{count:,}" if count else "."
