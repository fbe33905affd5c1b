"""The volumes of a network, layer by layer: as many maps as filters, and smaller maps by stride and pools."""

from pathlib import Path

from striate.base import config
from striate.figures.catalogue import FigureResult
from striate.nets import factory
from striate.nets.summary import layer_table
from striate.plots.network import architecture


def draw(path: Path, net: str = "alexnet") -> FigureResult:
    """Draw the volumes of `net`, from its layer table; a network of the catalogue, a line of layers, or file.py:Class."""
    channels, side, classes = factory.published(net)
    outline = factory.outline(net, (channels, side, side), classes, **config.build({"net": {"name": net}}).net.own())
    rows = layer_table(outline)
    architecture.draw(net, outline.input_chw, rows, path)
    shaping = [row for row in rows if row.parameters or row.output != row.input]
    parameters, macs = sum(row.parameters for row in rows), sum(row.macs for row in rows)
    lines = (
        *(f"{row.name}: {' x '.join(map(str, row.input))} -> {' x '.join(map(str, row.output))}, {row.parameters:,} parameters"
          for row in shaping),
        f"{net}: {parameters:,} parameters, {macs:,} multiply-adds for one image",
    )  # fmt: skip
    layers = [
        {"name": row.name, "input": list(row.input), "output": list(row.output), "parameters": row.parameters}
        for row in shaping
    ]
    return FigureResult(lines, {"net": net, "parameters": parameters, "macs": macs, "layers": layers})
