import timm
import torch

from striate.nets.architectures.efficientnet_lite0 import EfficientNetLite0, SameConv2d
from striate.nets.convert_weights import load_state
from striate.nets.factory import outline
from striate.nets.summary import layer_table
from support.checkpoints import filled

# of table 1: expansion, kernel, stride, channels, blocks
TABLE = [(1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4)]
TABLE += [(6, 3, 1, 320, 1)]


def worked() -> tuple[int, int, int]:
    """(parameters, multiply-adds, receptive field) at 224 pixels, from the table."""
    side, jump, field, channels = 112, 2, 3, 32
    weights, products = 27 * 32 + 64, 112 * 112 * 27 * 32
    for expansion, kernel, first_stride, out, depth in TABLE:
        for number in range(depth):
            stride, width = first_stride if number == 0 else 1, channels * expansion
            if expansion > 1:
                weights += channels * width + 2 * width
                products += side * side * channels * width
            field += (kernel - 1) * jump
            side, jump = side // stride, jump * stride
            weights += kernel * kernel * width + 2 * width + width * out + 2 * out
            products += side * side * (kernel * kernel * width + width * out)
            channels = out
    weights += 320 * 1280 + 2 * 1280 + 1281 * 1000
    return weights, products + 49 * 320 * 1280 + 1280 * 1000, field


def test_parameters_multiply_adds_and_receptive_field_as_worked_out_from_the_table():
    rows = layer_table(outline("efficientnet_lite0", (3, 224, 224), 1000))
    parameters, macs = (sum(getattr(row, name) for row in rows) for name in ("parameters", "macs"))
    last = next(row for row in rows if row.name == "conv9")
    assert (parameters, macs, last.receptive_field) == worked() == (4_652_008, 385_187_552, 851)
    assert (last.output, last.jump) == ((1280, 7, 7), 32)


def test_padding_is_that_of_tensorflow():
    # a row of 1, 2, 3, 4 under a kernel of ones with stride 2: SAME puts one zero, behind, so 1+2+3 and 3+4
    conv = SameConv2d(1, 1, kernel_size=3, stride=2)
    conv.weight.data = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]).view(1, 1, 3, 3)
    row = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert conv(row.expand(1, 1, 4, 4))[0, 0, 0].tolist() == [6.0, 7.0]
    # five: one zero on each side, so 1+2, 2+3+4, 4+5
    row = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    assert conv(row.expand(1, 1, 5, 5))[0, 0, 0].tolist() == [3.0, 9.0, 9.0]
    assert SameConv2d(1, 1, kernel_size=5).padding == (2, 2)


def test_logits_are_those_of_timm_with_the_same_weights_at_even_and_odd_sides():
    other = timm.create_model("tf_efficientnet_lite0", num_classes=7).eval()
    other.load_state_dict(filled(other.state_dict()))
    for side in (64, 75):
        net, left_out = load_state("efficientnet_lite0", other.state_dict(), size_px=side)
        images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            expected = other(images)
            assert expected.std() > 0.1
            torch.testing.assert_close(net.eval()(images), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
        assert left_out == ()


def test_weights_of_the_registry_find_their_places_by_their_names():
    net = outline("efficientnet_lite0", (3, 64, 64), 7)
    assert isinstance(net, EfficientNetLite0)
    names = {own: names.split("|")[0] for own, names in net.external_names().items()}
    shapes = {f"{names[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": tensor for key, tensor in net.state_dict().items()}
    assert {"_conv_stem.weight", "_blocks.0._project_conv.weight", "_blocks.15._bn2.bias", "_conv_head.weight"} <= shapes.keys()
    state = filled(shapes)
    loaded = load_state("efficientnet_lite0", state, size_px=64).net
    assert torch.equal(loaded.state_dict()["mbconv4_2.depthwise.weight"], state["_blocks.4._depthwise_conv.weight"])
