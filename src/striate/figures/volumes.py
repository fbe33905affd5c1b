"""The volumes of a network, layer by layer: as many maps as filters, and smaller maps by stride and pools."""

from pathlib import Path

from striate.figures.catalogue import Drawn
from striate.workflows import nets


def draw(path: Path, net: str = "alexnet") -> Drawn:
    """Draw the volumes of `net`, from its layer table.

    Args:
        path: .svg, .png or .pdf.
        net: a network of the catalogue, a line of layers, or file.py:Class.

    Raises:
        SettingError: no such network.

    """
    rows = nets.layers(net)
    nets.draw(net, path)
    shaping = [row for row in rows if row.parameters or row.output != row.input]
    parameters, macs = sum(row.parameters for row in rows), sum(row.macs for row in rows)
    lines = [
        f"{row.name}: {' x '.join(map(str, row.input))} -> {' x '.join(map(str, row.output))}, {row.parameters:,} parameters"
        for row in shaping
    ]
    layers = [
        {"name": row.name, "input": list(row.input), "output": list(row.output), "parameters": row.parameters}
        for row in shaping
    ]
    return Drawn(
        (*lines, f"{net}: {parameters:,} parameters, {macs:,} multiply-adds for one image"),
        {"net": net, "parameters": parameters, "macs": macs, "layers": layers},
    )
