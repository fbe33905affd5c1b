"""The network of 1988: its table, its contract, and what it recognizes after its teacher is done."""

from functools import lru_cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from striate.base.errors import ShapeError, UnsupportedError
from striate.history.neocognitron import digits, features, growing
from striate.history.neocognitron.demo import evaluate
from striate.history.neocognitron.net import DESIGN_1980, DESIGN_1988, Neocognitron, predict, table
from striate.history.neocognitron.strokes import render
from striate.history.neocognitron.teacher import lessons, teach
from striate.nets.hooks import taps


@lru_cache(maxsize=1)
def taught() -> Neocognitron:
    return teach(Neocognitron())


def test_the_table_of_1988_has_the_paper_s_cells_and_weights():
    rows = table(Neocognitron())
    assert [(row.name, row.side, row.planes) for row in rows] == [
        ("u0", 19, 1), ("us1", 19, 12), ("uc1", 21, 8), ("us2", 21, 38), ("uc2", 13, 19), ("us3", 13, 35), ("uc3", 7, 23),
        ("us4", 3, 11), ("uc4", 1, 10),
    ]  # fmt: skip
    assert sum(row.cells for row in rows) == 35_341
    assert sum(row.v_cells for row in rows) == 361 + 441 + 169 + 9
    assert [row.a for row in rows if row.a] == [12 * 9, 38 * 25 * 8, 35 * 25 * 19, 11 * 25 * 23]
    assert sum(row.a for row in rows) == 30_658
    assert sum(row.b for row in rows) == 96
    assert sum(weight.numel() for weight in Neocognitron().parameters()) == 30_658 + 96


def test_every_s_plane_is_in_a_group():
    for s_row, c_row in DESIGN_1988.stages:
        assert sum(c_row.groups) == s_row.planes
    assert DESIGN_1988.stages[3][1].groups[4] == 2  # the digit 4


def test_planes_of_a_group_are_for_the_same():
    for named, (_, c_row) in zip((features.FEATURES, features.PARTS), DESIGN_1988.stages[1:3], strict=True):
        names = iter([entry.name for entry in named])
        groups = [{next(names) for _ in range(planes)} for planes in c_row.groups]
        assert all(len(group) == 1 for group in groups)
        assert len(set.union(*groups)) == len(groups)
    assert [plane.digit for plane in digits.TRAINING] == [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9]


def test_as_many_exemplars_are_shown_as_the_table_has():
    shown = [[lesson.plane for lesson in lessons(stage)] for stage in (1, 2, 3, 4)]
    assert [len(planes) for planes in shown] == [12, 123, 73, 25]
    assert [shown[1].count(plane) for plane in range(38)] == [
        4, 4, 4, 4, 4, 4, 2, 3, 4, 2, 3, 4, 2, 4, 4, 4, 1, 3, 5, 4, 3, 3, 4, 3, 3, 4, 3, 3, 4, 3, 3, 3, 4, 3, 3, 1, 2, 2,
    ]  # fmt: skip
    assert all(1 <= shown[2].count(plane) <= 5 for plane in range(35))
    assert [shown[3].count(plane) for plane in range(11)] == [2, 3, 2, 2, 3, 4, 1, 2, 2, 2, 2]


def test_every_template_is_recognized():
    assert evaluate(taught())["templates"] == {"correct": 25, "of": 25, "wrong": []}


def test_every_template_is_recognized_when_shifted_by_a_pixel_in_any_direction():
    assert evaluate(taught())["shifted"] == {"correct": 200, "of": 200, "wrong": []}


def test_ten_digits_in_other_styles_are_recognized():
    size = DESIGN_1988.size_px
    drawn = [render(strokes, size) for plane in digits.TRAINING for strokes in plane.exemplars]
    assert not any(torch.equal(render(other, size), template) for other in digits.OTHERS for template in drawn)
    assert evaluate(taught())["others"] == {"correct": 10, "of": 10, "wrong": []}


def test_the_evaluation_lists_what_is_wrong():
    counts = evaluate(Neocognitron())
    assert counts["templates"]["correct"] == 0
    assert counts["templates"]["wrong"][0] == {"digit": 0, "prediction": -1, "number": 0, "shift": [0, 0]}


def test_a_digit_of_any_contrast_is_recognized():
    images_NCHW = torch.stack([render(other, 19) for other in digits.OTHERS])[:, None]
    assert predict(taught()(0.2 * images_NCHW)).tolist() == list(range(10))


def test_an_empty_image_is_rejected():
    outputs_NK = taught()(torch.zeros(2, 1, 19, 19))
    assert not outputs_NK.any()
    assert predict(outputs_NK).tolist() == [-1, -1]


def test_taps_are_layers_in_forward_order_and_the_head_is_the_last():
    net = taught()
    with taps(net, *net.taps) as responses:
        outputs_NK = net(torch.rand(3, 1, 19, 19))
    assert tuple(responses) == net.taps == ("us1", "uc1", "us2", "uc2", "us3", "uc3", "us4", "uc4")
    assert torch.equal(responses[net.head_name], outputs_NK)
    assert outputs_NK.shape == (3, 10)
    assert net.num_classes == 10
    assert [tuple(maps.shape[1:]) for maps in responses.values()][:7] == [
        (12, 19, 19), (8, 21, 21), (38, 21, 21), (19, 13, 13), (35, 13, 13), (23, 7, 7), (11, 3, 3),
    ]  # fmt: skip
    assert all(bool((maps >= 0).all()) for maps in responses.values())


def test_hooks_come_off_when_the_network_fails():
    net = Neocognitron()
    with pytest.raises(ShapeError), taps(net, *net.taps):
        net(torch.zeros(1, 1, 20, 20))
    assert not any(layer._forward_hooks for layer in net.modules())


def test_images_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"Neocognitron expects images_NCHW with C=1, H=19, W=19; got \(2, 1, 28, 28\)"):
        taught()(torch.zeros(2, 1, 28, 28))


def test_an_image_s_prediction_does_not_depend_on_its_batch():
    images_NCHW = torch.stack([render(other, 19) for other in digits.OTHERS])[:, None]
    alone_NK = torch.cat([taught()(image_CHW[None]) for image_CHW in images_NCHW])
    assert torch.allclose(taught()(images_NCHW), alone_NK, atol=1e-5)


def test_its_last_layer_cannot_be_replaced():
    with pytest.raises(UnsupportedError, match="cannot be replaced by one of 3 classes"):
        taught().replace_head(3)


@pytest.mark.parametrize("design", [DESIGN_1988, DESIGN_1980])
def test_no_weight_requires_a_gradient(design: object):
    net: nn.Module = Neocognitron(DESIGN_1988 if design is DESIGN_1988 else DESIGN_1980)
    assert not any(weight.requires_grad for weight in net.parameters())


def test_a_stage_can_be_given_other_planes_and_its_weights_saved(tmp_path: Path):
    net = Neocognitron(growing.design(), strongest=True)
    net.resize(2, (1, 2, 1))
    net.resize(3, (1,) * 5)
    net.resize(4, (2, 0, 1))
    for weight in net.parameters():
        weight.copy_(torch.rand(weight.shape))
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    again = Neocognitron(net.design, strongest=True)
    again.load_state_dict(load_file(tmp_path / "w.safetensors"))
    images_NCHW: Tensor = torch.rand(2, 1, 19, 19)
    assert torch.equal(again(images_NCHW), net(images_NCHW))
    assert net(images_NCHW).shape == (2, 3)
    assert list(dict(net.named_children())) == list(net.taps)
