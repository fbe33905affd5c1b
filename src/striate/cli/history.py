"""`striate history NAME`: each subject of the history on its own task, with figures of what it did."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from striate.cli.console import documented_by, print_json, say, speaking

if TYPE_CHECKING:
    from striate.history.demonstration import Demonstration


@documented_by("striate.history.convolution.demo", "demonstrate", "KernelChoice")
def convolution(
    image: Path | None = None, /, *, kernel: str = "sobel", stride: int = 1, padding: int = 0, side: int | None = None,
    angle: float | None = None, wavelength: float | None = None, out: Path = Path("striate-history-convolution"),
    json: bool = False,
) -> None:  # fmt: skip
    """A kernel slides over an image: its map, the window step by step, the flip, volumes and weights."""
    from striate.history.convolution.demo import KernelChoice, demonstrate

    choice = KernelChoice(kernel, side, angle, wavelength)
    _print(demonstrate(image, choice, stride=stride, padding=padding, out=out), json)


@documented_by("striate.history.cells.demo", "demonstrate")
def cells(
    image: Path | None = None, /, *, orientations: int = 8, wavelength: float = 8.0, pool: int | None = None,
    out: Path = Path("striate-history-cells"), json: bool = False,
) -> None:  # fmt: skip
    """Hubel and Wiesel's simple and complex cells: tuning, fields, tolerance to shifts, modulation."""
    from striate.history.cells.demo import demonstrate

    _print(demonstrate(image, orientations=orientations, wavelength=wavelength, pool=pool, out=out), json)


@documented_by("striate.history.mcculloch_pitts.demo", "demonstrate")
def mcculloch_pitts(
    image: Path | None = None, /, *, table: str = "0110", word: str = "0110100",
    out: Path = Path("striate-history-mcculloch_pitts"), json: bool = False,
) -> None:  # fmt: skip
    """Networks of all-or-none units (1943): gates, truth tables, automata, edges of an image."""
    from striate.history.mcculloch_pitts.demo import demonstrate

    _print(demonstrate(image, table=table, word=word, out=out), json)


@documented_by("striate.history.optimal_control.demo", "demonstrate", flight="rocket, sail, both or none.")
def optimal_control(
    *, out: Path = Path("striate-history-optimal_control"), seed: int = 0, steps: int = 24,
    flight: Literal["rocket", "sail", "both", "none"] = "both", json: bool = False,
) -> None:  # fmt: skip
    """Fly to Mars by the backward pass of 1960 (Kelley, Bryson, Dreyfus), and see that residual networks have the same."""
    from striate.history.optimal_control.demo import FLIGHTS, demonstrate

    with speaking():
        result = demonstrate(out, seed, steps, {"both": FLIGHTS, "none": ()}.get(flight, (flight,)))
    _print(result, json)


@documented_by("striate.history.gmdh.demo", "demonstrate")
def gmdh(
    *, out: Path = Path("striate-history-gmdh"), seed: int = 0, keep: int = 20, components: int | None = None,
    features: str | None = None, layer: str | None = None, json: bool = False,
) -> None:  # fmt: skip
    """Grow polynomial networks layer by layer until an external criterion stops falling (Ivakhnenko 1971)."""
    from striate.history.gmdh.demo import demonstrate

    with speaking():
        result = demonstrate(out, seed, keep, components, features, layer)
    _print(result, json)


@documented_by("striate.history.rumelhart.demo", "demonstrate")
def rumelhart(*, out: Path = Path("striate-history-rumelhart"), seed: int = 0, json: bool = False) -> None:
    """Learn the tasks by which back-propagation became known (Rumelhart, Hinton & Williams 1986)."""
    from striate.history.rumelhart.demo import demonstrate

    with speaking():
        result = demonstrate(out, seed)
    _print(result, json)


@documented_by("striate.history.neocognitron.demo", "demonstrate")
def neocognitron(
    image: Path | None = None, /, *, out: Path = Path("striate-history-neocognitron"), seed: int = 0, mnist: int = 0,
    data_dir: str | None = None, json: bool = False,
) -> None:  # fmt: skip
    """Run the neocognitron: ten digits with a teacher (1988), five patterns without one (1980), and MNIST where asked."""
    from striate.history.neocognitron.demo import demonstrate

    with speaking() as watch:
        result = demonstrate(out, seed=seed, image=image, mnist=mnist, data_dir=data_dir, watch=watch)
    _print(result, json)


@documented_by(
    "striate.history.timeline.demo", "demonstrate", all_="train AlexNet, VGG, GoogLeNet and ResNet too, which takes minutes."
)
def timeline(*, out: Path = Path("striate-history-timeline"), all_: bool = False, seed: int = 0, json: bool = False) -> None:
    """Draw the line from 1943 to 2015, with what each network makes of the same digits."""
    from striate.history.timeline.demo import demonstrate

    with speaking() as watch:
        result = demonstrate(out, everything=all_, seed=seed, watch=watch)
    _print(result, json)


def _print(result: "Demonstration", json: bool) -> None:
    """The lines for people, or everything else as JSON."""
    if json:
        print_json(result.as_json())
    else:
        say([*result.lines, *(f"drawn: {path}" for path in result.files)])
