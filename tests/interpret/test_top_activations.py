import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.base.errors import NumbersError, SettingError
from striate.interpret import activations, top_activations
from support.tiny_nets import OnesThenMean, batches, hooks_of, ramp


def test_by_hand_the_value_its_place_its_image_and_its_patch():
    images = torch.cat([torch.zeros(1, 1, 3, 3), ramp(), torch.ones(1, 1, 3, 3)])
    ids = np.array([7, 2**63 + 5, 9], np.uint64)
    result = top_activations.strongest(OnesThenMean(), batches(images, (2, 1), ids=ids), k=2)
    conv = result["conv1"]
    assert conv.values_Uk.tolist() == [[24, 4], [0, -4]]
    assert conv.ids_Uk.tolist() == [[2**63 + 5, 9], [7, 9]]
    assert conv.order_Uk.tolist() == [[1, 2], [0, 2]]
    assert conv.places_Uk2.tolist() == [[[1, 1], [0, 0]], [[0, 0], [0, 0]]]
    assert conv.boxes_Uk4[0].tolist() == [[1, 1, 3, 3], [0, 0, 2, 2]]
    assert result["pool1"].boxes_Uk4[0, 0].tolist() == [0, 0, 3, 3]
    assert result["fc1"].values_Uk.tolist() == [[24, 4], [34, 14]]
    assert result["fc1"].places_Uk2[0, 0].tolist() == [0, 0]


def test_fewer_images_than_asked_for_are_all_given():
    result = top_activations.strongest(OnesThenMean(), batches(ramp(), (1,)), ["relu1"], k=5)["relu1"]
    assert result.values_Uk.tolist() == [[24], [0]]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.integers(1, 4), st.integers(0, 1000))
def test_any_batches_give_what_sorting_all_images_gives_and_the_earlier_of_equals(sizes: list[int], k: int, seed: int):
    images = torch.randint(0, 3, (sum(sizes), 1, 4, 4), generator=torch.Generator().manual_seed(seed)).float()
    net = OnesThenMean((1.0, -1.0, 0.5), side=4)
    result = top_activations.strongest(net, batches(images, tuple(sizes)), ["relu1"], k)["relu1"]
    values = activations.maps(net, images, ["relu1"])["relu1"].numpy()
    most = values.max(axis=(2, 3))
    order = np.argsort(-most, axis=0, kind="stable")[:k].T
    assert result.order_Uk.tolist() == order.tolist()
    assert result.ids_Uk.tolist() == order.tolist()
    for u in range(3):
        for at, image in enumerate(order[u]):
            row, column = result.places_Uk2[u, at]
            assert result.values_Uk[u, at] == values[image, u, row, column] == most[image, u]
            assert row * 3 + column == values[image, u].argmax()


def test_the_patch_alone_excites_the_unit_as_much():
    images = torch.randn(6, 1, 5, 5, generator=torch.Generator().manual_seed(2))
    net = OnesThenMean((1.0, -1.0), side=5)
    result = top_activations.strongest(net, batches(images, (6,)), ["pool1"], k=1)["pool1"]
    for u in range(2):
        top, left, bottom, right = result.boxes_Uk4[u, 0]
        alone = torch.zeros(1, 1, 5, 5)
        alone[..., top:bottom, left:right] = images[result.order_Uk[u, 0], :, top:bottom, left:right]
        row, column = result.places_Uk2[u, 0]
        assert activations.maps(net, alone)["pool1"][0, u, row, column] == pytest.approx(result.values_Uk[u, 0])


def test_what_cannot_be_is_refused():
    net = OnesThenMean()
    with pytest.raises(SettingError, match="expected at least 1 image for each unit; got k=0"):
        top_activations.strongest(net, [], k=0)
    with pytest.raises(SettingError, match="expected images; got none"):
        top_activations.strongest(net, [])
    with pytest.raises(SettingError, match="There is no layer 'convo1'; did you mean conv1"):
        top_activations.strongest(net, [], ["convo1"])
    with pytest.raises(NumbersError, match="conv1 has outputs that are nan or infinite"):
        top_activations.strongest(net, batches(ramp() * torch.nan, (1,)))
    assert hooks_of(net) == 0


def test_for_json():
    images = torch.cat([torch.zeros(1, 1, 3, 3), ramp()])
    (row,) = top_activations.as_json(top_activations.strongest(OnesThenMean(), batches(images, (2,)), ["conv1"], k=1))
    assert row["name"] == "conv1"
    assert row["units"][0] == [{"id": 1, "order": 1, "value": 24.0, "place": [1, 1], "box": [1, 1, 3, 3]}]


def test_many_units_over_many_images_stay_small_in_memory():
    class Wide(OnesThenMean):
        def __init__(self) -> None:
            super().__init__((1.0,))
            self.fc1 = torch.nn.Linear(1, 1024)

    net, made = Wide(), []

    def endless():
        for number in range(40):
            images = torch.randn(250, 1, 3, 3, generator=torch.Generator().manual_seed(number))
            made.append(float(images.sum()))
            yield batches(images, (250,))[0]

    result = top_activations.strongest(net, endless(), ["fc1"], k=9)["fc1"]
    assert result.values_Uk.shape == (1024, 9)
    assert len(made) == 40
    assert (np.diff(result.values_Uk, axis=1) <= 0).all()
