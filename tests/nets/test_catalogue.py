"""The table is true: every row resolves, its numbers are those of the network, and no architecture is left out."""

import subprocess
import sys
from pathlib import Path

import pytest

import striate.nets
from striate.base.errors import SettingError
from striate.nets import catalogue
from striate.nets.building import build
from striate.nets.layers import layer_table

ROWS = catalogue.CATALOGUE


@pytest.mark.parametrize("entry", ROWS, ids=lambda entry: entry.name)
def test_a_row_is_true(entry: catalogue.Entry):
    net = build(entry.name, entry.input_chw, entry.classes)
    rows = layer_table(net)
    assert sum(parameter.numel() for parameter in net.parameters()) == entry.parameters
    assert sum(row.parameters for row in rows) == entry.parameters
    assert sum(row.macs for row in rows) == entry.macs
    assert net.taps == entry.taps
    ran = [row.name for row in rows]
    assert [name for name in ran if name in entry.taps] == list(entry.taps), "taps are in forward order"
    smallest = (entry.input_chw[0], entry.smallest_px, entry.smallest_px)
    assert layer_table(build(entry.name, smallest, 2))[-1].output == (2,)


def test_every_architecture_file_has_a_row():
    folder = Path(striate.nets.__file__).parent
    rest = {"__init__", "building", "catalogue", "init", "layers", "line", "net", "tapping"}
    files = {path.stem for path in folder.glob("*.py")} - rest
    assert files == {entry.where.partition(":")[0].rpartition(".")[2] for entry in ROWS}


def test_names_are_unique():
    assert len(set(catalogue.names())) == len(ROWS)


def test_the_table_needs_no_torch():
    code = "import sys, striate.nets.catalogue as c; assert c.find('mlp'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(SettingError, match=r"There is no network 'mnist_cn'; did you mean mnist_cnn\? One of your own is"):
        catalogue.find("mnist_cn")
