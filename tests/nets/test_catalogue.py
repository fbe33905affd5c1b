"""The table is true: every row resolves, its numbers are those of the network, and no architecture is left out."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import striate.nets
from striate.base.errors import SettingError, ShapeError
from striate.nets import catalogue
from striate.nets.factory import SETTINGS, build
from striate.nets.summary import layer_table

ROWS = catalogue.CATALOGUE


@pytest.mark.parametrize("entry", ROWS, ids=lambda entry: entry.name)
def test_a_row_is_true(entry: catalogue.Entry):
    with torch.device("meta"):
        net = build(entry.name, entry.input_chw, entry.classes)
        smallest = build(entry.name, (entry.input_chw[0], entry.smallest_px, entry.smallest_px), 2)
    rows = layer_table(net)
    assert sum(parameter.numel() for parameter in net.parameters()) == entry.parameters
    assert sum(row.parameters for row in rows) == entry.parameters
    assert sum(row.macs for row in rows) == entry.macs
    assert net.taps == entry.taps
    assert set(entry.settings) <= set(SETTINGS)
    assert layer_table(smallest)[-1].output == (2,)
    with pytest.raises(ShapeError, match=rf"at least {entry.smallest_px} x {entry.smallest_px} pixels"):
        build(entry.name, (entry.input_chw[0], entry.smallest_px, entry.smallest_px - 1), 2)


@pytest.mark.parametrize("entry", ROWS, ids=lambda entry: entry.name)
def test_every_setting_of_a_row_changes_the_network(entry: catalogue.Entry):
    other = {
        "dropout": 0.125, "activation": "tanh", "pooling": "average", "shortcut": "C", "v1": True, "output": "linear",
        "aux": True, "views": 2,
    }  # fmt: skip
    with torch.device("meta"):
        plain = repr(build(entry.name, entry.input_chw, entry.classes))
        for name in entry.settings:
            assert repr(build(entry.name, entry.input_chw, entry.classes, **{name: other[name]})) != plain, name


def test_every_architecture_file_has_a_row():
    folder = Path(striate.nets.__file__).parent / "architectures"
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "residual_blocks", "timm_net"}
    assert files == {entry.where.partition(":")[0] for entry in ROWS}


def test_names_are_unique():
    assert len(set(catalogue.names())) == len(ROWS)


def test_the_table_needs_no_torch():
    code = "import sys, striate.nets.catalogue as c; assert c.find('mlp'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(SettingError, match=r"There is no network 'mnist_cn'; did you mean mnist_cnn\? One of your own is"):
        catalogue.find("mnist_cn")
