import pytest
import torch

from striate.figures.penalties import CASES, CURVATURE, MINIMUM, descend
from support.lesson_views import views_of


def test_two_weights_end_where_those_of_the_figure_do():
    views = views_of("penalties", kind="l1", strength=0.6)
    path = views["two"]["lines"][-1]
    expected_T2 = descend(CASES[1], torch.tensor(MINIMUM), torch.tensor(CURVATURE))
    assert (path["x"], path["y"]) == (expected_T2[:, 0].tolist(), expected_T2[:, 1].tolist())
    # On the corner of L1 the second weight alone: 1.5 + 0.3 · 0.4 - 0.6
    assert (path["x"][-1], path["y"][-1]) == (0, pytest.approx(1.02, abs=1e-5))
    corner = views["two"]["lines"][-2]  # weights with the same penalty: |w1| + |w2| = 1.02
    assert [abs(x) + abs(y) for x, y in zip(corner["x"], corner["y"], strict=True)] == pytest.approx([1.02] * 181, abs=1e-5)


def test_a_thousand_weights_shrink_alike_or_become_zero_or_are_bounded():
    before, l2 = views_of("penalties", kind="l2", strength=0.5)["table"]["rows"]
    assert l2[1:] == [
        0,
        *(pytest.approx(value * factor, rel=1e-4) for value, factor in zip(before[2:], (0.5, 0.25, 0.5), strict=True)),
    ]
    # Soft thresholding: zero is what was below the factor
    drawn = 0.5 * torch.randn(40, 25, generator=torch.Generator().manual_seed(0))
    assert views_of("penalties", kind="l1", strength=0.3)["table"]["rows"][1][1] == int((drawn.abs() <= 0.3).sum())
    assert views_of("penalties", kind="l1", strength=0.3, proximal=False)["table"]["rows"][1][1] < 10
    assert views_of("penalties", kind="max_norm", bound=0.5)["table"]["rows"][1][4] == pytest.approx(0.5, abs=1e-5)
