"""`striate origins neocognitron`."""

from pathlib import Path

from striate.cli.console import print_json, speaking, stdout


def neocognitron(
    image: Path | None = None,
    /,
    *,
    out: Path = Path("striate-origins-neocognitron"),
    seed: int = 0,
    mnist: int = 0,
    data_dir: str | None = None,
    json: bool = False,
) -> None:
    """Run the neocognitron: ten digits with a teacher (1988), five patterns without one (1980), and MNIST where asked.

    Args:
        image: an image of a digit to ask the network of 1988 about.
        out: the folder for its images.
        seed: of the first of six networks that learn without a teacher.
        mnist: let a network organize itself on so many training images of MNIST, and test it on the 10,000 others.
        data_dir: where MNIST lies, in a folder mnist; else it is looked for in $STRIATE_DATA, or downloaded.
        json: print one JSON object on stdout.

    """
    from striate.history.neocognitron.demo import demonstrate

    with speaking() as watch:
        found = demonstrate(out, seed=seed, image=image, mnist=mnist, data_dir=data_dir, watch=watch)
    if json:
        print_json(found)
        return
    for line in (*found["lines"], *(f"drawn: {path}" for path in found["files"])):
        stdout().print(line, markup=False)
