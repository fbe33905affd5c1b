"""Drawings of networks: what a reader must find in them, read back from the SVG's own text."""

from functools import cache
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from striate.base.errors import SettingError
from striate.nets import catalogue
from striate.nets.architectures.googlenet import TABLE
from striate.nets.factory import outline
from striate.nets.summary import Layer, layer_table
from striate.plots import save_figure
from striate.plots.network import architecture
from striate.plots.network.block_graph import lanes_of, levels_of, title_of
from striate.plots.network.layout import Stage, name_of, read
from striate.plots.network.volumes import boxes_of, lines_of
from striate.workflows import nets

SVG = "{http://www.w3.org/2000/svg}"
LINE = "conv 3x3x32, bn, relu, pool 2, conv 3x3x64, relu, globalpool, fc 10"


class HandmadeRow(NamedTuple):
    """A row made by hand."""

    name: str
    kind: str
    input: tuple[int, ...]
    output: tuple[int, ...]
    sources: tuple[str, ...] = ()
    parameters: int = 0
    macs: int = 0
    window: tuple[int, int, int] | None = None


@cache
def rows_of(name: str) -> tuple[tuple[int, int, int], tuple[Layer, ...]]:
    chw, classes = ((1, 28, 28), 10)
    if not catalogue.is_line(name):
        entry = catalogue.find(name)
        chw, classes = entry.input_chw, entry.classes
    return chw, layer_table(outline(name, chw, classes))


@cache
def stages_of(name: str) -> tuple[Stage, ...]:
    return read(*rows_of(name))


def texts(path: Path) -> list[str]:
    """The lines of text of an SVG, in the order in which they are drawn."""
    return ["".join(element.itertext()).strip() for element in ElementTree.parse(path).iter(f"{SVG}text")]


@cache
def drawn(name: str) -> tuple[str, ...]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "net.svg"
        architecture.draw(name, *rows_of(name), path)
        return tuple(texts(path))


def inside(stage: Stage) -> dict[str, tuple[str, ...]]:
    """The nodes of a block by label, with the labels of those before them."""
    return {node.label: tuple(stage.nodes[source].label for source in node.sources) for node in stage.nodes}


def named(name: str, block: str) -> Stage:
    return next(stage for stage in stages_of(name) if stage.names[0] == block)


@pytest.mark.parametrize("name", [*catalogue.names(), LINE], ids=lambda name: name.partition(",")[0])
def test_every_network_is_drawn_with_its_numbers_and_the_name_of_every_layer_or_run(name: str):
    chw, rows = rows_of(name)
    words = drawn(name)
    assert words[0].startswith(name[:20])
    parameters, macs = sum(row.parameters for row in rows), sum(row.macs for row in rows)
    shape = " x ".join(map(str, chw))
    assert f"input {shape}   |   {parameters:,} parameters   |   {macs:,} multiply-adds for one image" in words
    for stage in stages_of(name):
        first, last = stage.names[0], stage.names[-1]
        assert {first} <= set(words) if first == last else {f"{first} to", last, f"x {len(stage.names)}"} <= set(words)
    shown = {block for stage in stages_of(name) for block in stage.names}
    convolutions = [row.name for row in rows if "Conv" in row.kind]
    assert {convolution.partition(".")[0] for convolution in convolutions} <= shown


def test_blocks_that_are_the_same_are_drawn_once_with_their_number():
    runs = {name_of(stage.names): len(stage.names) for stage in stages_of("resnet152") if stage.category == "residual block"}
    assert runs == {
        "conv2_1": 1, "conv2_2 to conv2_3": 2, "conv3_1": 1, "conv3_2 to conv3_8": 7, "conv4_1": 1, "conv4_2 to conv4_36": 35,
        "conv5_1": 1, "conv5_2 to conv5_3": 2,
    }  # fmt: skip


def test_modules_of_the_same_shape_and_another_inside_stay_apart():
    modules = [stage for stage in stages_of("googlenet") if stage.category == "inception module"]
    assert [stage.names for stage in modules] == [(f"inception{name}",) for name in TABLE]
    assert [stage.shape[0] for stage in modules] == [256, 480, 512, 512, 512, 528, 832, 832, 1024]
    assert len({stage.plan for stage in modules}) == 1


def test_the_four_branches_of_an_inception_module_meet_in_a_concat():
    stage = named("googlenet", "inception3a")
    assert inside(stage) == {
        "input": (), "conv1x1": ("input",), "conv3x3_reduce": ("input",), "conv3x3": ("conv3x3_reduce",),
        "conv5x5_reduce": ("input",), "conv5x5": ("conv5x5_reduce",), "pool": ("input",), "conv_pool_proj": ("pool",),
        "concat": ("conv1x1", "conv3x3", "conv5x5", "conv_pool_proj"),
    }  # fmt: skip
    assert stage.nodes[-1].shape == (256, 28, 28)
    words = drawn("googlenet")
    assert set(inside(stage)) - {"input"} <= set(words)
    assert words.count("concat") == 1
    assert any(line.startswith("the same with other sizes: inception3b,") for line in words)


def test_branches_lie_side_by_side_and_a_short_one_halfway_down():
    nodes = named("googlenet", "inception3a").nodes
    lanes, levels = lanes_of(nodes), levels_of(nodes)
    at = {node.label: (lane, level) for node, lane, level in zip(nodes, lanes, levels, strict=True)}
    assert at == {
        "input": (0, 0), "conv1x1": (0, 1.5), "conv3x3_reduce": (1, 1), "conv3x3": (1, 2), "conv5x5_reduce": (2, 1),
        "conv5x5": (2, 2), "pool": (3, 1), "conv_pool_proj": (3, 2), "concat": (0, 3),
    }  # fmt: skip


def test_windows_and_strides_stand_in_the_boxes_of_the_strip_and_of_the_blocks():
    shown = {stage.names[0]: stage.window for stage in stages_of("alexnet")}
    assert shown == {
        "input": "", "conv1": "11 x 11 / 4", "pool1": "3 x 3 / 2", "conv2": "5 x 5", "pool2": "3 x 3 / 2", "conv3": "3 x 3",
        "conv4": "3 x 3", "conv5": "3 x 3", "pool5": "3 x 3 / 2", "fc6": "", "fc7": "", "fc8": "",
    }  # fmt: skip
    assert drawn("alexnet").count("3 x 3 / 2") == 3
    nodes = {node.label: node.window for node in named("resnet18", "conv3_1").nodes}
    assert nodes == {"input": "", "conv1": "3 x 3 / 2", "conv2": "3 x 3", "shortcut.conv": "1 x 1 / 2", "+": "", "relu2": ""}
    assert {"3 x 3 / 2, 128 channels", "1 x 1 / 2, 128 channels", "3 x 3, 128 channels"} <= set(drawn("resnet18"))
    tall = HandmadeRow("conv", "Conv2d", (1, 9, 9), (2, 7, 9), (), 9, 9, (3, 1, 1))
    assert read((1, 9, 9), [tall])[1].window == "3 x 1"


def test_blocks_that_differ_in_their_stride_are_drawn_each():
    assert inside(named("plain20", "conv2_1")) == inside(named("plain20", "conv3_1"))
    assert named("plain20", "conv2_1").plan != named("plain20", "conv3_1").plan  # the first convolution has stride 2
    assert {"3 x 3 / 2, 32 channels", "the same with other sizes: conv4_1"} <= set(drawn("plain20"))


def test_auxiliary_heads_of_googlenet_are_drawn_with_what_they_cost_and_where_they_begin(tmp_path: Path):
    path = nets.draw("googlenet", tmp_path / "net.svg", size_px=224)
    words = texts(path)
    assert words[1].endswith(
        "6,998,552 parameters   |   1,582,671,872 multiply-adds for one image   |   6,379,728 parameters more in training"
    )
    assert ("to aux4a" in words, "to aux4d" in words, words.count("aux4a")) == (True, True, 1)
    start = words.index("aux4a")
    assert " ".join(words[start + 1 : start + 4]).startswith(
        "auxiliary head in training, after inception4a the same with other"
    )
    head = [words.index(word, start) for word in ("5 x 5 / 3, 512 channels", "1 x 1, 128 channels", "1024 units", "1000 units")]
    assert head == sorted(head)
    assert "to aux4a" not in texts(nets.draw("googlenet", tmp_path / "off.svg", settings={"aux": False}))


def test_what_follows_a_layer_is_written_in_its_node():
    convolution = next(node for node in named("googlenet_bn", "inception3a").nodes if node.label == "conv3x3")
    assert convolution.attached == ("BatchNorm2d", "ReLU")


@pytest.mark.parametrize(
    ("net", "block", "shortcut", "sum_of", "title"),
    [
        ("resnet20", "conv2_1", None, ("conv2", "identity"), "residual block, identity shortcut"),
        ("resnet20", "conv3_1", "shortcut", ("conv2", "shortcut"), "residual block, padding shortcut"),
        ("resnet18", "conv3_1", "shortcut.conv", ("conv2", "shortcut.conv"), "residual block, projection shortcut"),
        ("resnet152", "conv2_1", "shortcut.conv", ("conv3", "shortcut.conv"), "residual block, projection shortcut"),
    ],
)
def test_the_shortcut_of_a_residual_block_meets_the_rest_in_a_sum(
    net: str, block: str, shortcut: str | None, sum_of: tuple[str, ...], title: str
):
    stage = named(net, block)
    graph = inside(stage)
    assert graph["+"] == sum_of
    assert graph[shortcut or "identity"] == ("input",)
    assert title_of(stage) == title
    words = drawn(net)
    assert {"+", title, shortcut or "identity"} <= set(words)


def test_a_plain_network_has_the_same_blocks_without_a_sum():
    assert inside(named("plain20", "conv2_1")) == {"input": (), "conv1": ("input",), "conv2": ("conv1",)}
    words = drawn("plain20")
    assert "plain block" in words
    assert "+" not in words


@pytest.mark.parametrize("name", ["vgg19", "lenet5", "alexnet", "mlp", LINE], ids=lambda name: name.partition(",")[0])
def test_a_network_without_blocks_has_no_insets(name: str):
    assert all(not stage.nodes and len(stage.names) == 1 for stage in stages_of(name))
    assert "input" in drawn(name)


def test_small_layers_belong_to_the_one_before_them():
    shown = {stage.names[0]: stage.attached for stage in stages_of("alexnet")}
    assert " ".join(shown) == "input conv1 pool1 conv2 pool2 conv3 conv4 conv5 pool5 fc6 fc7 fc8"
    assert shown["conv1"] == ("ReLU", "LocalResponseNorm")
    assert shown["fc6"] == ("ReLU", "Dropout")
    assert [stage.category for stage in stages_of("lecun1989")] == ["input", *["convolution"] * 2, *["fully connected"] * 2]


@pytest.mark.parametrize("name", ["googlenet_bn", "resnet152", "resnet20", "vgg19", "lecun1989", LINE], ids=str)
def test_no_text_lies_on_another_or_leaves_the_sheet(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    figures: list[Figure] = []
    monkeypatch.setattr(save_figure, "save", lambda figure, path: figures.append(figure))
    architecture.draw(name, *rows_of(name), tmp_path / "net.svg")
    renderer = FigureCanvasAgg(figures[0]).get_renderer()
    places = [(text.get_text(), text.get_window_extent(renderer)) for text in figures[0].axes[0].texts if text.get_text()]
    for (text, at), (other, there) in combinations(places, 2):
        assert not at.overlaps(there), (text, other)
    for word, at in places:
        assert 0 <= at.x0 < at.x1 <= figures[0].bbox.x1, word
        assert 0 <= at.y0 < at.y1 <= figures[0].bbox.y1, word


def test_boxes_shrink_with_the_maps_and_grow_with_the_channels():
    boxes = {box.stage.names[0]: box for box in boxes_of(stages_of("vgg19"))}
    assert boxes["conv2_1"].high == pytest.approx(boxes["conv1_1"].high * (112 / 224) ** 0.5)
    assert boxes["conv4_1"].thick == pytest.approx(boxes["conv1_1"].thick * (512 / 64) ** 0.5)
    assert boxes["fc6"].high > boxes["fc8"].high
    assert boxes["fc6"].shape == ("4096 units",)


def test_what_is_too_wide_for_a_line_goes_on_in_the_next():
    boxes = boxes_of(stages_of("vgg19"))
    lines = list(lines_of(boxes, 6.0))
    assert [box for line in lines for box in line] == boxes
    assert all(sum(box.width for box in line) <= 6.0 for line in lines)


def test_names_of_wrapped_networks_lose_what_they_share_and_their_numbered_blocks_are_found():
    def block(number: int, before: str) -> list[HandmadeRow]:
        own = f"body.layer1.{number}"
        shape = (8, 4, 4)
        return [
            HandmadeRow(f"{own}.conv1", "Conv2d", shape, shape, (before,), 9, 9),
            HandmadeRow(f"{own}.conv2", "Conv2d", shape, shape, (f"{own}.conv1",), 9, 9),
            HandmadeRow(f"{own}.act", "ReLU", shape, shape, (f"{own}.conv2", before)),
        ]

    rows = [
        HandmadeRow("body.stem.0", "Conv2d", (3, 4, 4), (8, 4, 4), (), 9, 9),
        *block(0, "body.stem.0"),
        *block(1, "body.layer1.0.act"),
        HandmadeRow("body.head.pool", "AdaptiveAvgPool2d", (8, 4, 4), (8, 1, 1), ("body.layer1.1.act",)),
    ]
    stages = read((3, 4, 4), rows)
    assert [stage.names for stage in stages] == [("input",), ("stem.0",), ("layer1.0", "layer1.1"), ("head",)]
    assert inside(stages[2])["+"] == ("conv2", "identity")


def test_a_gate_scales_and_a_sum_at_the_end_of_a_block_is_found():
    shape = (8, 4, 4)
    rows = [
        HandmadeRow("stem", "Conv2d", (3, 4, 4), shape, (), 9, 9),
        HandmadeRow("b.conv", "Conv2d", shape, shape, ("stem",), 9, 9),
        HandmadeRow("b.squeeze", "Conv2d", (8, 1, 1), (8, 1, 1), ("b.conv",), 9, 9),
        HandmadeRow("b.last", "Conv2d", shape, shape, ("b.conv", "b.squeeze"), 9, 9),
        HandmadeRow("head", "Conv2d", shape, shape, ("b.last", "stem"), 9, 9),
    ]
    graph = inside(read((3, 4, 4), rows)[2])
    assert graph["x"] == ("", "squeeze")
    assert graph["last"] == ("x",)
    assert graph["+"] == ("last", "identity")


def test_a_sum_that_goes_on_in_another_sum_is_drawn_once():
    shape = (8, 4, 4)
    rows = [
        HandmadeRow("stem", "Conv2d", (3, 4, 4), shape, (), 9, 9),
        HandmadeRow("b.one", "Conv2d", shape, shape, ("stem",), 9, 9),
        HandmadeRow("b.two", "Conv2d", shape, shape, ("b.one", "stem"), 9, 9),
        HandmadeRow("head", "Conv2d", shape, shape, ("stem", "b.one", "b.two"), 9, 9),
    ]
    block = read((3, 4, 4), rows)[2]
    graph = [(node.label, [block.nodes[source].label for source in node.sources]) for node in block.nodes]
    assert graph == [
        ("input", []), ("one", ["input"]), ("identity", ["input"]), ("+", ["one", "identity"]), ("two", ["+"]), ("", ["+"]),
        ("+", ["", "two"]),
    ]  # fmt: skip
    assert lanes_of(block.nodes) == [0, 0, 1, 0, 0, 2, 0]


@pytest.mark.parametrize("ending", [".svg", ".png", ".pdf"])
def test_the_same_network_gives_the_same_bytes(ending: str, tmp_path: Path):
    for number in (1, 2):
        architecture.draw("resnet20", *rows_of("resnet20"), tmp_path / f"{number}{ending}")
    assert (tmp_path / f"1{ending}").read_bytes() == (tmp_path / f"2{ending}").read_bytes()
    assert [path.name for path in sorted(tmp_path.iterdir())] == [f"1{ending}", f"2{ending}"]


def test_a_name_is_shown_as_it_is_written(tmp_path: Path):
    path = tmp_path / "net.svg"
    architecture.draw("a_$x$ <b> & c", *rows_of("lenet5"), path)
    assert texts(path)[0] == "a_$x$ <b> & c"


def test_another_ending_is_refused_before_anything_is_written(tmp_path: Path):
    path = tmp_path / "net.jpg"
    with pytest.raises(SettingError) as refused:
        architecture.draw("lenet5", *rows_of("lenet5"), path)
    assert str(refused.value) == f"expected an image's path to end in .svg, .png, .pdf; got {path}."
    assert list(tmp_path.iterdir()) == []
