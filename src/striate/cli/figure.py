"""`striate figure`."""

from pathlib import Path

from striate.base.errors import SettingError
from striate.cli.console import print_json, say


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
        for flag, value in (("--net", net), ("--out", out)):
            if value is not None:
                raise SettingError(f"{flag} applies to one figure; got no NAME. Write `striate figure NAME {flag} {value}`.")
        if json:
            figures = [{"name": row.name, "shows": row.shows} for row in FIGURES]
            print_json({"figures": figures, "elsewhere": [row._asdict() for row in OTHER_COMMANDS]})
            return
        say(f"{row.name:<16}{row.shows}" for row in FIGURES)
        say(["", "drawn by other commands:"])
        say(f"{row.name:<16}{row.shows}: `{row.command}`" for row in OTHER_COMMANDS)
        return
    from striate.figures.draw_by_name import draw

    path, drawn = draw(name, out, net)
    if json:
        print_json({"name": name, **drawn.numbers, "files": [str(path)]})
    else:
        say([*drawn.lines, f"drawn: {path}"])
