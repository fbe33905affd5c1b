"""`striate origins rumelhart`."""

from pathlib import Path

from striate.cli.console import print_json, speaking, stdout


def rumelhart(*, out: Path = Path("striate-origins-rumelhart"), seed: int = 0, json: bool = False) -> None:
    """Learn the tasks by which back-propagation became known (Rumelhart, Hinton & Williams 1986).

    Args:
        out: folder for the images.
        seed: the first of twenty seeds of weights, and that of the facts that are held out.
        json: print one JSON object on stdout.

    """
    from striate.history.rumelhart import demo as demonstration

    with speaking():
        found = demonstration.demonstrate(out, seed)
    lines = found.pop("lines")
    if json:
        print_json(found)
    else:
        for line in lines:
            stdout().print(line, markup=False)
