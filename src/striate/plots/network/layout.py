"""From the rows of a layer table to what is drawn: stages in a strip, and for each block the graph of its inside.

A layer with multiply-adds or a pool is a stage of its own; activations, norms, dropout, padding and flatten belong to the stage
before them. The layers of a block, `conv2_1.conv1` and so on, make one stage; equal blocks in a row make one stage together.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol

MOST_IN_A_BLOCK = 20  # rows; what has more is taken apart at the next part of its name


class Row(Protocol):
    """What is drawn of a layer: `striate.nets.summary.Layer` has it."""

    @property
    def name(self) -> str:
        """The layer, after its block and a dot where it lies in one."""

    @property
    def kind(self) -> str:
        """Its class."""

    @property
    def input(self) -> tuple[int, ...]:
        """Shape of its input for one image."""

    @property
    def output(self) -> tuple[int, ...]:
        """Shape of its output for one image."""

    @property
    def parameters(self) -> int:
        """Weights and biases."""

    @property
    def macs(self) -> int:
        """Multiply-adds for one image."""

    @property
    def window(self) -> tuple[int, int, int] | None:
        """Height and width of what it moves over the maps, and its stride; None of others."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the layers whose outputs make its input; none for the image."""


class Node(NamedTuple):
    """A layer inside a block with what belongs to it, or a place where paths part or meet."""

    label: str  # the layer's name within the block; "+", "x" or "concat" where paths meet
    category: str  # as of a stage; or "input", "activation", "merge", or "bypass" for a path past other layers
    shape: tuple[int, ...]  # of the output
    attached: tuple[str, ...] = ()  # kinds of the layers that belong to it
    sources: tuple[int, ...] = ()  # numbers of the nodes before it
    window: str = ""  # and stride, as `window_of` writes it


class Stage(NamedTuple):
    """A box of the strip."""

    names: tuple[str, ...]  # of the layer, of the block, or of all the equal blocks that follow one another
    category: str  # "input", "convolution", "pool", "fully connected" or a kind of block
    shape: tuple[int, ...]  # of the output
    attached: tuple[str, ...] = ()  # kinds of the layers that belong to it
    nodes: tuple[Node, ...] = ()  # the inside of a block; the first is the block's input
    window: str = ""  # and stride, as `window_of` writes it

    @property
    def plan(self) -> tuple[Node, ...]:
        """The inside without the shapes of its outputs: blocks with the same one are drawn as one kind."""
        return tuple(node._replace(shape=()) for node in self.nodes)

    @property
    def has_norm(self) -> bool:
        """Whether a norm belongs to it."""
        return any("norm" in kind.lower() for kind in self.attached)


def shape_of(shape: tuple[int, ...]) -> str:
    """`C x H x W`, or the number of units."""
    return f"{shape[0]} units" if len(shape) == 1 else " x ".join(map(str, shape))


def name_of(names: tuple[str, ...]) -> str:
    """The name of one, or the first and the last of several."""
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def short(kinds: Sequence[str]) -> list[str]:
    """Kinds of layers in short, without what is only a change of form.

    >>> short(["BatchNorm2d", "ReLU", "Flatten"])
    ['BatchNorm', 'ReLU']
    """
    names = [kind.removesuffix("2d").removesuffix("1d").replace("LocalResponseNorm", "LRN") for kind in kinds]
    return list(dict.fromkeys(kind for kind in names if kind != "Flatten"))


def window_of(row: Row) -> str:
    """`7 x 7 / 2`, a window of 7 x 7 at stride 2; a stride of 1 is left out."""
    if row.window is None:
        return ""
    height, width, stride = row.window
    return f"{height} x {width}" + (f" / {stride}" if stride > 1 else "")


def category_of(row: Row) -> str:
    """What a layer is to a reader; "" for one that belongs to the layer before it.

    A layer of one's own that is none of the known kinds counts by the shape that it gives.
    """
    kind = row.kind.lower()
    if "pool" in kind or kind == "subsampling":
        return "pool"
    if row.macs or (row.parameters and row.output != row.input):
        return "fully connected" if len(row.output) == 1 or kind == "linear" else "convolution"
    return "norm" if "norm" in kind else ""


def is_stage(row: Row) -> bool:
    """Whether a layer is more than what belongs to the one before it."""
    return category_of(row) not in ("", "norm")


def read(input_chw: tuple[int, int, int], rows: Sequence[Row]) -> tuple[Stage, ...]:
    """The stages of a network from its rows in forward order; the first stage is the image."""
    kinds = {row.name: row.kind.lower() for row in rows}
    shared = _shared(set(kinds))
    # The network itself is no part of it; an activation inside a norm, as timm has them, is part of the norm
    rows = [row for row in rows if f"{row.name}." != shared and "norm" not in kinds.get(row.name.rpartition(".")[0], "")]
    sizes = Counter(prefix for row in rows for prefix in _prefixes(row.name.removeprefix(shared)))
    stages = [Stage(("input",), "input", input_chw)]
    start = 0
    for block, group in groupby(rows, lambda row: _block(row.name.removeprefix(shared), sizes)):
        own = list(group)
        start += len(own)
        many = sum(map(is_stage, own))
        if block and many:
            stage = _block_stage(block, own, shared + block, rows[start:], rows)
            if many > 1 or stage.category != "plain block":
                stages.append(stage)
                continue
        for row in own:
            if is_stage(row):
                stages.append(
                    Stage((block or row.name.removeprefix(shared),), category_of(row), row.output, window=window_of(row))
                )
            else:
                stages[-1] = stages[-1]._replace(attached=(*stages[-1].attached, row.kind))
    return tuple(_together(stages))


def with_heads(stages: Sequence[Stage], rows: Sequence[Row]) -> tuple[list[Stage], list[Stage]]:
    """The stages with a word at those that auxiliary heads, whose rows these are, read; and the heads, each a stage."""
    stages, heads = list(stages), []
    for head in read((1, 1, 1), rows)[1:]:
        first = next(row for row in rows if row.name.startswith(f"{head.names[0]}."))
        place = next(
            place for place, stage in enumerate(stages) for name in stage.names
            if any(f"{source}.".startswith(f"{name}.") for source in first.sources)
        )  # fmt: skip
        stages[place] = stages[place]._replace(attached=(*stages[place].attached, f"to {head.names[0]}"))
        heads.append(head._replace(category=f"auxiliary head in training, after {stages[place].names[-1]}"))
    return stages, heads


def _shared(names: set[str]) -> str:
    """What all names begin with, up to a dot: `body.` of a network that is wrapped."""
    first = {name.partition(".")[0] for name in names}
    return f"{first.pop()}." if len(first) == 1 and any("." in name for name in names) else ""


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts)))


def _block(name: str, sizes: Counter[str]) -> str:
    """The block that a layer lies in, "" for none.

    >>> _block("conv2_1.shortcut.conv", Counter()), _block("layer1.0.conv1", Counter()), _block("features.3", Counter())
    ('conv2_1', 'layer1.0', '')
    """
    if 0 < sizes[name] <= MOST_IN_A_BLOCK:
        return name  # a layer that has layers inside
    parts = name.split(".")
    numbered = [place for place, part in enumerate(parts[:-1], start=1) if part.isdecimal()]
    if parts[-1].isdecimal() and not numbered:
        return ""  # one of a plain sequence
    return next(
        (prefix for prefix in [*_prefixes(name)][max(numbered, default=1) - 1 :] if sizes[prefix] <= MOST_IN_A_BLOCK), ""
    )


def _together(stages: list[Stage]) -> Iterator[Stage]:
    """Equal blocks that follow one another as one stage."""
    for _, group in groupby(enumerate(stages), lambda pair: pair[1]._replace(names=()) if pair[1].nodes else pair[0]):
        equal = [stage for _, stage in group]
        yield equal[0]._replace(names=tuple(name for stage in equal for name in stage.names))


def _block_stage(block: str, own: list[Row], within: str, after: Sequence[Row], rows: Sequence[Row]) -> Stage:
    inside = _Inside(own, within, Counter(source for row in rows for source in row.sources))
    names = {row.name for row in own}
    follower = next((row for row in after if names & set(row.sources)), None)
    nodes, shape = inside.nodes, own[-1].output
    if follower is not None:
        sources = dict.fromkeys(inside.at[source] for source in follower.sources if source in names | inside.outside)
        shape = nodes[inside.meet(tuple(sources), follower.input)].shape
    branches = max((len(node.sources) for node in nodes if node.label == "concat"), default=0)
    if branches:
        category = "inception module" if branches > 2 else "block with concat"
    else:
        category = "residual block" if any(node.label == "+" for node in nodes) else "plain block"
    return Stage((block,), category, shape, nodes=tuple(nodes))


class _Inside:
    """The graph of a block while it is built: what belongs to a layer is folded into its node, and paths meet in nodes."""

    def __init__(self, own: Sequence[Row], block: str, uses: Counter[str]) -> None:
        self.nodes = [Node("input", "input", own[0].input)]
        self.outside = {source for row in own for source in row.sources} - {row.name for row in own}
        self.at = dict.fromkeys(self.outside, 0)  # the node that gives a layer's output
        self._ends = [""]  # the layer whose output a node gives
        self._met: dict[tuple[int, ...], int] = {}
        for row in own:
            self._take(row, block, uses)

    def _take(self, row: Row, block: str, uses: Counter[str]) -> None:
        if row.name == block:
            self.at[row.name] = len(self.nodes) - 1
            return
        before = self.meet(tuple(dict.fromkeys(self.at.get(source, 0) for source in row.sources)) or (0,), row.input)
        node = self.nodes[before]
        if not is_stage(row) and node.category not in ("input", "merge") and uses[self._ends[before]] == 1:
            shape = node.shape if row.kind == "Flatten" else row.output  # channels are what a reader looks for
            self.nodes[before] = node._replace(attached=(*node.attached, row.kind), shape=shape)
            self.at[row.name], self._ends[before] = before, row.name
            return
        attached = () if is_stage(row) else (row.kind,)
        label, category = row.name.removeprefix(f"{block}."), category_of(row) or "activation"
        self.at[row.name] = self._add(Node(label, category, row.output, attached, (before,), window_of(row)), row.name)

    def _add(self, node: Node, layer: str = "") -> int:
        self.nodes.append(node)
        self._ends.append(layer)
        return len(self.nodes) - 1

    def meet(self, sources: tuple[int, ...], shape: tuple[int, ...]) -> int:
        """The node where the outputs of `sources` meet to make an input of this shape."""
        if len(sources) == 1:
            return sources[0]
        if sources not in self._met:
            self._met[sources] = self._meet(sources, shape)
        return self._met[sources]

    def _meet(self, sources: tuple[int, ...], shape: tuple[int, ...]) -> int:
        shapes = [self.nodes[source].shape for source in sources]
        # What has as many channels and another size scales the rest, as squeeze-and-excite does
        label = "concat" if any(channels != shape[0] for channels, *_ in shapes) else "+" if len(set(shapes)) == 1 else "x"
        for known, node in sorted(self._met.items(), key=lambda item: -len(item[0])):
            if set(known) < set(sources) and self.nodes[node].label == label != "x":  # some of them have met before
                return self.meet((node, *(source for source in sources if source not in known)), shape)
        used = {source for node in self.nodes for source in node.sources} | {0}
        paths = []
        for source in sources:
            if source in used:  # others continue from there: a path of its own, past them
                bypass = Node("identity" if source == 0 else "", "bypass", self.nodes[source].shape, (), (source,))
                paths.append(self._add(bypass))
            else:
                paths.append(source)
        return self._add(Node(label, "merge", shape, (), tuple(paths)))
