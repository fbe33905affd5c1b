"""A network as a strip of volumes, drawn to the scale of `striate nets NET --draw`, with the layers that belong to each."""

from collections.abc import Sequence
from typing import Any

from striate.lab.models import Loaded
from striate.lab.views import Json


def rows_of(loaded: Loaded) -> Sequence[Any]:
    """The rows of the layer table whose outputs are maps or units; computed once."""
    if "rows" not in loaded.known:
        from striate.nets.summary import layer_table

        by_name = {row.name: row for row in layer_table(loaded.model.net) if len(row.output) in (1, 3)}
        loaded.known["rows"] = tuple(by_name.values())
    rows: Sequence[Any] = loaded.known["rows"]
    return rows


def network(loaded: Loaded) -> Json:
    """What is shown of a network before any layer is chosen."""
    from striate.plots.canvas import CATEGORY_COLORS
    from striate.plots.network.layout import read
    from striate.plots.network.volumes import boxes_of

    net, rows = loaded.model.net, rows_of(loaded)
    stages = read(net.input_chw, rows)
    members = _members([stage.names for stage in stages], [row.name for row in rows])
    boxes = [
        {
            "names": list(box.stage.names), "category": box.stage.category, "shape": list(box.stage.shape),
            "window": box.stage.window, "color": CATEGORY_COLORS[box.stage.category], "thick": box.thick, "high": box.high,
            "back": list(box.back), "layers": layers,
        }
        for box, layers in zip(boxes_of(stages), members, strict=True)
    ]  # fmt: skip
    table = [
        {"name": row.name, "kind": row.kind, "output": list(row.output), "parameters": row.parameters, "macs": row.macs}
        for row in rows
    ]
    return {
        "kind": loaded.choice.kind, "source": loaded.source, "net": loaded.model.net_name, "input": list(net.input_chw),
        "classes": len(loaded.model.classes), "parameters": sum(row.parameters for row in rows),
        "macs": sum(row.macs for row in rows), "head": net.head_name, "boxes": boxes, "layers": table,
    }  # fmt: skip


def _members(stages: Sequence[tuple[str, ...]], names: Sequence[str]) -> list[list[str]]:
    """The layers of each stage, in order: what it is named after, and what follows up to the next one.

    >>> _members([("input",), ("conv1",), ("b1", "b2")], ["conv1", "relu1", "b1.conv", "b1.relu", "b2.conv"])
    [[], ['conv1', 'relu1'], ['b1.conv', 'b1.relu', 'b2.conv']]
    """
    members, place = [list[str]() for _ in stages], 0
    shared = names[0].partition(".")[0] + "."
    prefix = shared if all(name.startswith(shared) or name == shared[:-1] for name in names) else ""
    for name in names:
        own = name.removeprefix(prefix)
        later = range(place, len(stages))
        place = next((at for at in later if any(own == stage or own.startswith(f"{stage}.") for stage in stages[at])), place)
        members[max(place, 1)].append(name)
    return members
