"""`striate origins mcculloch_pitts`."""

from pathlib import Path

from striate.cli.console import print_json, say


def mcculloch_pitts(
    image: Path | None = None, /, *, table: str = "0110", word: str = "0110100",
    out: Path = Path("striate-origins-mcculloch_pitts"), json: bool = False,
) -> None:  # fmt: skip
    """Networks of all-or-none units (1943): gates, truth tables, automata, edges of an image.

    Args:
        image: an image whose edges are found; else shapes drawn here.
        table: the truth table that is compiled: 2 to 32 values of 0 and 1 in counting order; 0110 is XOR.
        word: of 0 and 1, that three automata read.
        out: folder for the drawings.
        json: print one JSON object on stdout.

    """
    from striate.history.mcculloch_pitts.demo import demonstrate

    found = demonstrate(image, table=table, word=word, out=out)
    lines = found.pop("lines")
    if json:
        print_json(found)
    else:
        say([*lines, *(f"drawn: {path}" for path in found["files"])])
