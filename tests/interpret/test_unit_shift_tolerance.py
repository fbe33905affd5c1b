from typing import Any

import numpy as np
import pytest
import torch

from striate.base.errors import SettingError
from striate.interpret import unit_shift_tolerance
from striate.interpret.orientation_tuning import tuning
from support.tiny_nets import POINT, Cells, gabor

SHIFTS = tuple(np.arange(0, 5.01, 0.25))


def by_gratings(net: Cells, layer: str, frequency: float = 0.125) -> unit_shift_tolerance.Tolerance:
    return unit_shift_tolerance.by_gratings(net, tuning(net, layer, 2, (frequency,)), SHIFTS)


def test_a_point_loses_its_answer_as_the_cosine_does():
    tolerance = by_gratings(Cells(POINT), "relu1")
    right = np.maximum(np.cos(2 * np.pi * np.array(SHIFTS) / 8), 0)
    assert tolerance.response_DU[:, 0] == pytest.approx(right, abs=1e-5)
    assert tolerance.half_shift_U[0] == pytest.approx(8 / 6, abs=0.01)  # a sixth of a period
    assert tolerance.antiphase_U[0] == pytest.approx(0, abs=1e-5)


def test_pooled_over_a_whole_period_it_keeps_it():
    tolerance = by_gratings(Cells(POINT, pool=8), "pool1")
    assert tolerance.half_shift_U.tolist() == [np.inf]
    assert tolerance.antiphase_U[0] == pytest.approx(1, abs=1e-5)
    assert tolerance.response_DU[::4, 0] == pytest.approx(np.ones(6), abs=1e-5)  # whole pixels
    assert tolerance.response_DU.min() > np.cos(np.pi / 8) - 1e-5  # between them the nearest of eight is 22.5 degrees away


def test_gabors_before_and_after_a_pool_as_simple_and_complex_cells():
    kernels = np.stack([gabor(11, turn, 0.25, phase) for turn in (0, 40, 90) for phase in (0, 1.5)])
    net = Cells(kernels, pool=4)
    before, after = (
        unit_shift_tolerance.by_gratings(net, tuning(net, at, 18, (0.125, 0.25)), SHIFTS) for at in ("relu1", "pool1")
    )
    assert before.half_shift_U.tolist() == pytest.approx([4 / 6] * 6, abs=0.05)  # a sixth of a period
    assert (before.antiphase_U < 0.01).all()
    assert (after.antiphase_U > 0.8).all()
    periods = unit_shift_tolerance.by_gratings(
        net, tuning(net, "relu1", 18, (0.125, 0.25)), (0, 1 / 8, 1 / 4, 1 / 2, 1), in_periods=True
    )
    right = np.array([1, 2**-0.5, 0, 0, 1])
    assert periods.unit == "periods"
    assert periods.response_DU == pytest.approx(right[:, None].repeat(6, 1), abs=0.08)
    assert np.isinf(after.half_shift_U).all()


@pytest.mark.parametrize("turn", [-1.0, 1.0, 89.0, 178.0])
def test_a_cell_whose_stripes_nearly_lie_answers_its_own_best_grating(turn: float):
    net = Cells(gabor(11, turn, 0.125, 1.2, sigma=3)[None])
    tuned = tuning(net, "relu1", 36, (0.125,))
    tolerance = unit_shift_tolerance.by_gratings(net, tuned, (0, 1, 2))
    assert tolerance.response_DU[:, 0] == pytest.approx([1, 2**-0.5, 0], abs=0.05)


def noise(count: int = 6000, side: int = 7) -> torch.Tensor:
    return torch.randn(count, 1, side, side, generator=torch.Generator().manual_seed(0))


def test_over_white_noise_a_linear_unit_keeps_the_autocorrelation_of_its_kernel():
    pair = np.zeros((1, 3, 3))
    pair[0, 1, 1:] = 1  # two neighbors in a row: half is shared after a step along it, nothing across
    tolerance = unit_shift_tolerance.by_images(Cells(pair, pool=1, side=7), "conv1", noise(), 2)
    assert tolerance.response_DU[:, 0] == pytest.approx([1, (0.5 + 0.5 + 0 + 0) / 4, 0], abs=0.02)
    point = unit_shift_tolerance.by_images(Cells(POINT, pool=1, side=7), "conv1", noise(), 1)
    assert point.response_DU[1, 0] == pytest.approx(0, abs=0.02)
    assert point.half_shift_U[0] == pytest.approx(0.5, abs=0.02)


def test_over_white_noise_a_pool_keeps_what_its_windows_share():
    net = Cells(POINT, side=9)
    net.relu1, net.pool1 = torch.nn.Identity(), torch.nn.AvgPool2d(3, stride=1)
    tolerance = unit_shift_tolerance.by_images(net, "pool1", noise(side=9), 3)
    assert tolerance.response_DU[:, 0] == pytest.approx([1, 2 / 3, 1 / 3, 0], abs=0.02)


def test_a_constant_unit_has_no_correlation():
    tolerance = unit_shift_tolerance.by_images(Cells(np.zeros((1, 3, 3)), pool=1, side=7), "conv1", noise(10), 1)
    assert np.isnan(tolerance.response_DU[:, 0]).all()
    assert np.isnan(tolerance.half_shift_U[0])
    row = unit_shift_tolerance.as_json(tolerance)
    assert row["units"] == [{"response": [None, None], "half_shift": None, "antiphase": None}]
    assert (row["name"], row["by"], row["shifts"]) == ("conv1", "images", [0, 1])


def test_wrong_numbers_are_refused():
    net = Cells(POINT, side=9)
    tuned = tuning(net, "conv1", 2, (0.25,))
    for wrong, got in (((1, 2), "1, 2"), ((0, 2, 1), "0, 2, 1"), ((), "none")):
        with pytest.raises(SettingError, match=rf"expected shifts that grow from 0; got {got}\."):
            unit_shift_tolerance.by_gratings(net, tuned, wrong)
    with pytest.raises(SettingError, match="expected at least 2 images and a shift from 1 to 8 px; got 1 images and 2 px"):
        unit_shift_tolerance.by_images(net, "conv1", torch.zeros(1, 1, 9, 9), 2)
    with pytest.raises(SettingError, match="There is no layer 'conv7'"):
        unit_shift_tolerance.by_images(net, "conv7", torch.zeros(3, 1, 9, 9), 2)


def test_few_gratings_of_large_images_are_made_at_a_time(monkeypatch: pytest.MonkeyPatch):
    """512 of 224 x 224 px in float64, and what their cosine takes, were 1.4 GB."""
    net, made = Cells(POINT), list[int]()
    tuned = tuning(net, "relu1", 2, (0.125,))
    whole = unit_shift_tolerance.by_gratings(net, tuned, SHIFTS)
    plain = unit_shift_tolerance.gratings

    def counted(*arguments: Any) -> torch.Tensor:
        made.append(len(arguments[1]))
        return plain(*arguments)

    monkeypatch.setattr(unit_shift_tolerance, "gratings", counted)
    monkeypatch.setattr(unit_shift_tolerance, "_PIXELS", 1)
    few = unit_shift_tolerance.by_gratings(net, tuned, SHIFTS)
    assert made
    assert set(made) == {2 * len(SHIFTS) + 1}  # those of one unit
    assert few.response_DU == pytest.approx(whole.response_DU, abs=1e-6, nan_ok=True)
