import subprocess
import sys

import pytest
import torch
from torch.nn import functional

from striate.nets.shape_rules import ByRule


def test_tables_and_heads_of_networks_need_no_compiler_of_torch():
    code = (
        "import sys\n"
        "from striate.nets.factory import build, outline\n"
        "from striate.nets.feature_layer import with_head\n"
        "from striate.nets.summary import layer_table\n"
        "for name, chw in (('efficientnet_lite0', (3, 32, 32)), ('lecun1989', (1, 16, 16)), ('lenet5', (1, 32, 32))):\n"
        "    layer_table(build(name, chw, 10))\n"
        "body = outline('efficientnet_lite0', (3, 32, 32), 10)\n"
        "with_head(body, 2, '+'.join(body.taps[5:7]))\n"
        "print('sympy' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert ran.stdout == "False\n"


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
