"""From the name of a figure to its file."""

from importlib import import_module
from pathlib import Path

from striate.base.errors import SettingError
from striate.base.events import Watch, quiet
from striate.figures.catalogue import FigureResult, entry
from striate.nets import catalogue
from striate.plots import save_figure


def draw(name: str, out: Path | None = None, net: str | None = None, watch: Watch = quiet) -> tuple[Path, FigureResult]:
    """Compute a figure of the catalogue and draw it; its file, and what was computed.

    Args:
        name: of the figure.
        out: .svg, .png or .pdf; else figure-NAME.svg in the current folder.
        net: of `volumes` alone: any network that `striate nets` takes; else alexnet.
        watch: called with how far the training is, where the figure is of one.

    """
    figure = entry(name)
    if net is not None and name != "volumes":
        raise SettingError(f"--net belongs to the figure volumes; got {name}. Leave it out.")
    path = Path(f"figure-{name}.svg") if out is None else out
    save_figure.check_file(path)
    if net is not None:
        catalogue.check(net, ())
    options = ({} if net is None else {"net": net}) | ({"watch": watch} if figure.trains else {})
    result: FigureResult = import_module(figure.module).draw(path, **options)
    return path, result
