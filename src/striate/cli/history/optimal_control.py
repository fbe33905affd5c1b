"""`striate origins optimal_control`."""

from pathlib import Path
from typing import Literal

from striate.cli.console import print_json, speaking, stdout


def optimal_control(
    *,
    out: Path = Path("striate-origins-optimal_control"),
    seed: int = 0,
    steps: int = 24,
    flight: Literal["rocket", "sail", "both", "none"] = "both",
    json: bool = False,
) -> None:
    """Fly to Mars by the backward pass of 1960 (Kelley, Bryson, Dreyfus), and see that residual networks have the same.

    Args:
        out: folder for the images.
        seed: of the residual network's weights.
        steps: of a flight; more are slower and nearer to the best time.
        flight: rocket, sail, both or none.
        json: print one JSON object on stdout.

    """
    from striate.history.optimal_control import demo as demonstration

    fly = {"both": demonstration.FLIGHTS, "none": ()}.get(flight, (flight,))
    with speaking():
        found = demonstration.demonstrate(out, seed, steps, fly)
    lines = found.pop("lines")
    if json:
        print_json(found)
    else:
        for line in lines:
            stdout().print(line, markup=False)
