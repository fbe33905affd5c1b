"""`striate figure`."""

from pathlib import Path

from striate.cli.console import print_json, refuse, say, show, speaking


def figure(
    name: str | None = None, /, *, net: str | None = None, out: Path | None = None, json: bool = False
) -> None:  # fmt: skip
    """Figures of how networks work, computed by striate's own layers; without NAME the list of them.

    Args:
        name: a figure of the list.
        net: of the figure volumes: a network of the catalogue, a line of layers, file.py:Class; else alexnet.
        out: the image's file, .svg, .png or .pdf; else figure-NAME.svg in the current folder.
        json: print one JSON object on stdout, with all numbers.

    """
    from striate.figures.catalogue import FIGURES, OTHER_COMMANDS

    if name is None:
        refuse({"--net": net, "--out": out}, "applies to one figure; got no NAME. Write `striate figure NAME {given}`.")
        if json:
            figures = [{"name": row.name, "shows": row.shows} for row in FIGURES]
            return print_json({"figures": figures, "elsewhere": [row._asdict() for row in OTHER_COMMANDS]})
        say(f"{row.name:<16}{row.shows}" for row in FIGURES)
        say(["", "drawn by other commands:"])
        return say(f"{row.name:<16}{row.shows}: `{row.command}`" for row in OTHER_COMMANDS)
    from striate.figures.draw_by_name import draw

    with speaking() as watch:
        path, drawn = draw(name, out, net, watch)
    result = {"name": name, **drawn.numbers, "files": [str(path)]}
    return show(result, json, lambda _result: [*drawn.lines, f"drawn: {path}"])
