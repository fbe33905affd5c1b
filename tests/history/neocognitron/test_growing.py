"""Layers that grow: a plane where all are silent, winners reinforced, a plane of the top layer for each mistake."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from striate.history.neocognitron import digits, growing
from striate.history.neocognitron.demo import demonstrate
from striate.history.neocognitron.layers import SLayer, SRow
from striate.history.neocognitron.net import Neocognitron, predict
from striate.history.neocognitron.strokes import render


def quiet(*_args: object) -> None:
    pass


def test_images_shrink_by_area():
    rows_HW = torch.tensor([[0.0, 3.0, 6.0]]).repeat(3, 1)
    halves_HW = growing.shrunk(rows_HW[None], 2, 0)[0, 0]  # (0 + 3/2) / 1.5 and (3/2 + 6) / 1.5
    assert halves_HW.flatten().tolist() == pytest.approx([1, 5, 1, 5])
    assert growing.shrunk(rows_HW[None], 1, 1).item() == 3.0


def view(*pixels: float) -> Tensor:
    return torch.tensor(pixels, dtype=torch.float32).view(1, len(pixels), 1, 1)


def grown(maps_NKHW: Tensor, max_planes: int = 9, threshold: float = 0.7) -> Tensor:
    layer = SLayer((maps_NKHW.shape[1], 1), SRow(1, 0, 1, 1.0, 1.0), 1988)
    return growing.grow(layer, maps_NKHW, threshold, max_planes, 0.1, quiet).flatten(1)


def test_a_plane_is_added_only_where_all_are_silent():
    maps_NKHW = torch.cat([view(1, 0), view(3, 1), view(0, 2)])  # the first two are alike: cosine 0.95
    found_PD = grown(maps_NKHW)
    assert len(found_PD) == 2
    assert len(grown(maps_NKHW, threshold=0.96)) == 3
    assert len(grown(maps_NKHW, max_planes=1)) == 1


def test_winners_are_reinforced_by_what_they_see():
    found_PD = grown(torch.cat([view(1, 0), view(0, 2)]))
    assert sorted(found_PD.tolist()) == [[0, 4], [2, 0]]  # the input that added the plane, and the same once more


def test_where_there_is_little_to_see_no_plane_is_added():
    assert len(grown(torch.cat([view(0, 0), view(0, 0.01), view(1, 0)]))) == 1


def test_filled_cells_respond_by_cosine():
    layer = SLayer((2, 3), SRow(3, 2, 3, 1.0, 0.5), 1988)
    generator = torch.Generator().manual_seed(0)
    window_Kkk = torch.rand(2, 3, 3, generator=generator)
    growing.fill(layer, torch.stack([7 * window_Kkk * layer.c_kk, torch.rand(2, 3, 3, generator=generator)]))
    assert layer(window_Kkk[None])[0, 0, 1, 1].item() == pytest.approx(1.0, abs=1e-3)  # r (1 / theta - 1) with theta 1/2


def test_the_top_layer_makes_a_plane_for_each_mistake_and_reinforces_what_is_right():
    inputs_ND = torch.tensor([[1.0, 0.0], [1.0, 0.2], [0.9, 0.1], [0.0, 1.0]])
    top = growing.compete(inputs_ND, torch.tensor([0, 0, 1, 2]), sweeps=1, max_planes=9, progress=quiet)
    assert top.labels_P.tolist() == [0, 1, 2]
    assert top.sums_PD.tolist() == [[2.0, pytest.approx(0.2)], [pytest.approx(0.9), pytest.approx(0.1)], [0.0, 1.0]]


def test_the_top_layer_has_no_more_planes_than_it_may():
    top = growing.compete(torch.eye(5), torch.arange(5), sweeps=2, max_planes=3, progress=quiet)
    assert top.labels_P.tolist() == [0, 1, 2]


def test_a_network_that_grew_recognizes_what_it_learned_and_reports_its_progress():
    shown = [(plane.digit, strokes) for plane in digits.TRAINING for strokes in plane.exemplars]
    images_NCHW = torch.stack([render(strokes, 19) for _, strokes in shown])[:, None]
    labels_N = torch.tensor([digit for digit, _ in shown])
    events: list[dict[str, object]] = []
    small = growing.GROWTH._replace(max_planes=(20, 40))
    net = growing.learn(growing.empty(), images_NCHW, labels_N, events.append, small)
    assert (predict(net(images_NCHW)) == labels_N).float().mean() >= 0.96
    assert {event["event"] for event in events} == {"growing us2", "growing us3", "growing uc3", "growing us4"}
    assert all(event["done"] <= event["total"] for event in events)
    again = growing.learn(growing.empty(), images_NCHW, labels_N, growth=small)
    assert torch.equal(net(images_NCHW), again(images_NCHW))
    rebuilt = Neocognitron(net.design, strongest=True)
    rebuilt.load_state_dict(net.state_dict())
    assert torch.equal(net(images_NCHW), rebuilt(images_NCHW))


@pytest.mark.soak
def test_accuracy_on_mnist(shared_data: Path, tmp_path: Path):
    mnist = demonstrate(tmp_path, mnist=12_000, data_dir=str(shared_data)).numbers["mnist"]
    assert mnist["n"] == 10_000
    assert mnist["accuracy"] >= 0.94
