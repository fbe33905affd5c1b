"""`striate history NAME`: each subject of the history on its own task, with figures of what it did."""

from pathlib import Path
from typing import Any, Literal

from striate.cli.console import print_json, say, speaking


def convolution(
    image: Path | None = None, /, *, kernel: str = "sobel", stride: int = 1, padding: int = 0, side: int | None = None,
    angle: float | None = None, wavelength: float | None = None, out: Path = Path("striate-history-convolution"),
    json: bool = False,
) -> None:  # fmt: skip
    """A kernel slides over an image: its map, the window step by step, the flip, volumes and weights.

    Args:
        image: an image, made gray; else shapes drawn here.
        kernel: mean, sobel, gabor, or a FILE: rows of numbers as text or CSV, or .npy.
        stride: pixels from one window to the next.
        padding: rows and columns of zeros on each side.
        side: of mean (else 3) and gabor (else 11), odd.
        angle: of gabor, in degrees (else 45); 0 has upright stripes.
        wavelength: of gabor, in pixels (else 6).
        out: folder for the figures.
        json: print one JSON object on stdout.

    """
    from striate.history.convolution.demo import demonstrate

    result = demonstrate(
        image, kernel=kernel, stride=stride, padding=padding, side=side, angle=angle, wavelength=wavelength, out=out
    )
    _print(result, json)


def cells(
    image: Path | None = None, /, *, orientations: int = 8, wavelength: float = 8.0, pool: int | None = None,
    out: Path = Path("striate-history-cells"), json: bool = False,
) -> None:  # fmt: skip
    """Hubel and Wiesel's simple and complex cells: tuning, fields, tolerance to shifts, modulation.

    Args:
        image: an image, made gray; else shapes drawn here.
        orientations: of the cells, 2 to 12.
        wavelength: of the stripes that they like best, 4 to 12 px.
        pool: how far to each side a pooled complex cell looks, 1 to 8 px; else half a wavelength.
        out: folder for the figures.
        json: print one JSON object on stdout.

    """
    from striate.history.cells.demo import demonstrate

    result = demonstrate(image, orientations=orientations, wavelength=wavelength, pool=pool, out=out)
    _print(result, json)


def mcculloch_pitts(
    image: Path | None = None, /, *, table: str = "0110", word: str = "0110100",
    out: Path = Path("striate-history-mcculloch_pitts"), json: bool = False,
) -> None:  # fmt: skip
    """Networks of all-or-none units (1943): gates, truth tables, automata, edges of an image.

    Args:
        image: an image whose edges are found; else shapes drawn here.
        table: the truth table that is compiled: 2 to 32 values of 0 and 1 in counting order; 0110 is XOR.
        word: of 0 and 1, that three automata read.
        out: folder for the figures.
        json: print one JSON object on stdout.

    """
    from striate.history.mcculloch_pitts.demo import demonstrate

    result = demonstrate(image, table=table, word=word, out=out)
    _print(result, json)


def optimal_control(
    *,
    out: Path = Path("striate-history-optimal_control"),
    seed: int = 0,
    steps: int = 24,
    flight: Literal["rocket", "sail", "both", "none"] = "both",
    json: bool = False,
) -> None:
    """Fly to Mars by the backward pass of 1960 (Kelley, Bryson, Dreyfus), and see that residual networks have the same.

    Args:
        out: folder for the figures.
        seed: of the residual network's weights.
        steps: of a flight; more are slower and nearer to the best time.
        flight: rocket, sail, both or none.
        json: print one JSON object on stdout.

    """
    from striate.history.optimal_control import demo

    fly = {"both": demo.FLIGHTS, "none": ()}.get(flight, (flight,))
    with speaking():
        result = demo.demonstrate(out, seed, steps, fly)
    _print(result, json)


def gmdh(
    *,
    out: Path = Path("striate-history-gmdh"),
    seed: int = 0,
    keep: int = 20,
    components: int | None = None,
    features: str | None = None,
    layer: str | None = None,
    json: bool = False,
) -> None:
    """Grow polynomial networks layer by layer until an external criterion stops falling (Ivakhnenko 1971).

    Args:
        out: folder for the figures.
        seed: of the noise on the rows that show overfitting.
        keep: the most elements that a layer keeps, on the digits.
        components: PCA coordinates of the digits that the networks get; else 20.
        features: NET@WEIGHTS, as resnet20@cifar10, whose features they get in their place.
        layer: the layer that these are read from; else the input of its head.
        json: print one JSON object on stdout.

    """
    from striate.history.gmdh import demo

    with speaking():
        result = demo.demonstrate(out, seed, keep, components, features, layer)
    _print(result, json)


def rumelhart(*, out: Path = Path("striate-history-rumelhart"), seed: int = 0, json: bool = False) -> None:
    """Learn the tasks by which back-propagation became known (Rumelhart, Hinton & Williams 1986).

    Args:
        out: folder for the figures.
        seed: the first of twenty seeds of weights, and that of the facts that are held out.
        json: print one JSON object on stdout.

    """
    from striate.history.rumelhart import demo

    with speaking():
        result = demo.demonstrate(out, seed)
    _print(result, json)


def neocognitron(
    image: Path | None = None,
    /,
    *,
    out: Path = Path("striate-history-neocognitron"),
    seed: int = 0,
    mnist: int = 0,
    data_dir: str | None = None,
    json: bool = False,
) -> None:
    """Run the neocognitron: ten digits with a teacher (1988), five patterns without one (1980), and MNIST where asked.

    Args:
        image: an image of a digit to ask the network of 1988 about.
        out: folder for the figures.
        seed: of the first of six networks that learn without a teacher.
        mnist: let a network organize itself on so many training images of MNIST, and test it on the 10,000 others.
        data_dir: where MNIST lies, in a folder mnist; else it is looked for in $STRIATE_DATA, or downloaded.
        json: print one JSON object on stdout.

    """
    from striate.history.neocognitron.demo import demonstrate

    with speaking() as watch:
        result = demonstrate(out, seed=seed, image=image, mnist=mnist, data_dir=data_dir, watch=watch)
    _print(result, json)


def timeline(*, out: Path = Path("striate-history-timeline"), all_: bool = False, seed: int = 0, json: bool = False) -> None:
    """Draw the line from 1943 to 2015, with what each network makes of the same digits.

    Args:
        out: folder for the figure and the runs, which are used again.
        all_: train AlexNet, VGG, GoogLeNet and ResNet too, which takes minutes.
        seed: of the trainings.
        json: print one JSON object on stdout.

    """
    from striate.history.timeline import demo

    with speaking() as watch:
        result = demo.demonstrate(out, everything=all_, seed=seed, watch=watch)
    _print(result, json)


def _print(result: dict[str, Any], json: bool) -> None:
    """The lines for people, or everything else as JSON."""
    lines = result.pop("lines")
    if json:
        print_json(result)
    else:
        say([*lines, *(f"drawn: {path}" for path in result["files"])])
