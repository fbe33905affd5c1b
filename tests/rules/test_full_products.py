"""What `make soak` runs without a mark is there, and the rest of it stays in `make test`."""

import ast

import pytest

from support.documents import ROOT, blocks
from support.full_products import COMMANDS, ROWS, FullProduct, of


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.file}:{row.functions.split()[0]}")
def test_a_row_names_functions_that_are_there_and_says_what_stays(row: FullProduct):
    tree = ast.parse((ROOT / "tests" / row.file).read_text("utf-8"))
    assert {*row.functions.split()} <= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert row.stays


def test_a_long_command_is_one_of_its_document():
    for name, commands in COMMANDS.items():
        there = {command for block in blocks((ROOT / name).read_text("utf-8")) for command in block.commands}
        assert {*commands} <= there, name


def test_a_test_belongs_to_a_row_by_its_file_its_name_and_its_values():
    drawn = "test_the_same_signal_gives_the_same_bytes"
    assert of("plots/network/test_signal.py", drawn, ".png") is not None
    assert of("plots/network/test_signal.py", drawn, ".svg") is None
    assert of("plots/network/test_architecture.py", drawn, ".png") is None
    fields = ("contract/test_nets.py", "test_every_weight_gets_a_gradient")
    assert [of(*fields, name) is None for name in ("resnet20", "resnet110", "vgg11_bn", "vgg16_bn")] == [
        True,
        False,
        True,
        False,
    ]
