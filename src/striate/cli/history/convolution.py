"""`striate origins convolution`."""

from pathlib import Path

from striate.cli.console import print_json, say


def convolution(
    image: Path | None = None, /, *, kernel: str = "sobel", stride: int = 1, padding: int = 0, side: int | None = None,
    angle: float | None = None, wavelength: float | None = None, out: Path = Path("striate-origins-convolution"),
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
        out: folder for the drawings.
        json: print one JSON object on stdout.

    """
    from striate.history.convolution.demo import demonstrate

    found = demonstrate(
        image, kernel=kernel, stride=stride, padding=padding, side=side, angle=angle, wavelength=wavelength, out=out
    )
    lines = found.pop("lines")
    if json:
        print_json(found)
    else:
        say([*lines, *(f"drawn: {path}" for path in found["files"])])
