"""`striate nets`."""

from rich.table import Table

from striate.cli.speaking import print_json, stdout
from striate.nets import catalogue


def nets(
    name: str | None = None,
    /,
    *,
    size: int | None = None,
    channels: int | None = None,
    classes: int | None = None,
    json: bool = False,
) -> None:
    """The catalogue of networks, or one network layer by layer.

    Args:
        name: a network of the catalogue, a line of layers, or file.py:Class; nothing for the catalogue.
        size: side of the square input in pixels; else the network's own.
        channels: of the input, 1 or 3; else the network's own.
        classes: number of classes; else the network's own.
        json: print one JSON object on stdout.

    """
    if name is None:
        _catalogue({"--size": size, "--channels": channels, "--classes": classes}, json)
        return
    from striate import workbench

    rows = workbench.layers(name, size_px=size, channels=channels, classes=classes)
    parameters, macs = sum(row.parameters for row in rows), sum(row.macs for row in rows)
    if json:
        layers = [{**row._asdict(), "output": list(row.output)} for row in rows]
        print_json({"name": name, "parameters": parameters, "macs": macs, "layers": layers})
        return
    table = Table(title=f"{name}: {parameters:,} parameters, {macs:,} multiply-adds an image")
    for column in ("layer", "kind", "output", "parameters", "multiply-adds", "sees, px", "jump, px"):
        table.add_column(column, justify="left" if column in ("layer", "kind") else "right", no_wrap=True)
    for row in rows:
        shape = " x ".join(str(side) for side in row.output)
        numbers = (row.parameters, row.macs, row.receptive_field, row.jump)
        table.add_row(row.name, row.kind, shape, *(f"{number:,}" for number in numbers))
    stdout().print(table)


def _catalogue(given: dict[str, int | None], json: bool) -> None:
    from striate.base.errors import SettingError

    for flag, value in given.items():
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
