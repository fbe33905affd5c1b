"""Convolution on an image: kernels and their maps, the window step by step, the flip, volumes and weights by the formulas."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError, SettingError, nearest
from striate.history.convolution import model as conv
from striate.history.convolution.plots import Walk, walks, weight, weights
from striate.history.demonstration import Demonstration
from striate.history.sample_images import gray
from striate.plots.image_panels import Panel, draw_rows

Floats = NDArray[np.float64]
NAMES = ("mean", "sobel", "gabor")
_MOST_PX, _MOST_SIDE, _MOST_BYTES = 512, 31, 2**20
_PATCH = 5  # pixels of the side of what the window is shown on
_WALKS = ((1, 0), (2, 0), (1, 1), (2, 1))  # stride, padding
# Three arrays without symmetry, of small whole numbers, so that equal is equal
_A: Floats = np.array([[1.0, 2], [3, 5]])
_B: Floats = np.array([[0.0, 1, 4], [2, 0, 1], [7, 1, 0]])
_C: Floats = np.array([[2.0, 0, 1], [1, 3, 0]])
_COUNTING: Floats = np.arange(1.0, 10).reshape(3, 3)


class KernelChoice(NamedTuple):
    """A kernel by name or of a file, with what belongs to some names; None for what was not given.

    Args:
        kernel: mean, sobel, gabor, or a FILE: rows of numbers as text or CSV, or .npy.
        side: of mean (else 3) and gabor (else 11), odd.
        angle: of gabor, in degrees (else 45); 0 has upright stripes.
        wavelength: of gabor, in pixels (else 6).

    """

    kernel: str = "sobel"
    side: int | None = None
    angle: float | None = None
    wavelength: float | None = None


_SOBEL = KernelChoice()


def demonstrate(
    image: Path | None = None, choice: KernelChoice = _SOBEL, *, stride: int = 1, padding: int = 0, out: Path
) -> Demonstration:
    """Slide a kernel over an image and draw it.

    Args:
        image: an image, made gray; else shapes drawn here.
        choice: of the kernel.
        stride: pixels from one window to the next.
        padding: rows and columns of zeros on each side.
        out: folder for the figures.

    """
    kernels = _kernels(choice)
    sample = gray(image, _MOST_PX)
    levels_HW = sample.levels_HW
    maps = {name: conv.feature_map(levels_HW, weights_FG, stride, padding) for name, weights_FG in kernels.items()}
    if choice.kernel == "sobel":
        maps["magnitude"] = np.hypot(*maps.values())
    files = {name: out / f"{name}.png" for name in ("map", "steps", "flip", "weights")}
    first, kernel_FG = next(iter(kernels.items()))
    above = [Panel(f"kernel {name}", weights_FG, weight) for name, weights_FG in kernels.items()]
    above = [Panel(sample.description, levels_HW), *above]
    below = [Panel(f"map of {name}: {_sides(map_YX.shape)}", map_YX) for name, map_YX in maps.items()]
    rows = [above, below] if len(kernels) > 1 else [above + below]
    draw_rows(f"{sample.description}: what is seen with stride {stride} and padding {padding}", rows, files["map"])
    numbers = {
        "image": sample.description, "image_hw": levels_HW.shape, "stride": stride, "padding": padding,
        "kernels": {name: weights_FG.tolist() for name, weights_FG in kernels.items()},
        "maps": {
            name: {"hw": map_YX.shape, "least": float(map_YX.min()), "most": float(map_YX.max()), "mean": float(map_YX.mean())}
            for name, map_YX in maps.items()
        },
        "steps": _draw_walks(levels_HW, kernel_FG, first, files["steps"]),
        "flip": _flip(levels_HW, first, kernel_FG, stride, padding, files["flip"]),
        "weights": _weights(files["weights"]),
    }  # fmt: skip
    return Demonstration(numbers, _lines(numbers), [*files.values()])


def _sides(hw: tuple[int, ...]) -> str:
    return " x ".join(map(str, hw))


def _kernels(choice: KernelChoice) -> dict[str, Floats]:
    """The kernels of a name, or that of a file."""
    kernel, given_side, angle, wavelength = choice
    allowed = {"mean": ("side",), "gabor": choice._fields}.get(kernel, ())
    for name, value in zip(choice._fields[1:], choice[1:], strict=True):
        if value is not None and name not in allowed:
            names = "gabor and mean" if name == "side" else "gabor"
            raise SettingError(f"--{name} belongs to --kernel {names}; got --kernel {kernel}. Leave it out.")
    side = given_side or (11 if kernel == "gabor" else 3)
    if given_side is not None and not (1 <= given_side <= _MOST_SIDE and given_side % 2):
        raise SettingError(f"expected --side odd and from 1 to {_MOST_SIDE}, so that there is a middle; got {given_side}.")
    if kernel == "mean":
        return {f"mean {side} x {side}": conv.mean(side)}
    if kernel == "sobel":
        return {"sobel x": conv.SOBEL_X, "sobel y": conv.SOBEL_Y}
    if kernel == "gabor":
        wavelength = 6.0 if wavelength is None else wavelength
        degrees = 45.0 if angle is None else angle
        if not (wavelength >= 2 and side >= 3 and np.isfinite([wavelength, degrees]).all()):
            raise SettingError(
                f"expected --wavelength of at least 2 px, a --side of at least 3 and a finite --angle; "
                f"got {wavelength:g}, {side} and {degrees:g}."
            )
        return {f"gabor {wavelength:g} px, {degrees:g}°": conv.gabor(side, wavelength, degrees)}
    return {Path(kernel).name: read_kernel(Path(kernel))}


def read_kernel(path: Path) -> Floats:
    """The matrix of a file: rows of numbers, parted by blanks or commas, or .npy without pickle; else DataError."""
    expected = f"expected a matrix of numbers, at most {_MOST_SIDE} x {_MOST_SIDE}, in {path}"
    if not path.is_file():
        hint = nearest(path.name, NAMES)
        raise DataError(f"expected --kernel {', '.join(NAMES)} or a file; there is no file {str(path)!r}; {hint}")
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{expected}; got {path.stat().st_size:,} bytes.")
        if path.suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            rows = [line.replace(",", " ").split() for line in path.read_text("utf-8-sig").splitlines()]
            lengths = list(dict.fromkeys(len(row) for row in rows if row))
            if len(lengths) > 1:
                raise DataError(f"{expected}; got rows of {lengths[0]} and {lengths[1]} numbers.")
            values = np.array([[float(word) for word in row] for row in rows if row])
    except (ValueError, OSError, EOFError, MemoryError) as error:
        raise DataError(f"{expected}; got: {' '.join(str(error).split())[:150]}.") from error
    if not isinstance(values, np.ndarray) or values.ndim != 2 or not values.size or max(values.shape) > _MOST_SIDE:
        raise DataError(f"{expected}; got the shape {getattr(values, 'shape', None)}.")
    if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise DataError(f"{expected}; got {'what is not finite' if values.dtype.kind == 'f' else values.dtype}.")
    return values.astype(float)


def _draw_walks(levels_HW: Floats, kernel_FG: Floats, name: str, path: Path) -> dict[str, Any]:
    """The window on a patch of the image, in whole numbers from 0 to 9, where most happens."""
    if max(kernel_FG.shape) > 3:  # nine products can be read
        kernel_FG, name = conv.SOBEL_X, "sobel x"
    patch_HW = _liveliest(np.rint(9 * levels_HW), kernel_FG)
    rows = []
    for stride, padding in _WALKS:
        steps = conv.steps(patch_HW, kernel_FG, stride, padding)
        map_YX = conv.feature_map(patch_HW, kernel_FG, stride, padding)
        rows.append(Walk(stride, padding, np.pad(patch_HW, padding), [steps[0], steps[1], steps[-1]], map_YX))
    written = " / ".join(" ".join(map(weight, row)) for row in kernel_FG)
    walks(f"{name} ({written}) on {_sides(patch_HW.shape)} pixels of the image, in levels from 0 to 9", kernel_FG, rows, path)
    maps = [{"stride": row.stride, "padding": row.padding, "map": row.map_YX.tolist()} for row in rows]
    return {"kernel": name, "patch": patch_HW.tolist(), "maps": maps}


def _liveliest(levels_HW: Floats, kernel_FG: Floats) -> Floats:
    """The patch on which the map varies most; an image smaller than a patch is set into one of zeros."""
    padded_HW = np.pad(levels_HW, [(0, max(0, _PATCH - side)) for side in levels_HW.shape])
    map_sides = [_PATCH - side + 1 for side in kernel_FG.shape]  # of the map of a patch
    windows = np.lib.stride_tricks.sliding_window_view(conv.feature_map(padded_HW, kernel_FG), map_sides)
    row, column = np.unravel_index(windows.var(axis=(2, 3)).argmax(), windows.shape[:2])
    return padded_HW[row : row + _PATCH, column : column + _PATCH]


def _flip(levels_HW: Floats, name: str, kernel_FG: Floats, stride: int, padding: int, path: Path) -> dict[str, Any]:
    """Both on a dot, where convolution gives the kernel as it is written; and both on the image."""
    dot_HW = np.zeros((5, 5))
    dot_HW[2, 2] = 1
    correlated, convolved = (conv.feature_map(levels_HW, kernel_FG, stride, padding, flip) for flip in (False, True))
    of_dot = [conv.feature_map(dot_HW, _COUNTING, padding=1, flip=flip) for flip in (False, True)]
    rows = [
        [
            Panel("a dot", dot_HW, weight), Panel("a kernel without symmetry", _COUNTING, weight),
            Panel("cross-correlation: turned round", of_dot[0], weight), Panel("convolution: the kernel", of_dot[1], weight),
        ],
        [
            Panel("the image", levels_HW), Panel(f"kernel {name}", kernel_FG, weight), Panel("cross-correlation", correlated),
            Panel("convolution", convolved),
        ],
    ]  # fmt: skip
    title = "Cross-correlation, which networks compute, and convolution, which turns the kernel by half a turn first"
    draw_rows(title, rows, path)
    kinds = {"convolution": partial(conv.everywhere, flip=True), "cross_correlation": partial(conv.everywhere, flip=False)}
    return {
        "kernel_is_its_mirror_image": bool(np.allclose(kernel_FG, kernel_FG[::-1, ::-1], rtol=0, atol=1e-12)),
        "largest_difference": _apart(correlated, convolved),
        "commutes": {kind: _apart(both(_A, _B), both(_B, _A)) for kind, both in kinds.items()},
        "associates": {kind: _apart(both(both(_A, _B), _C), both(_A, both(_B, _C))) for kind, both in kinds.items()},
    }


def _apart(first: Floats, second: Floats) -> float:
    return float(np.abs(first - second).max())


def _weights(path: Path) -> dict[str, Any]:
    alexnet, slow, fast = conv.cost(227, 3, 11, 96, stride=4), conv.cost(227, 3, 5, 1), conv.cost(227, 3, 5, 1, stride=4)
    small, large = conv.fully_connected(32, 3), conv.fully_connected(200, 3)
    counts = {
        "a kernel of 5 x 5 x 3 and its bias": slow.shared,
        "a neuron that sees 32 x 32 x 3": small,
        "AlexNet's first layer, shared": alexnet.shared,
        "a neuron that sees 200 x 200 x 3": large,
        "AlexNet's first layer, unshared": alexnet.unshared,
    }
    weights("How many weights: sharing them, and seeing a window instead of all", counts, path)
    return {
        "fully_connected": {"32x32x3": small, "200x200x3": large},
        "alexnet_conv1": alexnet._asdict(),
        "5x5x3": {"stride_1": slow._asdict(), "stride_4": fast._asdict()},
    }


def _lines(result: dict[str, Any]) -> list[str]:
    height, width = result["image_hw"]
    lines = [f"{result['image']}: {height} x {width}, stride {result['stride']}, padding {result['padding']}"]
    lines += [
        f"map of {name}: {_sides(row['hw'])}, from {row['least']:.3f} to {row['most']:.3f}, "
        f"mean {round(row['mean'], 3) + 0.0:.3f}"
        for name, row in result["maps"].items()
    ]
    flip, full = result["flip"], result["weights"]["fully_connected"]
    alexnet, five = result["weights"]["alexnet_conv1"], result["weights"]["5x5x3"]
    apart = f"differ by up to {flip['largest_difference']:.4g}"
    same = "are the same: the kernel is its own mirror image" if flip["kernel_is_its_mirror_image"] else apart
    return [
        *lines,
        f"convolution and cross-correlation with it {same}",
        f"a * b against b * a: convolution differs by {flip['commutes']['convolution']:g}, cross-correlation by "
        f"{flip['commutes']['cross_correlation']:g}",
        f"(a * b) * c against a * (b * c): convolution differs by {flip['associates']['convolution']:g}, cross-correlation by "
        f"{flip['associates']['cross_correlation']:g}",
        f"a fully connected neuron: {full['32x32x3']:,} weights on 32 x 32 x 3, {full['200x200x3']:,} on 200 x 200 x 3: "
        "quadratic in the side",
        f"AlexNet's first layer: floor((227 - 11) / 4) + 1 = {alexnet['side']}; {alexnet['neurons']:,} neurons; "
        f"{alexnet['shared']:,} weights shared, {alexnet['unshared']:,} unshared",
        f"a kernel of 5 x 5 x 3 has {five['stride_1']['shared']} weights with its bias at stride 1 and "
        f"{five['stride_4']['shared']} at stride 4; its map on 227 pixels has a side of {five['stride_1']['side']} and "
        f"{five['stride_4']['side']}",
    ]
