import pytest
import torch
from torch import Tensor, nn

from striate.nets.architectures.residual_blocks import BasicBlock, Bottleneck, Padding, Projection, Shortcut, shortcut

Block = BasicBlock | Bottleneck


def count(module: nn.Module | None) -> int:
    return 0 if module is None else sum(parameter.numel() for parameter in module.parameters())


def test_option_a_takes_every_second_pixel_and_fills_up_with_channels_of_zeros():
    maps_NCHW = torch.arange(1.0, 19).view(1, 2, 3, 3)
    out_NCHW = Padding(2, 4, stride=2)(maps_NCHW)
    zeros = [[0, 0], [0, 0]]
    assert out_NCHW.tolist() == [[zeros, [[1, 3], [7, 9]], [[10, 12], [16, 18]], zeros]]
    assert count(Padding(2, 4, stride=2)) == 0


def test_option_a_with_an_odd_number_of_new_channels_has_the_odd_one_after():
    out_NCHW = Padding(1, 4, stride=1)(torch.full((1, 1, 1, 2), 5.0))
    assert out_NCHW[0, :, 0, 0].tolist() == [0, 5, 0, 0]


def test_a_projection_is_a_convolution_without_bias_and_a_norm():
    layer = Projection(2, 3, stride=2).eval()
    nn.init.constant_(layer.conv.weight, 1.0)
    maps_NCHW = torch.arange(1.0, 19).view(1, 2, 3, 3)
    per_map = [(1 + 10), (3 + 12), (7 + 16), (9 + 18)]
    assert layer(maps_NCHW)[0].flatten(1).tolist() == [pytest.approx(per_map, rel=1e-5)] * 3
    assert count(layer) == 2 * 3 + 2 * 3


@pytest.mark.parametrize(
    ("option", "same", "narrower", "strided"),
    [
        ("A", 0, 0, 0),
        ("B", 0, 64 * 128 + 2 * 128, 64 * 64 + 2 * 64),
        ("C", 64 * 64 + 2 * 64, 64 * 128 + 2 * 128, 64 * 64 + 2 * 64),
    ],
)
def test_parameters_of_the_options(option: Shortcut, same: int, narrower: int, strided: int):
    assert count(shortcut(option, 64, 64, 1)) == same
    assert count(shortcut(option, 64, 128, 2)) == narrower
    assert count(shortcut(option, 64, 64, 2)) == strided


def test_where_the_shape_stays_options_a_and_b_are_the_identity_and_a_plain_network_has_none():
    assert isinstance(shortcut("A", 8, 8, 1), nn.Identity)
    assert isinstance(shortcut("B", 8, 8, 1), nn.Identity)
    assert isinstance(shortcut("C", 8, 8, 1), Projection)
    assert isinstance(shortcut("A", 8, 16, 1), Padding)
    assert shortcut("none", 8, 16, 2) is None


def test_parameters_of_the_blocks():
    norms = 2 * (32 + 32)
    assert count(BasicBlock(16, 32, 2, "A", "relu")) == 9 * 16 * 32 + 9 * 32 * 32 + norms
    norms = 2 * (128 + 128 + 512)
    weights = 256 * 128 + 9 * 128 * 128 + 128 * 512
    for v1 in (False, True):
        assert count(Bottleneck(256, 128, 2, "A", "relu", v1)) == weights + norms
        assert count(Bottleneck(256, 128, 2, "B", "relu", v1)) == weights + norms + 256 * 512 + 2 * 512 == 379_392


@pytest.mark.parametrize("option", ["A", "B", "C", "none"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [7, 8])
def test_both_branches_have_one_shape(option: Shortcut, stride: int, side: int):
    maps_NCHW = torch.zeros(2, 6, side, side)
    half = (side + stride - 1) // stride
    assert BasicBlock(6, 10, stride, option, "relu")(maps_NCHW).shape == (2, 10, half, half)
    for v1 in (False, True):
        assert Bottleneck(6, 3, stride, option, "relu", v1)(maps_NCHW).shape == (2, 12, half, half)


def through(block: Block, *weights: float) -> Block:
    """The block with kernels that multiply by one number, in evaluation, where its norms divide by sqrt(1 + 1e-5)."""
    convolutions = [layer for layer in block.children() if isinstance(layer, nn.Conv2d)]
    for layer, weight in zip(convolutions, weights, strict=True):
        nn.init.zeros_(layer.weight)
        with torch.no_grad():
            layer.weight[:, :, layer.kernel_size[0] // 2, layer.kernel_size[1] // 2] = weight
    return block.eval()


def test_a_basic_block_by_hand():
    maps_NCHW = torch.tensor([1.0, -1.0, 2.0]).view(1, 1, 1, 3)
    residual = through(BasicBlock(1, 1, 1, "A", "relu"), 3.0, -0.25)
    assert residual(maps_NCHW).flatten().tolist() == pytest.approx([1 - 0.75, 0, 2 - 1.5], abs=1e-4)
    plain = through(BasicBlock(1, 1, 1, "none", "relu"), 3.0, 0.25)
    assert plain(maps_NCHW).flatten().tolist() == pytest.approx([0.75, 0, 1.5], abs=1e-4)


def test_a_bottleneck_by_hand():
    maps_NCHW = torch.tensor([[1.0], [2.0], [3.0], [-10.0]]).view(1, 4, 1, 1)
    block = through(Bottleneck(4, 1, 1, "B", "relu"), -0.5, 3.0, 2.0)  # sum -4; 2; 6; 12
    assert block(maps_NCHW).flatten().tolist() == pytest.approx([13, 14, 15, 2], abs=1e-3)


def both() -> tuple[BasicBlock, Bottleneck]:
    return BasicBlock(8, 8, 1, "A", "relu"), Bottleneck(8, 2, 1, "B", "relu")


@pytest.mark.parametrize("block", both(), ids=["basic", "bottleneck"])
@pytest.mark.parametrize("training", [True, False])
def test_with_the_last_gamma_at_zero_a_block_is_the_rectified_identity(block: Block, training: bool):
    nn.init.zeros_(block.last_norm.weight)
    maps_NCHW = torch.randn(4, 8, 5, 5)
    assert torch.equal(block.train(training)(maps_NCHW), maps_NCHW.clamp(min=0))


def test_the_last_norm_is_the_one_before_the_addition():
    basic, bottleneck = both()
    assert basic.last_norm is basic.bn2
    assert bottleneck.last_norm is bottleneck.bn3


@pytest.mark.parametrize(("kind", "last"), [(BasicBlock, "relu2"), (Bottleneck, "relu3")])
def test_the_gradient_before_the_last_rectifier_is_that_of_the_residual_plus_one(kind: type[Block], last: str):
    block, plain = (kind(8, 8 // kind.expansion, 1, option, "relu").eval() for option in ("A", "none"))
    plain.load_state_dict(block.state_dict())
    slopes: list[Tensor] = []
    maps_NCHW = torch.randn(1, 8, 4, 4, requires_grad=True)
    for each in (block, plain):
        setattr(each, last, nn.Identity())
        slopes += torch.autograd.grad(each(maps_NCHW).sum(), maps_NCHW)
    assert torch.allclose(slopes[0], slopes[1] + 1, atol=1e-5)


def pixels_seen(block: Block) -> tuple[list[int], list[int]]:
    """Rows and columns of a 7 x 7 input that move the output at (1, 1), all weights being positive."""
    for layer in block.children():
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1.0)
    maps_NCHW = torch.ones(1, 4, 7, 7, requires_grad=True)
    (slope,) = torch.autograd.grad(block.eval()(maps_NCHW)[0, 0, 1, 1], maps_NCHW)
    seen_HW = (slope != 0).any(1)[0]
    return seen_HW.any(1).nonzero().flatten().tolist(), seen_HW.any(0).nonzero().flatten().tolist()


def test_the_paper_s_bottleneck_strides_before_its_3x3_and_so_never_reads_three_pixels_of_four():
    assert pixels_seen(Bottleneck(4, 1, 2, "none", "relu", v1=True)) == ([0, 2, 4], [0, 2, 4])
    assert pixels_seen(Bottleneck(4, 1, 2, "none", "relu")) == ([1, 2, 3], [1, 2, 3])
    assert pixels_seen(BasicBlock(4, 4, 2, "none", "relu")) == ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5])  # -1 to 5


def test_with_stride_one_both_bottlenecks_are_the_same():
    ours, paper = (Bottleneck(8, 2, 1, "B", "relu", v1) for v1 in (False, True))
    assert repr(ours) == repr(paper)


def test_a_basic_block_has_no_v1():
    with pytest.raises(AssertionError, match="a basic block has its stride in the first convolution always"):
        BasicBlock(8, 8, 2, "B", "relu", v1=True)


def test_the_activation_is_the_one_asked_for_after_every_norm():
    assert [type(layer) for layer in Bottleneck(8, 2, 1, "B", "gelu").children()] == [
        nn.Conv2d, nn.BatchNorm2d, nn.GELU, nn.Conv2d, nn.BatchNorm2d, nn.GELU, nn.Conv2d, nn.BatchNorm2d, nn.Identity, nn.GELU,
    ]  # fmt: skip
    assert not [layer for block in both() for layer in block.modules() if getattr(layer, "inplace", False)]
