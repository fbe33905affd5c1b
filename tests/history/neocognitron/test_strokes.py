import pytest
import torch

from striate.history.neocognitron.strokes import curve, line, path, render, thinned


def drawn(image_HW: torch.Tensor) -> list[str]:
    return ["".join("#" if pixel else "." for pixel in row) for row in image_HW.tolist()]


def test_lines_are_one_pixel_wide_also_at_corners():
    assert drawn(render([line((0, 0), (3, 0), (3, 2))], 4)) == ["###.", "...#", "...#", "...."]
    assert drawn(render([line((0, 3), (3, 0))], 4)) == ["...#", "..#.", ".#..", "#..."]


def test_a_curve_goes_through_its_points_and_closes():
    points = ((1.0, 3.0), (3.0, 1.0), (5.0, 3.0), (3.0, 5.0), (1.0, 3.0))
    along = path(curve(*points))
    assert all(any(abs(x - px) + abs(y - py) < 1e-9 for x, y in along) for px, py in points)
    assert max(max(abs(x - 3), abs(y - 3)) for x, y in along) == pytest.approx(2, abs=0.05)


def test_what_lies_outside_the_image_is_lost_and_a_drawing_can_be_moved():
    assert drawn(render([line((0, 1), (9, 1))], 3, shift=(1, 1))) == ["...", "...", ".##"]


def test_thick_strokes_become_thin_and_thin_ones_stay():
    thick_HW = torch.zeros(9, 11)
    thick_HW[3:6, 1:10] = 1
    rows = drawn(thinned(thick_HW))
    assert all(row == "." * 11 for number, row in enumerate(rows) if number != 4)
    assert "######" in rows[4]
    thin_HW = render([line((1, 1), (7, 7)), line((7, 1), (1, 7))], 9)
    assert torch.equal(thinned(thin_HW), thin_HW)


def test_thinning_keeps_a_ring_a_ring():
    ring_HW = torch.zeros(11, 11)
    ring_HW[1:10, 1:10] = 1
    ring_HW[4:7, 4:7] = 0
    thin_HW = thinned(ring_HW)
    assert not thin_HW[4:7, 4:7].any()
    assert thin_HW.sum() < ring_HW.sum() / 2
    assert all(thin_HW[4:7].any(0)[side].any() for side in (slice(0, 4), slice(7, 11)))
