"""`striate nets`."""

from collections.abc import Iterable, Iterator
from math import isfinite
from textwrap import wrap
from typing import Any

from rich.table import Table

from striate.base.errors import ShapeError
from striate.cli.console import Settings, documented_by, print_json, refuse, say, stdout
from striate.nets import catalogue


@documented_by("striate.workflows.nets", "layers")
def nets(
    name: str | None = None, /, *, size: int | None = None, channels: int | None = None, classes: int | None = None,
    set_: Settings = (), explain: str | None = None, draw: str | None = None,
    signal: bool = False, init: str | None = None, seed: int | None = None, json: bool = False,
) -> None:  # fmt: skip
    """The catalogue of networks, or one network layer by layer.

    Args:
        name: a network of the catalogue, a line of layers, file.py:Class, or timm:NAME; nothing for the catalogue.
        size: side of the square input in pixels; else the network's own, or 28.
        set_: a setting of section net, as in net.shortcut=A; may be repeated.
        explain: a layer or block whose row is worked out: conv2.
        draw: a file to draw the network into, .svg, .png or .pdf; with --signal the signal.
        signal: mean and variance of activations and gradients at the start, in place of the table.
        init: with --signal: how weights begin; else as the paper says.
        seed: with --signal: of the weights; else 0.

    """
    flags = {
        "--size": size, "--channels": channels, "--classes": classes, "--set": set_[0] if set_ else None, "--explain": explain,
        "--draw": draw, "--signal": "" if signal else None, "--init": init, "--seed": seed,
    }  # fmt: skip
    if name is None:
        _catalogue(flags, json)
        return
    from striate.base import config

    settings = config.section(config.join(*(config.setting(text) for text in set_)), "net")
    refuse({"--set net.name": settings.get("name")}, "does not apply: the network is NAME; got {!r}. Leave it out.")
    refuse({"--set net.init": settings.get("init")}, "does not apply; got {0!r}. Write --signal --init {0}.")
    how = {"size_px": size, "channels": channels, "classes": classes, "settings": settings}
    from striate.workflows import checks

    checks.check_network(name, settings if init is None else {**settings, "init": init}, draw)
    try:
        if signal:
            refuse({"--explain": explain}, "does not apply with --signal; got {!r}. Leave one of them out.")
            _signal(name, init or "paper", seed or 0, draw, how, json)
        else:
            refuse({"--init": init, "--seed": seed}, "applies with --signal alone; got {!r}. Add --signal, or leave it out.")
            _layers(name, explain, draw, how, json)
    except ShapeError as error:  # written for a training, where the side is a setting
        raise ShapeError(str(error).replace("preprocess.size_px", "--size")) from error


def _layers(name: str, layer: str | None, draw: str | None, how: dict[str, Any], json: bool) -> None:
    from striate.workflows import nets as anatomy

    rows = anatomy.layers(name, **how)
    lines = anatomy.explain(name, layer, **how) if layer is not None else ()
    drawn = {} if draw is None else {"drawn": str(anatomy.draw(name, draw, **how))}
    parameters, macs = sum(row.parameters for row in rows), sum(row.macs for row in rows)
    if json:
        layers = [{**row._asdict(), "output": list(row.output)} for row in rows]
        explained = {"explained": list(lines)} if lines else {}
        print_json({"name": name, "parameters": parameters, "macs": macs, "layers": layers, **explained, **drawn})
        return
    say(lines)
    if not lines:
        memory = _size(sum(row.bytes for row in rows))
        title = f"{name}: {parameters:,} parameters, {macs:,} multiply-adds and {memory} of activations an image"
        _print(title, {"layer": "fold", "kind": "spare"} | dict.fromkeys(_NUMBERS, "right"), map(_cells, rows))
    if draw is not None:
        say([f"drawn: {draw}"])


_NUMBERS = ("output", "parameters", "multiply-adds", "sees", "jump", "memory")


def _cells(row: Any) -> tuple[str, ...]:
    shape = " x ".join(str(side) for side in row.output)
    reach = (f"{row.receptive_field} px", f"{row.jump} px")
    return row.name, row.kind, shape, f"{row.parameters:,}", f"{row.macs:,}", *reach, _size(row.bytes)


def _size(count: int) -> str:
    if count < 2**10:
        return f"{count} B"
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"


def _print(title: str, columns: dict[str, str], rows: Iterable[tuple[str, ...]]) -> None:
    """Print a table in which nothing is cut, or plain columns where the terminal is too narrow for it.

    Args:
        title: above it; none where it is empty.
        columns: of each its heading and how a narrow terminal shows it: at the left or right; spare, left out; or fold, going
            on in the next line, of which there is one.
        rows: of cells, one for each column.

    """
    console, cells = stdout(), [tuple(columns), *rows]
    table = Table(title=title or None)
    for head, side in columns.items():
        table.add_column(head, justify="right" if side == "right" else "left", no_wrap=True)
    for row in cells[1:]:
        table.add_row(*row)
    wide = console.measure(table, options=console.options.update(width=10_000)).maximum
    if wide <= console.width or not console.is_terminal:
        console.width = max(wide, console.width)
        console.print(table)
        return
    if title:
        console.print(title)
    console.print("\n".join(_narrow(cells, tuple(columns.values()), console.width)), soft_wrap=True)


def _narrow(rows: list[tuple[str, ...]], sides: tuple[str, ...], width: int) -> Iterator[str]:
    widths = [
        0 if side == "spare" else max(map(len, cells)) for side, cells in zip(sides, zip(*rows, strict=True), strict=True)
    ]
    fold, gaps = sides.index("fold"), 2 * (sum(side != "spare" for side in sides) - 1)
    widths[fold] = min(widths[fold], max(10, width - gaps - sum(widths) + widths[fold]))
    for row in rows:
        for number, part in enumerate(wrap(row[fold], widths[fold])):
            line = (part if column == fold else cell if number == 0 else "" for column, cell in enumerate(row))
            placed = zip(line, widths, sides, strict=True)
            yield "  ".join(
                cell.rjust(room) if side == "right" else cell.ljust(room) for cell, room, side in placed if side != "spare"
            ).rstrip()


def _signal(name: str, init: str, seed: int, draw: str | None, how: dict[str, Any], json: bool) -> None:
    from striate.workflows import nets as anatomy

    signals = anatomy.signal(name, init, seed, draw, **how)
    if json:
        rows = [
            {key: None if isinstance(value, float) and not isfinite(value) else value for key, value in row._asdict().items()}
            for row in signals
        ]
        drawn = {} if draw is None else {"drawn": draw}
        print_json({"name": name, "init": init, "seed": seed, "signal": rows, **drawn})
        return
    heads = dict.fromkeys(("mean", "variance", "gradient mean", "gradient variance"), "right")
    title = f"{name}, init {init}: one forward and one backward pass at the start, for images from N(0, 1)"
    _print(title, {"layer": "fold"} | heads, ((row.name, *(f"{value:.3g}" for value in row[1:])) for row in signals))
    say([f"drawn: {draw}" if draw is not None else "Add --draw FILE.svg for an image."])


def _catalogue(flags: dict[str, Any], json: bool) -> None:
    refuse(flags, "applies to one network; got no NAME. Write `striate nets NAME {given}`.")
    if json:
        old = [network._asdict() for network in catalogue.HISTORICAL]
        return print_json({"nets": [entry._asdict() for entry in catalogue.CATALOGUE], "historical": old})
    columns = dict.fromkeys(("name", "year", "input"), "left")
    columns |= dict.fromkeys(("parameters", "multiply-adds"), "right") | {"paper": "fold"}
    rows = (
        (
            entry.name, str(entry.year), "x".join(str(side) for side in entry.input_chw), f"{entry.parameters:,}",
            f"{entry.macs:,}", entry.paper,
        )
        for entry in catalogue.CATALOGUE
    )  # fmt: skip
    _print("", columns, rows)
    sides = {"name": "left", "year": "left", "kind": "left", "learns": "left", "paper": "fold"}
    rest = ((net.name, str(net.year), net.kind, net.learns, net.paper) for net in catalogue.HISTORICAL)
    title = "before back-propagation took over: `striate history NAME` runs each, --net takes the classifiers"
    return _print(title, sides, rest)
