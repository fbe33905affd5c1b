"""`striate origins timeline`."""

from pathlib import Path

from striate.cli.console import print_json, say, speaking


def timeline(*, out: Path = Path("striate-origins-timeline"), all_: bool = False, seed: int = 0, json: bool = False) -> None:
    """Draw the line from 1943 to 2015, with what each network makes of the same digits.

    Args:
        out: folder for the image and the runs, which are used again.
        all_: train AlexNet, VGG, GoogLeNet and ResNet too, which takes minutes.
        seed: of the trainings.
        json: print one JSON object on stdout.

    """
    from striate.history.timeline import demo as demonstration

    with speaking() as watch:
        found = demonstration.demonstrate(out, everything=all_, seed=seed, watch=watch)
    lines = found.pop("lines")
    if json:
        print_json(found)
    else:
        say(lines)
