"""The rule of 1980: who is reinforced, and five distinct winners for five patterns."""

import pytest
import torch

from striate.history.neocognitron.net import DESIGN_1980, Neocognitron, predict, table
from striate.history.neocognitron.winners import (
    COLUMNS,
    Representative,
    organize,
    patterns,
    present,
    representatives,
    start,
)


def test_the_table_of_1980():
    rows = table(Neocognitron(DESIGN_1980))
    assert [(row.name, row.side, row.planes) for row in rows] == [
        ("u0", 16, 1), ("us1", 16, 24), ("uc1", 10, 24), ("us2", 8, 24), ("uc2", 6, 24), ("us3", 2, 24), ("uc3", 1, 24),
    ]  # fmt: skip
    assert [stage[0].r for stage in DESIGN_1980.stages] == [4.0, 1.5, 1.5]


def test_each_column_nominates_one_cell_and_each_plane_takes_its_strongest_nominee():
    maps_PHW = torch.zeros(3, 1, 6)
    maps_PHW = maps_PHW.repeat(1, 3, 1)  # 3 planes of 3 x 6; columns of 3 x 3 begin at 0, 1, 2, 3
    maps_PHW[0, 1, 1] = 5.0  # nominated by the columns that begin at 0 and 1
    maps_PHW[1, 1, 2] = 4.0  # by the one that begins at 2
    maps_PHW[0, 0, 5] = 3.0  # by the last: but plane 0 has a stronger nominee
    maps_PHW[2, 2, 3] = 2.0  # weaker than another in every column
    chosen = representatives(maps_PHW, 3)
    assert sorted(chosen) == [Representative(0, 1, 1), Representative(1, 1, 2)]


def test_where_one_column_is_the_whole_layer_one_plane_learns():
    maps_PHW = torch.zeros(4, 2, 2)
    maps_PHW[3, 0, 1], maps_PHW[2, 1, 1] = 1.0, 0.9
    assert representatives(maps_PHW, 2) == [Representative(3, 0, 1)]


def test_cells_that_do_not_respond_are_not_nominated():
    assert representatives(torch.zeros(3, 8, 8), 5) == []


def test_only_representatives_are_reinforced():
    net, images_NCHW = start(0), patterns()
    before_PKkk = net.s_layer(1).a_PKkk.clone()
    outputs_PHW = net.s_layer(1)(images_NCHW[:1])[0]
    chosen = {representative.plane for representative in representatives(outputs_PHW, COLUMNS[0])}
    present(net, images_NCHW[:1])
    changed_P = (net.s_layer(1).a_PKkk != before_PKkk).flatten(1).any(1)
    assert set(changed_P.nonzero().flatten().tolist()) == chosen
    assert 0 < len(chosen) < 24
    assert (net.s_layer(1).b_P > 0).tolist() == changed_P.tolist()


def test_the_start_depends_on_the_seed_alone():
    assert torch.equal(start(3).s_layer(2).a_PKkk, start(3).s_layer(2).a_PKkk)
    assert not torch.equal(start(3).s_layer(2).a_PKkk, start(4).s_layer(2).a_PKkk)


@pytest.mark.parametrize("seed", range(6))
def test_five_patterns_get_five_distinct_winners(seed: int):
    images_NCHW = patterns()
    planes = predict(organize(images_NCHW, seed)(images_NCHW)).tolist()
    assert len(set(planes)) == 5
    assert -1 not in planes


def test_before_it_learns_no_five_planes_win():
    assert len(set(predict(start(0)(patterns())).tolist())) < 5
