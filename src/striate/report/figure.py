"""Writing a matplotlib figure: the same figure gives the same bytes, and text stays text."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from striate.base import disk
from striate.base.errors import SettingError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".svg", ".png", ".pdf")


def check_ending(path: Path) -> None:
    """Refuse a path whose ending is no format of pictures, before any work is done.

    Raises:
        SettingError: with the endings that there are.

    """
    if path.suffix.lower() not in ENDINGS:
        raise SettingError(f"expected a picture's path to end in {', '.join(ENDINGS)}; got {path}.")


def save(figure: "Figure", path: Path) -> None:
    """Write a figure, whole or not at all.

    Raises:
        SettingError: the path has another ending than those of `ENDINGS`.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib import rc_context

    buffer, kind = BytesIO(), path.suffix.lower().removeprefix(".")
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "striate"}):
        figure.savefig(buffer, format=kind, dpi=150, facecolor="white", metadata=metadata)
    disk.write_bytes(path, buffer.getvalue())
