import pytest
import torch
from torch.nn import functional

from striate.nets.shape_rules import ByRule


@pytest.mark.parametrize(
    ("compute", "shape"),
    [
        (lambda maps: maps * 2 + 1, (4, 9, 9)),
        (lambda maps: maps.mul(torch.ones(4, 1, 1, device=maps.device)), (4, 9, 9)),
        (lambda maps: maps[:, :, :1] - maps, (4, 9, 9)),
        (lambda maps: maps[:, :1, :1] / maps[:, :, :, :1], (4, 9, 9)),
        (lambda maps: maps - maps.mean((-1, 1), keepdim=True), (4, 9, 9)),
        (lambda maps: maps.sum(1)[:, None], (1, 9, 9)),
        (lambda maps: functional.relu6(functional.hardtanh(maps, 0, 6)), (4, 9, 9)),
    ],
)
def test_shapes_of_arithmetic_are_those_that_torch_makes(compute, shape):
    assert compute(torch.zeros(1, 4, 9, 9)).shape == (1, *shape)
    with ByRule():
        assert compute(torch.zeros(1, 4, 9, 9, device="meta")).shape == (1, *shape)
