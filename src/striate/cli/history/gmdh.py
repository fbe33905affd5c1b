"""`striate origins gmdh`."""

from pathlib import Path

from striate.cli.console import print_json, speaking, stdout


def gmdh(
    *,
    out: Path = Path("striate-origins-gmdh"),
    seed: int = 0,
    keep: int = 20,
    components: int | None = None,
    features: str | None = None,
    tap: str | None = None,
    json: bool = False,
) -> None:
    """Grow polynomial networks layer by layer until an external criterion stops falling (Ivakhnenko 1971).

    Args:
        out: folder for the images.
        seed: of the noise on the rows that show overfitting.
        keep: the most elements that a layer keeps, on the digits.
        components: PCA coordinates of the digits that the networks get; else 20.
        features: NET@WEIGHTS, as resnet20@cifar10, whose features they get in their place.
        tap: the layer that these are read from; else the input of its head.
        json: print one JSON object on stdout.

    """
    from striate.history.gmdh import demo as demonstration

    with speaking():
        found = demonstration.demonstrate(out, seed, keep, components, features, tap)
    lines = found.pop("lines")
    if json:
        print_json(found)
    else:
        for line in lines:
            stdout().print(line, markup=False)
