"""Writing a matplotlib figure, into a file or a page: the same figure gives the same bytes, and text stays text."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.base import files
from striate.base.errors import SettingError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".svg", ".png", ".pdf")
INK = "#1a1a1b"  # of text and axes in a page, where it becomes the color of the page's text
_PLAIN_TEXT: dict[Any, Any] = {"text.parse_math": False}  # a class may be called $x_1$
_SVG: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "striate"}
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
FAINT = "#7f7f80"  # of grids and the like


def check_file(path: Path) -> None:
    """Refuse a path whose ending is no format of images, or where no file can be written, before any work is done."""
    if path.suffix.lower() not in ENDINGS:
        raise SettingError(f"expected an image's path to end in {', '.join(ENDINGS)}; got {path}.")
    files.check_new_file(path)


def save(figure: "Figure", path: Path) -> None:
    """Write a figure, whole or not at all; a SettingError for another ending, a DiskError where the disk refuses."""
    check_file(path)
    kind = path.suffix.lower().removeprefix(".")
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    content = rendered(figure, kind, dpi=150, facecolor="white", metadata=metadata)
    files.write_bytes(path, _without_controls(content.decode()).encode() if kind == "svg" else content)


def rendered(figure: "Figure", kind: str, **options: Any) -> bytes:
    """The figure as a file of this format."""
    from matplotlib import rc_context

    buffer = BytesIO()
    _plain_powers(figure)
    with rc_context(_PLAIN_TEXT | _SVG), _any_letter(), _laid_out(figure, kind, options.get("dpi", figure.dpi)):
        figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()


@contextmanager
def _laid_out(figure: "Figure", kind: str, dpi: float) -> Iterator[None]:
    """Within this block the axes have the places that the layout of the figure gives them.

    `savefig` would draw the whole figure once more for that.
    """
    from matplotlib import rc_context
    from matplotlib.backend_bases import get_registered_canvas_class

    engine = figure.get_layout_engine()
    if engine is None or not figure.axes:
        yield
        return
    before = figure.dpi
    get_registered_canvas_class(kind)(figure)
    figure.dpi = dpi
    try:
        engine.execute(figure)
    finally:
        figure.dpi = before  # a format may have set its own
    with rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
        figure.set_layout_engine(None)
    try:
        yield
    finally:
        figure.set_layout_engine(engine)


def _plain_powers(figure: "Figure") -> None:
    """Let logarithmic axes, whose ticks matplotlib writes as math, write 10² in plain letters."""
    from matplotlib.ticker import LogFormatterMathtext, LogFormatterSciNotation

    class Plain(LogFormatterSciNotation):
        def __call__(self, x: float, pos: int | None = None) -> str:
            power = re.sub(r"\{(-?\d+)\}", lambda match: match[1].translate(_RAISED), super().__call__(x, pos))
            return re.sub(r"[$^{}]|\\mathdefault", "", power).replace(r"\times", "×")

    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(axis.get_major_formatter(), LogFormatterMathtext):
            axis.set_major_formatter(Plain())
        if isinstance(axis.get_minor_formatter(), LogFormatterMathtext):
            axis.set_minor_formatter(Plain(labelOnlyBase=False))


@contextmanager
def _any_letter() -> Iterator[None]:
    """Let a letter that the font lacks pass without a warning; a browser has more fonts."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from font")
        yield


def _without_controls(svg: str) -> str:
    """The same SVG with control characters, which names of classes may have and XML may not, written as escapes."""
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", svg)


@contextmanager
def new_figure(path: Path, width: float, height: float, title: str = "", **options: Any) -> Iterator["Figure"]:
    """A figure to draw into within the block, its sides in inches; then it is written, whole or not at all.

    Another ending than .svg, .png and .pdf is a SettingError before anything is drawn, a disk that refuses a DiskError. The
    title stands above everything; `options` are those of matplotlib's Figure, else `layout="constrained"`.
    """
    check_file(path)
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_PLAIN_TEXT):
        figure = Figure(figsize=(width, height), **({"layout": "constrained"} | options))
        yield figure
        if title:
            figure.suptitle(title, fontsize=10)
    save(figure, path)


@contextmanager
def for_page() -> Iterator[None]:
    """Within this block figures are made for a page: no background, text and axes in `INK`, small type."""
    from matplotlib import rc_context

    names = ("text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor", "xtick.color", "ytick.color")
    style: dict[Any, Any] = dict.fromkeys(names, INK)
    style |= {"axes.facecolor": "none", "figure.facecolor": "none", "legend.facecolor": "none", "legend.frameon": False}
    style |= {"font.size": 9, "axes.titlesize": 10, "axes.labelsize": 9, "xtick.labelsize": 8, "ytick.labelsize": 8}
    style |= {"grid.color": FAINT, "grid.alpha": 0.35, "grid.linewidth": 0.5, "legend.fontsize": 8}
    style |= {"axes.spines.top": False, "axes.spines.right": False}
    with rc_context(style | _PLAIN_TEXT):
        yield


def inline(figure: "Figure", name: str, alternative: str) -> str:
    """A figure made within `for_page` as an <svg> element, whose text and axes take the color of the page's text.

    Ids begin with `name`, a word that no other figure of the page has; `alternative` says what the figure shows.
    """
    text = _without_controls(rendered(figure, "svg", facecolor="none", metadata={"Date": None}).decode())
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    used = {*re.findall(r'xlink:href="#([^"]+)"', text), *re.findall(r"url\(#([^)]+)\)", text)}

    def change(tag: str) -> str:
        tag = re.sub(r' id="([^"]+)"', lambda match: f' id="{name}-{match[1]}"' if match[1] in used else "", tag)
        tag = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", tag)
        tag = tag.replace(INK, "currentColor").replace(FAINT, "var(--faint)")
        return re.sub(r"#(0072b2|009e73|d55e00|cc79a7|e69f00|56b4e9|000001)", r"var(--c\1)", tag)

    text = re.sub(r"<[^>]+>", lambda match: change(match[0]), text)  # within tags: text between them may be a name
    (view,) = re.findall(r'viewBox="([^"]+)"', text)[:1]
    width = float(view.split()[2])
    head = (
        f'<svg viewBox="{view}" class="plot" style="max-width: {width * 4 / 3:.0f}px" role="img" aria-labelledby="{name}-alt" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink"><title id="{name}-alt">{escape(alternative)}</title>'
    )
    return re.sub(r"<svg[^>]*>", lambda _: head, text, count=1).replace("\n", " ").strip()
