"""The volumes of a network from left to right: the height of a box is the side of its maps, its thickness their channels."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from textwrap import wrap
from typing import NamedTuple

from striate.plots.canvas import CATEGORY_COLORS, GRAY, INK, Canvas, mixed, width_of
from striate.plots.network.layout import Stage, shape_of, short

TALLEST = 1.7  # inches, of the front of the largest map
THICKEST = 0.42  # of the most channels
FEW = 32.0  # channels, which are never drawn as the thickest
SLANT = (0.20, -0.13)  # how far back a side of one inch leads, to the right and up
ROOM = 0.5  # above the boxes, for the sides and for how often a block is repeated
NAME, NOTE = 7.5, 6.5  # points
LINE = 0.135  # inches from one line of text to the next
MANY = 13  # boxes, from where on a shape takes two lines
LONGEST = 18  # letters of a name in one line


class Box(NamedTuple):
    """A stage of the strip as it is drawn, in inches, and the lines of its texts."""

    stage: Stage
    thick: float  # along the strip, for the channels
    high: float  # for the maps' height
    back: tuple[float, float]  # to the right and up, for the maps' width
    name: tuple[str, ...]
    shape: tuple[str, ...]
    more: tuple[str, ...]  # small lines under them

    @property
    def solid(self) -> float:
        """Width of the drawn box."""
        return self.thick + self.back[0] + 0.12 * (len(self.stage.names) > 1)

    @property
    def width(self) -> float:
        """Of the drawn box or its texts, whichever is wider."""
        texts = [width_of(line, NAME, bold=True) for line in self.name]
        return max([self.solid, *texts, *(width_of(line, NOTE) for line in (*self.shape, *self.more))]) + 0.1


def boxes_of(stages: Sequence[Stage]) -> list[Box]:
    """The sizes of the boxes, by square roots of sides and of channels, so that 7 is seen beside 224 and 64 beside 2048."""
    volumes = [_volume(stage.shape) for stage in stages if len(stage.shape) > 1]
    most = max(FEW, *(volume[0] for volume in volumes))
    side = max(max(volume[1:]) for volume in volumes)
    boxes = []
    for stage in stages:
        if len(stage.shape) > 1:
            channels, height, width = _volume(stage.shape)
            thick = max(0.05, THICKEST * (channels / most) ** 0.5)
            high, deep = (max(0.07, TALLEST * (pixels / side) ** 0.5) for pixels in (height, width))
        else:
            thick, high, deep = 0.09, 0.4 + 0.1 * stage.shape[0].bit_length(), 0.3
        back, shape = (SLANT[0] * deep, SLANT[1] * deep), _shape_lines(stage.shape, len(stages) >= MANY)
        more = (stage.window, *short(stage.attached)) if stage.window else short(stage.attached)
        boxes.append(Box(stage, thick, high, back, _name_lines(stage.names), shape, tuple(more)))
    return boxes


def _volume(shape: tuple[int, ...]) -> tuple[float, float, float]:
    """Channels, height and width; of tokens, the square that they would fill."""
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (shape[-1], shape[0] ** 0.5, shape[0] ** 0.5)


def _name_lines(names: tuple[str, ...]) -> tuple[str, ...]:
    written = [f"{names[0]} to", names[-1]] if len(names) > 1 else [names[0]]
    return tuple(line.replace(". ", ".") for name in written for line in wrap(name.replace(".", ". "), LONGEST))


def _shape_lines(shape: tuple[int, ...], two: bool) -> tuple[str, ...]:
    return (f"{shape[0]} x", " x ".join(map(str, shape[1:]))) if two and len(shape) > 1 else (shape_of(shape),)


def lines_of(boxes: Sequence[Box], widest: float) -> Iterator[list[Box]]:
    """The boxes in lines, each at most `widest` inches wide."""
    line: list[Box] = []
    for box in boxes:
        if line and sum(other.width for other in line) + box.width > widest:
            yield line
            line = []
        line.append(box)
    yield line


def height_of(boxes: Sequence[Box]) -> float:
    """Inches of a line of boxes with all its texts."""
    texts = max(len(box.name) for box in boxes) + max(len(box.shape) + len(box.more) for box in boxes)
    return ROOM + _tallest(boxes) + 0.2 + LINE * texts


def _tallest(boxes: Sequence[Box]) -> float:
    return max(box.high - box.back[1] for box in boxes)


def draw_line(canvas: Canvas, boxes: Sequence[Box], left: float, top: float, spread: float, continued: bool) -> None:
    """Draw a line of boxes from (left, top) on, `spread` inches apart; where it is continued, with an arrow at the end."""
    middle = top + ROOM + _tallest(boxes) / 2
    below = top + ROOM + _tallest(boxes) + 0.2
    names = max(len(box.name) for box in boxes)
    lefts = [left + sum(before.width + spread for before in boxes[:place]) for place in range(len(boxes))]
    _draw_sides(canvas, boxes, lefts, top + 0.12)
    end: float | None = None
    for box, x in zip(boxes, lefts, strict=True):
        center = x + box.width / 2
        start = center - box.solid / 2
        if end is not None:
            canvas.line(((end, middle), (start, middle)), GRAY, 0.9, arrow=start - end > 0.12)
        _draw_box(canvas, box, start, middle)
        end = start + box.thick + box.back[0] / 2
        for line, text in enumerate(box.name):
            canvas.text(center, below + LINE * line, text, NAME, bold=True, anchor="baseline")
        for line, text in enumerate((*box.shape, *box.more), names):
            color = INK if line < names + len(box.shape) else GRAY
            canvas.text(center, below + LINE * line, text, NOTE, color=color, anchor="baseline")
    if continued and end is not None:
        canvas.line(((end, middle), (lefts[-1] + boxes[-1].width + 0.15, middle)), GRAY, 0.9, arrow=True)


def _draw_sides(canvas: Canvas, boxes: Sequence[Box], lefts: Sequence[float], y: float) -> None:
    """Above the boxes, from where to where the maps have the same sides."""
    for sides, group in groupby(range(len(boxes)), lambda place: boxes[place].stage.shape[1:]):
        places = list(group)
        if len(sides) != 2:
            continue
        first, last = lefts[places[0]] + 0.05, lefts[places[-1]] + boxes[places[-1]].width - 0.05
        canvas.line(((first, y + 0.16), (first, y + 0.1), (last, y + 0.1), (last, y + 0.16)), GRAY, 0.7)
        canvas.text((first + last) / 2, y, " x ".join(map(str, sides)), NOTE, color=GRAY)


def _draw_box(canvas: Canvas, box: Box, x: float, middle: float) -> None:
    dx, dy = box.back
    color = CATEGORY_COLORS[box.stage.category]
    upper, lower = middle - dy / 2 - box.high / 2, middle - dy / 2 + box.high / 2
    count = len(box.stage.names)
    for shift in (0.1, 0.05) if count > 1 else ():  # more of the same behind
        _draw_solid(canvas, box, x + shift, (upper, lower), mixed(color, "#ffffff", 0.45))
    _draw_solid(canvas, box, x, (upper, lower), color)
    if box.stage.has_norm:
        band = min(0.06, box.thick / 2)
        right, norm = x + box.thick, CATEGORY_COLORS["norm"]
        canvas.polygon(((right - band, upper), (right, upper), (right, lower), (right - band, lower)), norm, line=0.3)
        over = ((right - band, upper), (right, upper), (right + dx, upper + dy), (right - band + dx, upper + dy))
        canvas.polygon(over, norm, line=0.3)
    if count > 1:
        canvas.text(x + box.solid / 2, upper + dy - 0.12, f"x {count}", 9, bold=True)


def _draw_solid(canvas: Canvas, box: Box, x: float, edges: tuple[float, float], color: str) -> None:
    (upper, lower), (dx, dy), right = edges, box.back, x + box.thick
    canvas.polygon(((x, upper), (right, upper), (right, lower), (x, lower)), color)
    canvas.polygon(((x, upper), (right, upper), (right + dx, upper + dy), (x + dx, upper + dy)), mixed(color, "#ffffff", 0.45))
    side = ((right, upper), (right + dx, upper + dy), (right + dx, lower + dy), (right, lower))
    canvas.polygon(side, mixed(color, "#000000", 0.25))
