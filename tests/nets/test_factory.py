from pathlib import Path

import pytest
import torch

from striate.base.errors import SettingError
from striate.nets.factory import build, published, source_of

OWN = """
import torch
from striate.nets.net import Net

class Tiny(Net):
    taps = ("fc1",)
    head_name = "fc1"
    def __init__(self, input_chw, num_classes):
        super().__init__(input_chw)
        c, h, w = input_chw
        self.fc1 = torch.nn.Linear(c * h * w, num_classes)
    def forward(self, images_NCHW):
        return self.fc1(images_NCHW.flatten(1))

class NoTaps(Net):
    def __init__(self, input_chw, num_classes):
        super().__init__(input_chw)

class Fixed(Tiny):
    def __init__(self, input_chw, num_classes):
        super().__init__(input_chw, 3)

class OtherArguments(Net):
    def __init__(self):
        super().__init__((1, 2, 2))

class Stranger:
    pass
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def test_initial_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    first = build("mlp", (1, 4, 4), 3, seed=5).state_dict()
    torch.manual_seed(2)
    again, other = build("mlp", (1, 4, 4), 3, seed=5).state_dict(), build("mlp", (1, 4, 4), 3, seed=6).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["fc1.weight"], other["fc1.weight"])


def test_building_leaves_torch_s_generator_alone():
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    build("mlp", (1, 4, 4), 3)
    assert torch.equal(torch.rand(1), expected)


def test_dropout_reaches_the_layer_and_is_refused_where_there_is_none():
    assert build("mnist_cnn", (1, 8, 8), 3, dropout=0.25).get_submodule("dropout").p == 0.25
    with pytest.raises(SettingError, match=r"net.dropout does not apply to 'relu, fc 3': it has no settings of its own"):
        build("relu, fc 3", (1, 8, 8), 3, dropout=0.25)


def test_a_network_that_is_not_given_sizes_has_those_it_was_published_for():
    assert published("resnet50") == (3, 224, 1000)
    assert published("lenet5") == (1, 32, 10)
    assert published("conv 3x3x4, relu, fc 7") == (1, 28, 7)
    assert published("conv 3x3x4, relu, fc") == (1, 28, 10)


def test_a_class_of_one_s_own(own: Path):
    net = build(f"{own}:Tiny", (1, 2, 2), 3)
    assert net(torch.zeros(5, 1, 2, 2)).shape == (5, 3)
    source = source_of(f"{own}:Tiny")
    assert source is not None
    assert source.path == own
    assert len(source.sha256) == 64
    assert source_of("mlp") is None


@pytest.mark.parametrize(
    ("cls", "text"),
    [
        ("Absent", "a class Absent that derives from striate.nets.net.Net; got no such class"),
        ("Stranger", "a class Stranger that derives from striate.nets.net.Net; got <class"),
        ("NoTaps", "expected `taps` and `head_name` to name its layers"),
        ("Fixed", "the data have 4 classes; its head 'fc1' has 3 outputs"),
        ("OtherArguments", "cannot be built as OtherArguments(input_chw, num_classes=K)"),
    ],
)
def test_a_class_that_does_not_keep_the_contract_is_refused(own: Path, cls: str, text: str):
    with pytest.raises(SettingError) as refused:
        build(f"{own}:{cls}", (1, 2, 2), 4)
    assert text in str(refused.value)


def test_a_file_that_is_absent_or_broken_is_refused(tmp_path: Path):
    with pytest.raises(SettingError, match=r"expected a Python file at .*none.py for --net"):
        build(f"{tmp_path / 'none.py'}:Net", (1, 2, 2), 3)
    (tmp_path / "broken.py").write_text("1 / 0")
    with pytest.raises(SettingError, match=r"broken.py cannot be run: ZeroDivisionError"):
        build(f"{tmp_path / 'broken.py'}:Net", (1, 2, 2), 3)
