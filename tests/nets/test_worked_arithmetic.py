import re
from functools import cache
from math import ceil, floor

import pytest
from torch import Tensor, nn

from striate.base.errors import SettingError
from striate.nets import catalogue, worked_arithmetic
from striate.nets.factory import outline
from striate.nets.net import Net
from striate.nets.summary import Layer, layer_table
from striate.nets.worked_arithmetic import explain

FIELDS = {
    "parameters": "parameters",
    "multiply-adds": "macs",
    "receptive field": "receptive_field",
    "jump": "jump",
    "memory": "bytes",
}
OUTPUT = {"units": 0, "height": 1, "width": 2, "side": 1}


@cache
def net_of(name: str, size: int | None = None) -> Net:
    entry = catalogue.find(name)
    side = size or entry.input_chw[1]
    return outline(name, (entry.input_chw[0], side, side), entry.classes)


def lines_of(net: Net, name: str) -> dict[str, str]:
    """The lines about a layer after the first, by what is before their first equals sign."""
    return dict(line.strip().split(" = ", 1) for line in explain(net, name)[1:] if " = " in line)


class Pair(Net):
    """One layer before the head, for explanations of any."""

    taps, head_name = ("layer",), "fc1"

    def __init__(self, layer: nn.Module, chw: tuple[int, int, int], outputs: int, times: int = 1) -> None:
        super().__init__(chw)
        self.layer, self.fc1, self.times = layer, nn.Linear(outputs, 2), times

    def forward(self, images_NCHW: Tensor) -> Tensor:
        for _ in range(self.times):
            images_NCHW = self.layer(images_NCHW)
        return self.fc1(images_NCHW.mean((2, 3)))


def test_conv2_of_alexnet_is_worked_out_in_full():
    assert explain(net_of("alexnet"), "conv2") == (
        "conv2: Conv2d, 96 x 27 x 27 -> 256 x 27 x 27",
        "  side = floor((W - F + 2P) / S) + 1 = floor((27 - 5 + 2 x 2) / 1) + 1 = 27",
        "  parameters = (F x F x C / groups + 1) x D = (5 x 5 x 96 / 2 + 1) x 256 = 307,456",
        "  multiply-adds = H x W x F x F x C / groups x D = 27 x 27 x 5 x 5 x 96 / 2 x 256 = 223,948,800",
        "  receptive field = r + (F - 1) x j = 19 + (5 - 1) x 8 = 51 px",
        "  jump = j x S = 8 x 1 = 8 px",
        "  memory = 4 bytes x 256 x 27 x 27 = 746,496 bytes an image in float32",
    )


def test_a_head_for_twenty_classes_is_worked_out_with_its_biases():
    lines = lines_of(outline("alexnet", (3, 227, 227), 20), "fc8")
    assert lines["parameters"] == "(inputs + 1) x outputs = (4096 + 1) x 20 = 81,940"
    assert lines["multiply-adds"] == "inputs x outputs = 4096 x 20 = 81,920"


def test_a_pool_that_rounds_up_says_so():
    lines = lines_of(net_of("googlenet"), "pool1")
    assert lines["side"] == "ceil((W - F + 2P) / S) + 1 = ceil((112 - 3 + 2 x 0) / 2) + 1 = 56"  # 54.5 is rounded up to 55
    assert lines["parameters"] == "0"
    assert lines["multiply-adds"] == "0: only products with weights are counted"


def test_a_pool_that_rounds_up_has_no_window_that_begins_outside():
    net = Pair(nn.MaxPool2d(1, 2, ceil_mode=True), (3, 4, 4), 3)  # windows at 0 and 2; a third would begin at 4
    lines = lines_of(net, "layer")
    assert lines["side"] == (
        "ceil((W - F + 2P) / S) + 1 - 1 = ceil((4 - 1 + 2 x 0) / 2) + 1 - 1 = 2, as one more window would begin outside"
    )


def test_a_convolution_by_table_counts_its_links():
    lines = lines_of(net_of("lenet5"), "c3")
    assert lines["parameters"] == "F x F x links + D = 5 x 5 x 60 + 16 = 1,516"
    assert lines["multiply-adds"] == "H x W x F x F x links = 10 x 10 x 5 x 5 x 60 = 150,000"
    assert lines_of(net_of("lecun1989"), "h2")["parameters"] == "F x F x links = 5 x 5 x 96 = 2,400"


def test_which_maps_c3_of_lenet5_reads_is_table_i_of_the_paper():
    lines = explain(net_of("lenet5"), "c3")
    # By column: six neighbors by three, six by four, three by four in two pairs, and one that reads all
    columns = ["012", "123", "234", "345", "045", "015", "0123", "1234", "2345", "0345", "0145", "0125", "0134", "1245", "0235"]
    start = lines.index("  maps of squash2 down, of c3 across; X where one reads the other:") + 2
    marks = [line.split()[1:] for line in lines[start : start + 6]]
    assert ["".join(str(s) for s in range(6) if marks[s][c] == "X") for c in range(16)] == [*columns, "012345"]
    assert lines[start - 1].split() == [str(number) for number in range(16)]
    assert lines_of(net_of("lenet5"), "c3")["links"] == "maps x input maps that each reads = 6 x 3 + 9 x 4 + 1 x 6 = 60"
    assert lines_of(net_of("lecun1989"), "h2")["links"] == "maps x input maps that each reads = 12 x 8 = 96"


def test_layers_that_only_the_old_papers_have_are_worked_out():
    assert lines_of(net_of("lenet5"), "s2")["parameters"] == "2 for each of D = 2 x 6 = 12"
    assert lines_of(net_of("lenet5"), "s2")["multiply-adds"] == "one for each unit = 6 x 14 x 14 = 1,176"
    assert lines_of(net_of("lenet5"), "output")["multiply-adds"] == "inputs x outputs = 84 x 10 = 840"
    assert lines_of(net_of("lecun1989"), "bias1")["parameters"] == "one for each unit = 12 x 8 x 8 = 768"
    assert lines_of(net_of("lecun1989"), "pad1")["side"] == "W + 2P = 16 + 2 + 2 = 20"
    assert lines_of(net_of("alexnet"), "norm1")["multiply-adds"] == (
        "0: not counted; b = a / (k + alpha x sum of a^2 over n channels)^beta with n=5, alpha=0.0001, beta=0.75, k=2.0"
    )


def test_without_maps_a_unit_sees_the_whole_image_or_more():
    assert lines_of(net_of("alexnet"), "flatten")["receptive field"] == "max(r, side of the image) = max(195, 227) = 227 px"
    assert lines_of(net_of("resnet101"), "pool5")["receptive field"] == "max(r, side of the image) = max(971, 224) = 971 px"
    assert lines_of(net_of("resnet101"), "pool5")["jump"] == "max(j, side of the image) = max(32, 224) = 224 px"


def test_kernels_that_are_not_square_have_a_line_for_each_side():
    lines = lines_of(Pair(nn.Conv2d(1, 8, (3, 5), padding=1, bias=False), (1, 28, 28), 8), "layer")
    assert lines["height"] == "floor((W - F + 2P) / S) + 1 = floor((28 - 3 + 2 x 1) / 1) + 1 = 28"
    assert lines["width"] == "floor((W - F + 2P) / S) + 1 = floor((28 - 5 + 2 x 1) / 1) + 1 = 26"
    assert lines["parameters"] == "(F x F x C) x D = (3 x 5 x 1) x 8 = 120"


def test_dilation_widens_the_window():
    lines = lines_of(Pair(nn.Conv2d(2, 2, 3, dilation=2), (2, 9, 9), 2), "layer")
    assert lines["side"] == (
        "floor((W - (dilation x (F - 1) + 1) + 2P) / S) + 1 = floor((9 - (2 x (3 - 1) + 1) + 2 x 0) / 1) + 1 = 5"
    )
    assert lines["receptive field"] == "r + (F - 1) x dilation x j = 1 + (3 - 1) x 2 x 1 = 5 px"


def test_padding_to_the_same_size_is_said_in_words():
    assert lines_of(Pair(nn.Conv2d(2, 2, 5, padding="same"), (2, 9, 9), 2), "layer")["side"] == "W, as the padding keeps it = 9"


def test_a_layer_that_runs_twice_is_explained_twice_and_its_parameters_counted_once():
    lines = explain(Pair(nn.Conv2d(2, 2, 3), (2, 9, 9), 2, times=2), "layer")
    assert [line for line in lines if "receptive field" in line] == [
        "  receptive field = r + (F - 1) x j = 1 + (3 - 1) x 1 = 3 px",
        "  receptive field = r + (F - 1) x j = 3 + (3 - 1) x 1 = 5 px",
    ]
    assert [line.split(" = ")[-1] for line in lines if "parameters" in line] == [
        "38",
        "0: they are counted where they first occur",
    ]


def test_a_block_is_explained_layer_by_layer_in_forward_order():
    heads = [line.partition(":")[0] for line in explain(net_of("resnet20"), "conv3_1") if not line.startswith(" ")]
    inside = ("conv1", "bn1", "relu1", "conv2", "bn2", "shortcut", "relu2")
    assert heads == [f"conv3_1.{name}" for name in inside]


def test_a_layer_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(SettingError) as caught:
        explain(net_of("alexnet"), "cnv2")
    assert str(caught.value) == "There is no layer 'cnv2'; did you mean conv2 or conv5 or conv4?"
    with pytest.raises(SettingError) as caught:
        explain(net_of("googlenet"), "inception3a.conv3")
    assert str(caught.value).startswith("There is no layer 'inception3a.conv3'; did you mean inception3a.conv3x3 or ")
    with pytest.raises(SettingError) as caught:
        explain(net_of("mnist_cnn"), "")
    assert str(caught.value) == (
        "There is no layer ''; there are: conv1, conv2, dropout, fc1, fc2, flatten, pool1, pool2, relu1, relu2, relu3."
    )


def number(text: str) -> int:
    outcome = re.match(r"\d+(,\d{3})*", text)
    assert outcome, text
    return int(outcome[0].replace(",", ""))


def value_of(sum_text: str) -> float:
    """What an expression such as `4 bytes x floor((27 - 5) / 2)` comes to."""
    code = re.sub(r"\bbytes\b", "", sum_text).replace(" x ", " * ").replace("  ", " ")
    names = {"floor": floor, "ceil": ceil, "max": max, "__builtins__": {}}
    return float(eval(code, names))


def check(row: Layer, line: str) -> int:
    """Hold a line against its row; 1 where it had a sum to work out."""
    label, _, rest = line.strip().partition(" = ")
    if label == "links":
        _, worked, result = rest.split(" = ")
        assert value_of(worked) == number(result), line
        return 1
    table = getattr(row, FIELDS[label]) if label in FIELDS else row.output[OUTPUT[label]]
    if label == "side":
        assert row.output[1] == row.output[2]
    assert isinstance(table, int)
    if re.match(r"0(:|$)", rest):
        assert table == 0, line
        return 0
    *_, worked, result = rest.split(" = ") if " = " in rest else ("", rest)
    assert number(result) == table, line
    if worked:
        assert value_of(worked) == table, line
    return bool(worked)


@pytest.mark.parametrize("name", catalogue.names())
def test_every_formula_of_every_layer_gives_the_number_of_the_table(name: str, monkeypatch: pytest.MonkeyPatch):
    entry = catalogue.find(name)
    for size in {entry.input_chw[1], entry.smallest_px, entry.input_chw[1] + 13}:
        net = net_of(name, size)
        rows = layer_table(net)
        monkeypatch.setattr(worked_arithmetic, "layer_table", lambda _net, rows=rows: rows)
        worked = 0
        for row in rows:
            head, *lines = explain(net, row.name)
            assert head.startswith(f"{row.name}: {row.kind}, ")
            lines = [line for line in lines if " = " in line]  # the table of a TableConv2d has none
            labels = [line.strip().partition(" = ")[0] for line in lines]
            assert set(FIELDS) <= set(labels)
            worked += sum(check(row, line) for line in lines)
        assert worked >= 3 * len(rows)  # receptive field, jump and memory at least


def test_a_formula_that_does_not_give_the_number_of_the_table_is_noticed():
    row = layer_table(net_of("alexnet"))[4]
    assert check(row, "  jump = j x S = 8 x 1 = 8 px") == 1
    for wrong in ("  jump = j x S = 8 x 2 = 8 px", "  jump = j x S = 8 x 2 = 16 px", "  parameters = 0", "  side = 28"):
        with pytest.raises(AssertionError):
            check(row, wrong)
