"""The inside of a block as a graph: from its input at the top to its output, with one lane for each path through it."""

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import NamedTuple

from striate.plots.canvas import CATEGORY_COLORS, GRAY, INK, Canvas, Point, mixed, width_of
from striate.plots.network.layout import Node, Stage, name_of, shape_of, short

LEVEL = 0.66  # inches from a layer to the next
BOX = 0.46
BAR = 0.22
CIRCLE = 0.19  # the diameter of a sum
GAP = 0.18  # between lanes
MOST_NAMES = 12  # of blocks that are alike
TITLE = 8.5  # points
NOTE = 6.5


class Place(NamedTuple):
    """Where a node lies, in inches from the left and from the top."""

    left: float
    right: float
    top: float
    bottom: float

    @property
    def x(self) -> float:
        """Its middle."""
        return (self.left + self.right) / 2

    @property
    def y(self) -> float:
        """Its middle."""
        return (self.top + self.bottom) / 2


class Inset:
    """One kind of block, all stages of which are given; the first gives the numbers.

    In inches: its `width`, the heights of its `head` with the title and of the graph, and the `places` of the nodes.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stage, self._nodes = stages[0], stages[0].nodes
        lanes, levels = lanes_of(self._nodes), levels_of(self._nodes)
        widths = [0.0] * (max(lanes) + 1)
        for node, lane in zip(self._nodes, lanes, strict=True):
            widths[lane] = max(widths[lane], _width(node))
        graph = sum(widths) + GAP * (len(widths) - 1)
        self.width = max(graph + 0.1, 2.3)
        letters = int(self.width / width_of("m", NOTE))
        alike = [name_of(stage.names) for stage in stages[1:]]
        if len(alike) > MOST_NAMES:
            alike[MOST_NAMES:] = [f"and {len(alike) - MOST_NAMES} more"]
        self._notes = wrap(title_of(self._stage), letters)
        if alike:
            self._notes += wrap(f"the same with other sizes: {', '.join(alike)}", letters)
        self.head = 0.4 + 0.13 * len(self._notes)
        margin = (self.width - graph) / 2
        centers = [margin + sum(widths[:lane]) + GAP * lane + widths[lane] / 2 for lane in range(len(widths))]
        self.places = list(self._placed(centers, lanes, levels))
        self.height = max(place.bottom for place in self.places) + 0.42

    def _placed(self, centers: list[float], lanes: list[int], levels: list[float]) -> Iterator[Place]:
        for number, (node, lane, level) in enumerate(zip(self._nodes, lanes, levels, strict=True)):
            y, x = BAR / 2 + level * LEVEL, centers[lane]
            if _is_bar(node):
                joined = node.sources or [place for place, other in enumerate(self._nodes) if number in other.sources]
                ends = [centers[lanes[place]] for place in joined] or [x]
                half = max(width_of(_text(node), NOTE, bold=True) + 0.12, 0.6) / 2
                middle = (min(ends) + max(ends)) / 2
                left, right = min(*ends, middle - half + 0.2) - 0.2, max(*ends, middle + half - 0.2) + 0.2
                yield Place(left, right, y - BAR / 2, y + BAR / 2)
            else:
                width, height = {"bypass": (0.0, 0.0), "merge": (CIRCLE, CIRCLE)}.get(node.category, (_width(node), BOX))
                yield Place(x - width / 2, x + width / 2, y - height / 2, y + height / 2)

    def draw(self, canvas: Canvas, left: float, top: float, head: float) -> None:
        """Draw it with its upper left corner there and `head` inches for its title."""
        middle = left + self.width / 2
        canvas.text(middle, top + 0.1, name_of(self._stage.names), TITLE, bold=True)
        for line, note in enumerate(self._notes):
            canvas.text(middle, top + 0.28 + 0.13 * line, note, NOTE, color=GRAY)
        y = top + head
        places = [Place(place.left + left, place.right + left, place.top + y, place.bottom + y) for place in self.places]
        for number, node in enumerate(self._nodes):
            for source in node.sources:
                points = list(_edge(places[source], places[number], self._nodes[source], node))
                canvas.line(points, GRAY, 1.0, arrow=node.category != "bypass")
        used = {source for node in self._nodes for source in node.sources}
        for number, (node, place) in enumerate(zip(self._nodes, places, strict=True)):
            _draw_node(canvas, node, place)
            if number not in used:
                canvas.line(((place.x, place.bottom), (place.x, place.bottom + 0.24)), GRAY, 1.0, arrow=True)
                canvas.text(place.x, place.bottom + 0.33, shape_of(node.shape), NOTE, color=GRAY)


def title_of(stage: Stage) -> str:
    """The kind of a block with that of its shortcut: the input, the input padded with channels of zeros, or a projection."""
    if stage.category != "residual block":
        return stage.category
    if any(node.label == "identity" for node in stage.nodes):
        return "residual block, identity shortcut"
    padded = any("Padding" in node.attached for node in stage.nodes)
    return f"residual block, {'padding' if padded else 'projection'} shortcut"


def lanes_of(nodes: Sequence[Node]) -> list[int]:
    """The lane of each node: that of the node before it, or a new one where another continues there."""
    lanes, taken, new = [0], set[int](), 1
    for node in nodes[1:]:
        first = next((source for source in node.sources if nodes[source].category != "bypass"), node.sources[0])
        if first in taken and node.category != "merge":
            lanes.append(new)
            new += 1
        else:
            lanes.append(lanes[first])
        taken |= set(node.sources) if node.category == "merge" else {first}
    return lanes


def levels_of(nodes: Sequence[Node]) -> list[float]:
    """How far down each node lies, as steps from the input; halfway between the earliest and the latest that is possible."""
    early = [0]
    for node in nodes[1:]:
        early.append(1 + max(early[source] for source in node.sources))
    late = [max(early)] * len(nodes)
    for number in range(len(nodes) - 1, 0, -1):
        for source in nodes[number].sources:
            late[source] = min(late[source], late[number] - 1)
    late[0] = 0
    return [(first + last) / 2 for first, last in zip(early, late, strict=True)]


def _text(node: Node) -> str:
    return f"input {shape_of(node.shape)}" if node.category == "input" else node.label


def _lines(node: Node) -> tuple[str, str, str]:
    size = f"{node.shape[0]} channels" if len(node.shape) == 3 else shape_of(node.shape)
    size = f"{node.window}, {size}" if node.window else size
    return node.label, size, ", ".join(short(node.attached))


def _width(node: Node) -> float:
    if node.category in ("input", "merge"):
        return CIRCLE
    if node.category == "bypass":
        return 2 * width_of(node.label, NOTE) + 0.3
    name, size, more = _lines(node)
    return max(width_of(name, NOTE, bold=True), width_of(size, NOTE), width_of(more, NOTE - 1)) + 0.14


def _is_bar(node: Node) -> bool:
    return node.category == "input" or node.label == "concat"


def _edge(source: Place, to: Place, before: Node, node: Node) -> Iterator[Point]:
    """From below the place of `before` down to that of `node`, or into the side of a sum."""
    x = min(max(to.x, source.left), source.right) if _is_bar(before) else source.x
    goal = min(max(x, to.left), to.right) if _is_bar(node) else to.x
    yield x, source.bottom
    if abs(goal - x) < 1e-6:
        yield x, to.top
    elif node.category == "merge" and not _is_bar(node):
        yield x, to.y
        yield (to.right if x > to.x else to.left), to.y
    else:
        yield x, source.bottom + 0.1
        yield goal, source.bottom + 0.1
        yield goal, to.top


def _draw_node(canvas: Canvas, node: Node, place: Place) -> None:
    wide, high = place.right - place.left, place.bottom - place.top
    if node.category == "bypass":
        canvas.text(place.x + 0.06, place.y, node.label, NOTE, color=INK, anchor="left")
    elif node.category in ("input", "merge"):
        merge = "inception module" if node.label == "concat" else "residual block"
        fill = CATEGORY_COLORS["input" if node.category == "input" else merge]
        canvas.rounded(place.left, place.top, wide, high, mixed(fill, "#ffffff", 0.35), INK)
        canvas.text(place.x, place.y, _text(node), 10 if node.label in "+x" else NOTE, bold=True)
    else:
        color = CATEGORY_COLORS[node.category]
        canvas.rounded(place.left, place.top, wide, high, mixed(color, "#ffffff", 0.55), mixed(color, INK, 0.35))
        name, size, more = _lines(node)
        y = place.y - (0.12 if more else 0.06)
        canvas.text(place.x, y, name, NOTE, bold=True)
        canvas.text(place.x, y + 0.12, size, NOTE)
        if more:
            canvas.text(place.x, y + 0.24, more, NOTE - 1)
