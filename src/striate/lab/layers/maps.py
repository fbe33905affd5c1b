"""The maps of a layer as a page draws them: levels of 0 to 255 on one scale, reduced where they are larger than a tile.

Legend: U units, H x W places.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.lab.layers.outline import rows_of
from striate.lab.layers.passes import Pass
from striate.lab.models import Loaded
from striate.lab.views import Json

SHOWN = 64  # units at a time
SIDE = 64  # of a tile, at most


def values_UHW(tensor: Any) -> NDArray[np.float32]:
    """The output of a layer for one image; numbers without places have one."""
    array: NDArray[np.float32] = tensor[0].float().cpu().numpy()
    return array if array.ndim == 3 else array.reshape(-1, 1, 1)


def layer(loaded: Loaded, passed: Pass, name: str, first: int) -> Json:
    """The maps of a layer from unit `first` on, numbers of each, and what its places see of the image."""
    maps_UHW = values_UHW(passed.outputs[name])
    shown_UHW = maps_UHW[first : first + SHOWN]
    low, high = float(maps_UHW.min()), float(maps_UHW.max())
    step = -(-max(maps_UHW.shape[1:]) // SIDE)
    small_UHW = _reduced(shown_UHW, step)
    size = max(abs(low), abs(high)) or 1.0
    shares = small_UHW / size * 127 + 128 if low < 0 else small_UHW / size * 255
    places = shown_UHW.reshape(len(shown_UHW), -1)
    width, mean_U = maps_UHW.shape[2], places.mean(axis=1)
    units = [
        {
            "unit": first + u, "max": float(values.max()), "mean": float(mean_U[u]), "zeros": float((values == 0).mean()),
            "largest": divmod(int(values.argmax()), width), "average": divmod(int(np.abs(values - mean_U[u]).argmin()), width),
        }
        for u, values in enumerate(places)
    ]  # fmt: skip
    return {
        "name": name, "shape": list(maps_UHW.shape), "first": first, "step": step, "low": low, "high": high,
        "levels": np.clip(np.round(shares), 0, 255).astype(np.uint8), "units": units, "windows": windows(loaded, name),
        "largest_unit": int(maps_UHW.max(axis=(1, 2)).argmax()),
    }  # fmt: skip


def _reduced(maps_UHW: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Means of squares of `step` places a side; what is left over at the right and below makes smaller ones."""
    if step == 1:
        return maps_UHW
    rows, columns = (np.arange(0, side, step) for side in maps_UHW.shape[1:])
    sums = np.add.reduceat(np.add.reduceat(maps_UHW, rows, axis=1), columns, axis=2)
    heights, widths = (np.diff([*starts, side]) for starts, side in zip((rows, columns), maps_UHW.shape[1:], strict=True))
    reduced: NDArray[np.float32] = sums / (heights[:, None] * widths)
    return reduced


def windows(loaded: Loaded, name: str) -> Json:
    """From which to before which row and column of the image each place of a layer sees; found once for all layers."""
    if "windows" not in loaded.known:
        from striate.nets import receptive_field

        names = tuple(row.name for row in rows_of(loaded))
        loaded.known["windows"] = receptive_field.windows(loaded.model.net, names)
    seen = loaded.known["windows"][name]
    return {"tops": seen.tops_H, "bottoms": seen.bottoms_H, "lefts": seen.lefts_W, "rights": seen.rights_W}


def place_of(shape: tuple[int, ...], row: Any, column: Any) -> tuple[int, int]:
    """A place of a layer of this output, H x W or none; SettingError for one outside."""
    from striate.base.errors import SettingError

    sides = (*shape[1:], 1, 1)[:2]
    for value, side, what in zip((row, column), sides, ("row", "column"), strict=True):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < side:
            raise SettingError(f"expected a {what} from 0 to {side - 1}; got {str(value)[:40]}.")
    return row, column
