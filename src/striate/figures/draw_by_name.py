"""From the name of a figure to its file."""

from importlib import import_module
from pathlib import Path

from striate.base.errors import SettingError
from striate.figures.catalogue import Drawn, entry
from striate.plots import save_figure


def draw(name: str, out: Path | None = None, net: str | None = None) -> tuple[Path, Drawn]:
    """Compute a figure and draw it.

    Args:
        name: a figure of the catalogue.
        out: .svg, .png or .pdf; else figure-NAME.svg in the current folder.
        net: of `volumes`: any network that `striate nets` takes; else alexnet.

    Returns:
        the file, and what was computed.

    Raises:
        SettingError: no such figure, another ending, or a network for a figure that is of none.
        DiskError: the disk refused.

    """
    row = entry(name)
    if net is not None and name != "volumes":
        raise SettingError(f"--net belongs to the figure volumes; got {name}. Leave it out.")
    path = Path(f"figure-{name}.svg") if out is None else out
    save_figure.check_ending(path)
    drawn: Drawn = import_module(row.where).draw(path, **({} if net is None else {"net": net}))
    return path, drawn
