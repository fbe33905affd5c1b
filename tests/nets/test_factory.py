import pytest
import torch

from striate.base.errors import SettingError
from striate.nets.factory import build, published


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
