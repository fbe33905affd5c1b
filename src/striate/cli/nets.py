"""`striate nets`."""

from typing import Annotated, Any

from cyclopts import Parameter
from rich.table import Table

from striate.base import config
from striate.base.errors import SettingError
from striate.cli.speaking import print_json, stdout
from striate.nets import catalogue


def nets(
    name: str | None = None,
    /,
    *,
    size: int | None = None,
    channels: int | None = None,
    classes: int | None = None,
    set_: Annotated[tuple[str, ...], Parameter("--set")] = (),
    explain: str | None = None,
    draw: str | None = None,
    signal: bool = False,
    init: str | None = None,
    seed: int | None = None,
    json: bool = False,
) -> None:
    """The catalogue of networks, or one network layer by layer.

    Args:
        name: a network of the catalogue, a line of layers, file.py:Class, or timm:NAME; nothing for the catalogue.
        size: side of the square input in pixels; else the network's own.
        channels: of the input; else the network's own.
        classes: number of classes; else the network's own.
        set_: a setting of section net, as in net.shortcut=A; may be repeated.
        explain: a layer or block whose row is worked out: conv2.
        draw: a file to draw the network into, .svg, .png or .pdf; with --signal the signal.
        signal: mean and variance of activations and gradients at the start, in place of the table.
        init: with --signal: how weights begin; else as the paper says.
        seed: with --signal: of the weights; else 0.
        json: print one JSON object on stdout.

    """
    flags = {
        "--size": size, "--channels": channels, "--classes": classes, "--set": set_ or None, "--explain": explain,
        "--draw": draw, "--signal": signal or None, "--init": init, "--seed": seed,
    }  # fmt: skip
    if name is None:
        _catalogue(flags, json)
        return
    settings = config.section(config.merge(*(config.setting(text) for text in set_)), "net")
    how = {"size_px": size, "channels": channels, "classes": classes, "settings": settings}
    if signal:
        _refuse({"--explain": explain}, "without --signal")
        _signal(name, init or "paper", seed or 0, draw, how, json)
        return
    _refuse({"--init": init, "--seed": seed}, "with --signal: the table has no numbers")
    _one(name, explain, draw, how, json)


def _refuse(flags: dict[str, Any], when: str) -> None:
    for flag, value in flags.items():
        if value is not None:
            raise SettingError(f"{flag} applies {when}; got {value!r}.")


def _one(name: str, layer: str | None, draw: str | None, how: dict[str, Any], json: bool) -> None:
    from striate import workbench

    rows = workbench.layers(name, **how)
    lines = workbench.explain(name, layer, **how) if layer is not None else ()
    drawn = {} if draw is None else {"drawn": str(workbench.draw(name, draw, **how))}
    parameters, macs = sum(row.parameters for row in rows), sum(row.macs for row in rows)
    if json:
        layers = [{**row._asdict(), "output": list(row.output)} for row in rows]
        explained = {"explained": list(lines)} if lines else {}
        print_json({"name": name, "parameters": parameters, "macs": macs, "layers": layers, **explained, **drawn})
        return
    if lines:
        stdout().print("\n".join(lines), markup=False)
    else:
        _table(name, rows, parameters, macs)
    if draw is not None:
        stdout().print(f"drawn: {draw}", markup=False)


def _table(name: str, rows: list[Any], parameters: int, macs: int) -> None:
    memory = sum(row.bytes for row in rows)
    title = f"{name}: {parameters:,} parameters, {macs:,} multiply-adds and {_size(memory)} of activations an image"
    table = Table(title=title)
    for column in ("layer", "kind", "output", "parameters", "multiply-adds", "sees, px", "jump, px", "memory"):
        table.add_column(column, justify="left" if column in ("layer", "kind") else "right", no_wrap=True)
    for row in rows:
        shape = " x ".join(str(side) for side in row.output)
        numbers = (row.parameters, row.macs, row.receptive_field, row.jump)
        table.add_row(row.name, row.kind, shape, *(f"{number:,}" for number in numbers), _size(row.bytes))
    stdout().print(table)


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"


def _signal(name: str, init: str, seed: int, draw: str | None, how: dict[str, Any], json: bool) -> None:
    from striate import workbench

    found = workbench.signal(name, init, seed, draw, **how)
    if json:
        drawn = {} if draw is None else {"drawn": draw}
        print_json({"name": name, "init": init, "seed": seed, "signal": [row._asdict() for row in found], **drawn})
        return
    table = Table(title=f"{name}, init {init}: one forward and one backward pass at the start")
    for column in ("layer", "mean", "variance", "gradient's mean", "gradient's variance"):
        table.add_column(column, justify="left" if column == "layer" else "right", no_wrap=True)
    for row in found:
        table.add_row(row.name, *(f"{value:.3g}" for value in row[1:]))
    stdout().print(table)
    stdout().print("drawn: " + draw if draw is not None else "Add --draw FILE.svg for a picture.", markup=False)


def _catalogue(flags: dict[str, Any], json: bool) -> None:
    for flag, value in flags.items():
        if value is not None:
            raise SettingError(f"{flag} applies to one network; got no NAME. Write `striate nets NAME {flag} {value}`.")
    if json:
        print_json({"nets": [entry._asdict() for entry in catalogue.CATALOGUE]})
        return
    table = Table()
    for column in ("name", "year", "input", "parameters", "multiply-adds", "paper"):
        table.add_column(column, justify="right" if column in ("parameters", "multiply-adds") else "left")
    for entry in catalogue.CATALOGUE:
        shape = "x".join(str(side) for side in entry.input_chw)
        table.add_row(entry.name, str(entry.year), shape, f"{entry.parameters:,}", f"{entry.macs:,}", entry.paper)
    stdout().print(table)
