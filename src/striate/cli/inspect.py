"""`striate inspect`."""

from pathlib import Path
from typing import Any

from rich.table import Table

from striate.base.errors import SettingError
from striate.cli.console import print_json, speaking, split, stdout, trust

_COLUMNS = ("blank", "dead", "duplicate", "nearly_dead", "noisy", "healthy")
_KINDS = {"images": "with IMAGES", "filters": "with --filters", "units": "with --layer alone", "verdicts": "with RUN alone"}
_APPLY = {
    "--filters": ("filters",), "--unit": ("units",), "--method": ("images",), "--target": ("images",), "--draw": ("verdicts",),
    "--data": ("verdicts", "units"), "--out": ("images", "filters", "units"),
}  # fmt: skip


def inspect(
    run: str, /, *images: Path, filters: bool = False, layer: tuple[str, ...] = (), unit: tuple[str, ...] = (),
    method: tuple[str, ...] = (), target: str | None = None, data: str | None = None, draw: Path | None = None,
    out: Path | None = None, trust_code: bool = False, json: bool = False,
) -> None:  # fmt: skip
    """Look inside a model: a verdict on every filter; or one image through all layers; or filters; or the units of a layer.

    Args:
        run: a run by name or folder, a model's folder, or NET@WEIGHTS.
        images: images: the maps of every layer for each, and the evidence in it for the prediction.
        filters: stripes and colors that the first filters are tuned to, shift tolerance, and all weights as tiles.
        layer: with IMAGES or --filters, layers to draw; alone, one layer: what activates and maximizes its units.
        unit: with --layer alone: units to draw; else those that tell classes apart most.
        method: with IMAGES: saliency, deconvnet, guided, gradcam, integrated_gradients, occlusion; else all.
        target: with IMAGES: the class to explain; else the prediction.
        data: without IMAGES: images to look at, as a folder or digits; else the run's own validation images.
        draw: of the verdicts: a figure of the first layer's filters, .svg, .png or .pdf.
        out: a folder for sheets of images, filters or units; else striate-inspect-RUN.
        trust_code: run the Python file of a network of one's own that comes with the model, now and later on this machine.
        json: print one JSON object on stdout, with all numbers.

    """
    from striate.workflows.inspect import filter_health, first_layer_filters, one_image
    from striate.workflows.inspect import units as workflow

    which = "images" if images else "filters" if filters else "units" if layer else "verdicts"
    flags = (("--filters", filters), ("--unit", unit), ("--method", method), ("--target", target), ("--draw", draw))
    trust(run, trust_code)
    _refuse(which, [name for name, given in (*flags, ("--data", data), ("--out", out)) if given])
    layers = split(layer)
    with speaking() as watch:
        if which == "images":
            result = one_image.inspect_image(
                run, images, layers=layers, methods=split(method), target=target, out=out, watch=watch
            )
        elif which == "filters":
            result = first_layer_filters.filters(run, layers=layers, out=out, watch=watch)
        elif which == "units":
            result = workflow.units(run, _single_layer(layers), unit_indices=_numbers(unit), data=data, out=out, watch=watch)
        else:
            result = filter_health.verdicts(run, data=data, draw=draw, watch=watch)
    if json:
        print_json(result)
    else:
        _print_result(which, result)


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


def _print_result(which: str, result: dict[str, Any]) -> None:
    out = stdout()
    {"images": _print_images, "filters": _print_filters, "units": _print_units, "verdicts": _print_verdicts}[which](result)
    for path in result["files"]:
        out.print(f"drawn: {path}")


def _print_images(result: dict[str, Any]) -> None:
    out = stdout()
    for image in result["images"]:
        target = "" if image["target"] == image["label"] else f"; explained: {image['target']}"
        out.print(f"{image['path']}: {image['label']} at {image['probability']:.1%}{target}")
        for explanation in image["methods"]:
            at = f" at {explanation['layer']}" if explanation["layer"] else ""
            out.print(f"  {explanation['method']}{at} {explanation['reason']}")
        for method, reason in image["refused"].items():
            out.print(f"  {method}: {reason}")


def _print_filters(result: dict[str, Any]) -> None:
    out = stdout()
    if result["first"] is None:
        out.print(result["reason"])
        return
    table = Table("filter", "orientation", "cycles a pixel", "strength", "color", box=None)
    for column in table.columns:
        column.justify = "right"
    for number, row in enumerate(result["first"]["each"]):
        oriented = row["half_width"] is not None  # the response to no other orientation falls to half: a spot has none
        angle = f"{round(row['orientation']) % 180}°" if oriented else "-" if row["frequency"] is None else "none"
        numbers = ("-" if row[name] is None else f"{row[name]:.2f}" for name in ("frequency", "strength", "chromatic"))
        table.add_row(str(number), angle, *numbers)
    out.print(table)
    for row in result["tolerance"]:
        known = sorted(unit["half_shift"] for unit in row["units"] if unit["half_shift"] is not None)
        median = (
            f"{known[len(known) // 2]:.2f} periods of the best stripes, the median of {len(known)} units"
            if known
            else "more than was measured"
        )
        out.print(f"{row['name']}: half of the response remains after a shift of {median}")


def _print_units(result: dict[str, Any]) -> None:
    out = stdout()
    rows = result["statistics"][0]["units"]
    table = Table("unit", "mean", "std", "max", "zeros", "selectivity", "class", box=None)
    for column in table.columns[:-1]:
        column.justify = "right"
    for number in result["units"]:
        row = rows[number]
        cells = ("-" if row.get(name) is None else f"{row[name]:.3f}" for name in ("mean", "std", "max", "zeros"))
        share = "-" if row.get("selectivity") is None else f"{row['selectivity']:.2f}"
        table.add_row(str(number), *cells, share, "-" if row.get("preferred") is None else row["preferred"])
    out.print(table)
    out.print(f"{result['readout_layer']}: looked at {result['images_from']}")
    out.print(f"the images that excite it most are of {result['strongest_from']}")
    if result["reason"]:
        out.print(result["reason"])


def _print_verdicts(result: dict[str, Any]) -> None:
    out = stdout()
    table = Table("layer", "filters", *(name.replace("_", " ") for name in _COLUMNS), "3x3 noise", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in result["layers"]:
        ratio = "-" if row["noise_ratio"] is None else f"{row['noise_ratio']:.3f}"
        table.add_row(row["name"], f"{row['filters']:,}", *(_number(row[name]) for name in _COLUMNS), ratio)
    out.print(table)
    for row in result["layers"]:
        if row["advice"]:
            out.print(row["advice"])
    source = result["images_from"]
    if not result["layers"]:
        out.print(f"{result['net']} has no filters or units before its head that could be judged")
        return
    out.print(f"looked at {result['layers'][0]['images']:,} {source}" if source else "judged by the weights alone")


def _number(count: int) -> str:
    return f"{count:,}" if count else "."
