"""`striate origins cells`."""

from pathlib import Path

from striate.cli.console import print_json, say


def cells(
    image: Path | None = None, /, *, orientations: int = 8, wavelength: float = 8.0, pool: int | None = None,
    out: Path = Path("striate-origins-cells"), json: bool = False,
) -> None:  # fmt: skip
    """Hubel and Wiesel's simple and complex cells: tuning, fields, tolerance to shifts, modulation.

    Args:
        image: an image, made gray; else shapes drawn here.
        orientations: of the cells, 2 to 12.
        wavelength: of the stripes that they like best, 4 to 12 px.
        pool: how far to each side a pooled complex cell looks, 1 to 8 px; else half a wavelength.
        out: folder for the drawings.
        json: print one JSON object on stdout.

    """
    from striate.history.cells.demo import demonstrate

    found = demonstrate(image, orientations=orientations, wavelength=wavelength, pool=pool, out=out)
    lines = found.pop("lines")
    if json:
        print_json(found)
    else:
        say([*lines, *(f"drawn: {path}" for path in found["files"])])
