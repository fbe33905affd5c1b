"""A network at a glance: its volumes from left to right, and under them the inside of each kind of block."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap

from striate.plots.canvas import CATEGORY_COLORS, GRAY, Canvas, width_of
from striate.plots.network.block_graph import Inset
from striate.plots.network.layout import Row, Stage, read, shape_of, with_heads
from striate.plots.network.volumes import boxes_of, draw_line, height_of, lines_of

MARGIN = 0.3
WIDEST = 16.0  # inches, of a line of boxes
SPREAD = 0.5  # inches between the boxes of a small network, at most
TITLE, ABOUT, LEGEND, NOTE = 14, 9, 7.5, 6.5  # points
SCALES = (
    "height of a box: side of the maps; thickness: channels (square roots); height of a bar: units (logarithm); "
    "7 x 7 / 2: window and stride"
)


def draw(
    name: str, input_chw: tuple[int, int, int], rows: Sequence[Row], path: Path, auxiliary: Sequence[Row] = ()
) -> None:  # fmt: skip
    """Draw a box for each layer or block, whose height is the side of its maps and whose thickness their channels.

    The rows are the layer table in forward order, `auxiliary` those of heads that only training has; the same network gives
    the same bytes.
    """
    stages, heads = with_heads(read(input_chw, rows), auxiliary)
    lines = list(lines_of(boxes_of(stages), WIDEST))
    insets = _insets([*stages, *heads])
    about, legend = summary(input_chw, rows), legend_of(stages)
    if auxiliary:
        about += f"   |   {sum(row.parameters for row in auxiliary):,} parameters more in training"
    strip = max(sum(box.width for box in line) for line in lines)
    texts = (width_of(about, ABOUT), width_of(SCALES, NOTE), sum(map(_legend_width, legend)))
    inner = max([strip, *texts, *(inset.width for inset in insets)])
    shelves = list(shelves_of(insets, inner))
    title = wrap(name, int(inner / width_of("m", TITLE, bold=True))) or [""]

    y = 0.6 + 0.28 * len(title)
    heights = [0.3 + max(inset.head for inset in shelf) + max(inset.height for inset in shelf) for shelf in shelves]
    canvas = Canvas(inner + 2 * MARGIN, y + sum(height_of(line) + 0.2 for line in lines) + 0.6 + sum(heights))
    for number, text in enumerate(title):
        canvas.text(MARGIN, 0.3 + 0.28 * number, text, TITLE, bold=True, anchor="left")
    canvas.text(MARGIN, y - 0.28, about, ABOUT, color=GRAY, anchor="left")
    spread = min(SPREAD, (inner - strip) / len(lines[0])) if len(lines) == 1 else 0.0
    for line in lines:
        draw_line(canvas, line, MARGIN, y, spread, continued=line is not lines[-1])
        y += height_of(line) + 0.2
    _draw_legend(canvas, legend, y)
    y += 0.6
    for shelf, height in zip(shelves, heights, strict=True):
        _draw_shelf(canvas, shelf, inner, y)
        y += height
    canvas.save(path)


def summary(input_chw: tuple[int, int, int], rows: Sequence[Row]) -> str:
    """Input, parameters and multiply-adds of a network as one line."""
    parameters, macs = sum(row.parameters for row in rows), sum(row.macs for row in rows)
    return f"input {shape_of(input_chw)}   |   {parameters:,} parameters   |   {macs:,} multiply-adds for one image"


def legend_of(stages: Sequence[Stage]) -> list[str]:
    """The words for the colors that a drawing has."""
    words = list(dict.fromkeys(stage.category for stage in stages if stage.category != "input"))
    norms = [kind for stage in stages if stage.has_norm for kind in stage.attached]
    if norms or any(node.category == "norm" for stage in stages for node in stage.nodes):
        words.append("norm (LRN: local response)" if "LocalResponseNorm" in norms else "norm")
    return words


def shelves_of(insets: Sequence[Inset], width: float) -> Iterator[list[Inset]]:
    """The insets in lines, none of which is wider than `width` inches with 0.4 between them."""
    shelf: list[Inset] = []
    for inset in insets:
        if shelf and sum(other.width + 0.4 for other in shelf) + inset.width > width:
            yield shelf
            shelf = []
        shelf.append(inset)
    if shelf:
        yield shelf


def _insets(stages: Sequence[Stage]) -> list[Inset]:
    kinds: dict[object, list[Stage]] = {}
    for stage in stages:
        if stage.nodes:
            kinds.setdefault(stage.plan, []).append(stage)
    return [Inset(of_kind) for of_kind in kinds.values()]


def _draw_shelf(canvas: Canvas, shelf: Sequence[Inset], inner: float, top: float) -> None:
    free = (inner - sum(inset.width for inset in shelf)) / (len(shelf) + 1)
    left = MARGIN + free
    for inset in shelf:
        inset.draw(canvas, left, top, max(other.head for other in shelf))
        left += inset.width + free


def _legend_width(word: str) -> float:
    return 0.4 + width_of(word, LEGEND)


def _draw_legend(canvas: Canvas, words: Sequence[str], y: float) -> None:
    x = MARGIN
    for word in words:
        corners = ((x, y - 0.06), (x + 0.14, y - 0.06), (x + 0.14, y + 0.06), (x, y + 0.06))
        canvas.polygon(corners, CATEGORY_COLORS[word.partition(" (")[0]])
        canvas.text(x + 0.2, y, word, LEGEND, anchor="left")
        x += _legend_width(word)
    canvas.text(MARGIN, y + 0.2, SCALES, NOTE, color=GRAY, anchor="left")
