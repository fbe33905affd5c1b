"""Numbers by hand: a reader can redo each."""

import pytest
import torch
from torch import Tensor, nn

from striate.base.errors import SettingError, ShapeError, UnsupportedError
from striate.interpret.attribution import METHODS, deconvnet, gradcam, guided, integrated_gradients, occlusion, saliency
from striate.interpret.attribution.methods import heat_of
from striate.nets.factory import build
from striate.nets.net import Net
from support.attribution_nets import Line, Mean, Own, conv, hooks, linear, ones_conv_then_mean

GRADIENTS = ("saliency", "deconvnet", "guided")


def test_gradcam_matches_the_sum_done_by_hand():
    net = ones_conv_then_mean(kernel=2)  # conv1 of ones, then a mean
    image_1CHW = torch.arange(9.0).view(1, 1, 3, 3)  # window sums 8 12 / 20 24
    heat_HW = gradcam(net, image_1CHW, layer="conv1", target=0)
    assert heat_HW.tolist() == [[2.0, 3.0], [5.0, 6.0]]  # each gradient is 1/4


def two_maps() -> Line:
    """Map 0 is the image, map 1 twice the image; logits: map 0's mean minus map 1's, and map 1's."""
    maps = conv(torch.tensor([1.0, 2.0]).view(2, 1, 1, 1))
    return Line((1, 2, 2), conv1=maps, mean=Mean(), fc=linear(torch.tensor([[1.0, -1.0], [0.0, 1.0]])))


def test_gradcam_leaves_out_what_speaks_against_the_class():
    image_CHW = torch.tensor([[[1.0, -2.0], [3.0, 0.0]]])
    # class 0: alpha = (1, -1) / 4, so the map is (x - 2x) / 4 = -x / 4, and what is negative becomes 0
    assert gradcam(two_maps(), image_CHW, target=0).tolist() == [[0, 0.5], [0, 0]]
    # class 1: alpha = (0, 1) / 4, the map is 2x / 4
    assert gradcam(two_maps(), image_CHW, target=1).tolist() == [[0.5, 0], [1.5, 0]]


def test_several_images_have_a_class_each():
    image_CHW = torch.tensor([[[1.0, -2.0], [3.0, 0.0]]])
    both_NHW = gradcam(two_maps(), torch.stack([image_CHW, image_CHW]), target=[0, 1])
    assert both_NHW.tolist() == [[[0, 0.5], [0, 0]], [[0.5, 0], [1.5, 0]]]
    assert gradcam(two_maps(), image_CHW).tolist() == both_NHW[1].tolist()  # logits -0.5 and 1: class 1


@pytest.mark.parametrize("name", ["resnet20", "conv 3x3x6, relu, globalpool, fc 4"])
def test_before_a_global_mean_and_a_linear_layer_gradcam_is_the_class_map(name: str):
    """CAM (Zhou et al. 2016): sum_k w_ck A_k; alpha_k is w_ck / Z for Z positions."""
    net = build(name, (3, 16, 16), 4, seed=3).eval()
    image_1CHW = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    kept: list[Tensor] = []
    layer = "conv4_3" if name == "resnet20" else "relu1"
    hook = net.get_submodule(layer).register_forward_hook(lambda _m, _i, out: kept.append(out.detach()))
    net(image_1CHW)
    hook.remove()
    maps_CHW = kept[0][0]
    for k in range(4):
        class_map_HW = torch.einsum("chw,c->hw", maps_CHW, net.head.weight[k].detach()).clamp(min=0)
        z = maps_CHW[0].numel()
        assert torch.allclose(gradcam(net, image_1CHW, target=k), class_map_HW / z, atol=1e-6)


def rectified(weights_DD: Tensor, out_KD: Tensor) -> Line:
    return Line((1, 1, 2), flatten=nn.Flatten(), fc1=linear(weights_DD), relu1=nn.ReLU(), fc2=linear(out_KD))


def test_the_three_backward_rules_by_hand():
    """f = (3, -1) from x = (3, 1); R comes from the logit as (-1, 2) or (1, 2)."""
    image_CHW = torch.tensor([[[3.0, 1.0]]])
    net = rectified(torch.tensor([[1.0, 0.0], [0.0, -1.0]]), torch.tensor([[-1.0, 2.0], [1.0, 2.0]]))
    # unit 0 is on, unit 1 off; back through fc1 the first unit gives (1, 0) R, the second (0, -1) R
    assert saliency(net, image_CHW, target=0).tolist() == [[[-1, 0]]]  # R (f > 0) = (-1, 0)
    assert deconvnet(net, image_CHW, target=0).tolist() == [[[0, -2]]]  # R (R > 0) = (0, 2)
    assert guided(net, image_CHW, target=0).tolist() == [[[0, 0]]]  # R (f > 0) (R > 0) = (0, 0)
    assert saliency(net, image_CHW, target=1).tolist() == [[[1, 0]]]
    assert deconvnet(net, image_CHW, target=1).tolist() == [[[1, -2]]]
    assert guided(net, image_CHW, target=1).tolist() == [[[1, 0]]]


def test_the_switches_of_a_max_pool_are_where_the_maxima_were():
    net = Line((1, 2, 2), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2), flatten=nn.Flatten(), fc=linear(torch.tensor([[5.0]])))
    image_CHW = torch.tensor([[[1.0, 2.0], [4.0, 3.0]]])
    for name in GRADIENTS:
        assert METHODS[name](net, image_CHW, target=0).tolist() == [[[0, 0], [5, 0]]]


@pytest.mark.parametrize("line", ["conv 3x3x4, pool 2, conv 3x3x5, avgpool 2, fc 6, fc 3", "conv 3x3x4, bn, globalpool, fc 3"])
@pytest.mark.parametrize("name", GRADIENTS)
def test_without_a_rectifier_all_rules_are_the_gradient(line: str, name: str):
    net = build(line, (2, 8, 8), 3, seed=1).eval()
    images_NCHW = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(5), requires_grad=True)
    (wanted,) = torch.autograd.grad(net(images_NCHW)[:, 2].sum(), images_NCHW)
    assert torch.allclose(METHODS[name](net, images_NCHW, target=2), wanted, atol=1e-6)


class _Rule(torch.autograd.Function):
    """A rectifier with another way back, against which captum's is held."""

    @staticmethod
    def forward(ctx, a, on_matters):
        ctx.save_for_backward(a)
        ctx.on_matters = on_matters
        return a.clamp(min=0)

    @staticmethod
    def backward(ctx, r):
        passed = r.clamp(min=0)
        return (passed * (ctx.saved_tensors[0] > 0) if ctx.on_matters else passed), None


class _Ruled(nn.Module):
    def __init__(self, on_matters: bool):
        super().__init__()
        self.on_matters = on_matters

    def forward(self, a: Tensor) -> Tensor:
        return _Rule.apply(a, self.on_matters)


@pytest.mark.parametrize("name", ["deconvnet", "guided"])
@pytest.mark.parametrize("which", ["resnet20", "googlenet", "one rectifier, used twice"])
def test_the_rules_reach_every_rectifier_of_a_deep_network(which: str, name: str):
    generator = torch.Generator().manual_seed(0)
    if which == "one rectifier, used twice":
        layers = {
            "conv1": conv(torch.randn(4, 3, 3, 3, generator=generator)),
            "conv2": conv(torch.randn(2, 4, 3, 3, generator=generator)),
        }
        net: Net = Own(
            (3, 32, 32), lambda net, x: net.relu(net.conv2(net.relu(net.conv1(x)))).mean((2, 3)), relu=nn.ReLU(), **layers
        )
    else:
        net = build(which, (3, 32, 32), 5, seed=2).eval()
    images_NCHW = torch.randn(2, 3, 32, 32, generator=generator)
    result = METHODS[name](net, images_NCHW, target=1)
    for module in list(net.modules()):
        for child, layer in list(module.named_children()):
            if isinstance(layer, nn.ReLU):
                setattr(module, child, _Ruled(on_matters=name == "guided"))
    images_NCHW.requires_grad_()
    (wanted,) = torch.autograd.grad(net(images_NCHW)[:, 1].sum(), images_NCHW)
    assert wanted.abs().max() > 0
    assert torch.allclose(result, wanted, rtol=1e-4, atol=1e-6 * float(wanted.abs().max()))


def weighted_sum() -> Line:
    return Line((1, 2, 2), flatten=nn.Flatten(), fc=linear(torch.tensor([[1.0, 2.0, 3.0, 4.0], [-1.0, 0.0, 0.0, 0.0]])))


def test_occlusion_is_what_the_logit_loses():
    image_CHW = torch.tensor([[[5.0, 1.0], [1.0, -1.0]]])
    # a square of one pixel at 0 takes w x away
    assert occlusion(weighted_sum(), image_CHW, target=0, window=1).tolist() == [[5, 2], [3, -4]]
    assert occlusion(weighted_sum(), image_CHW, target=1, window=1).tolist() == [[-5, 0], [0, 0]]
    # filled with 1: w (x - 1)
    assert occlusion(weighted_sum(), image_CHW, target=0, window=1, baseline=1.0).tolist() == [[4, 0], [0, -8]]


def test_occlusion_is_the_mean_of_the_squares_over_a_pixel():
    net = Line((1, 1, 3), flatten=nn.Flatten(), fc=linear(torch.tensor([[1.0, 1.0, 1.0]])))
    image_CHW = torch.tensor([[[1.0, 2.0, 4.0]]])
    tall = Line((1, 3, 3), mean=Mean())
    image_133 = torch.arange(9.0).view(1, 3, 3)
    # squares of 2 x 2 at stride 1 lose the window sums 8 12 / 20 24 over 9; the middle is under all four: 16 / 9
    assert torch.allclose(
        occlusion(tall, image_133, target=0, window=2, stride=1) * 9, torch.tensor([[8.0, 10, 12], [14, 16, 18], [20, 22, 24]])
    )
    assert occlusion(net, image_CHW, target=0).tolist() == [[1, 2, 4]]


def test_the_square_is_an_eighth_of_the_image_and_moves_by_half():
    seen: list[Tensor] = []

    def watch(_net: Own, images_NCHW: Tensor) -> Tensor:
        seen.append(images_NCHW.detach())
        return images_NCHW.mean((2, 3))

    occlusion(Own((1, 32, 32), watch), torch.ones(1, 32, 32), target=0)
    masked_NCHW = torch.cat([part for part in seen if len(part) > 1])
    hidden = (masked_NCHW == 0).sum(dim=(1, 2, 3))
    assert len(masked_NCHW) == 15 * 15
    assert set(hidden.tolist()) == {16}


def test_integrated_gradients_of_a_product_by_hand():
    """y = x0 x1 on the way t (x0, x1): dy/dx0 = t x1, whose mean is x1 / 2; times x0."""
    net = Own((1, 1, 2), lambda _net, x: x[:, :, 0, 0] * x[:, :, 0, 1])
    result = integrated_gradients(net, torch.tensor([[[3.0, 4.0]]]), target=0)
    assert torch.allclose(result, torch.tensor([[[6.0, 6.0]]]))
    # from the baseline 1: (x0 - 1) times the mean of 1 + t (x1 - 1), 2.5, and (x1 - 1) times 2
    result = integrated_gradients(net, torch.tensor([[[3.0, 4.0]]]), target=0, baseline=1.0)
    assert torch.allclose(result, torch.tensor([[[5.0, 6.0]]]))


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "conv 3x3x4, gelu, globalpool, fc 5"])
def test_integrated_gradients_sum_to_what_the_logit_gains(name: str):
    chw = (1, 32, 32) if name == "lenet5" else (3, 32, 32)
    net = build(name, chw, 5, seed=4).eval()
    images_NCHW = torch.randn(3, *chw, generator=torch.Generator().manual_seed(1))
    result = integrated_gradients(net, images_NCHW, target=2, steps=200)
    with torch.no_grad():
        gained_N = (net(images_NCHW) - net(torch.zeros_like(images_NCHW)))[:, 2]
    assert torch.allclose(result.sum(dim=(1, 2, 3)), gained_N, atol=1e-2 * float(gained_N.abs().max() + 1))


def test_one_heat_for_each_pixel():
    two_channels = torch.tensor([[[[1.0, -4.0]], [[-2.0, 1.0]]]])
    assert heat_of("saliency", two_channels, (1, 2)).tolist() == [[[0.5, 1.0]]]  # the largest size: 2, 4
    assert heat_of("integrated_gradients", two_channels + 3, (1, 2)).tolist() == [[[1, pytest.approx(0.6)]]]  # sums 5, 3
    assert heat_of("integrated_gradients", two_channels, (1, 2)).tolist() == [[[0.0, 0.0]]]  # sums -1, -3
    assert heat_of("occlusion", torch.tensor([[[2.0, -1.0], [0.0, 1.0]]]), (2, 2)).tolist() == [[[1, 0], [0, 0.5]]]
    assert heat_of("gradcam", torch.tensor([[[3.0]]]), (2, 2)).tolist() == [[[1, 1], [1, 1]]]
    assert not heat_of("gradcam", torch.zeros(1, 2, 2), (4, 4)).any()


@pytest.mark.parametrize("name", METHODS)
def test_nothing_is_left_changed(name: str):
    net = build("conv 3x3x4, bn, relu, pool 2, dropout 0.5, fc", (1, 8, 8), 3)
    net.train()
    net.get_submodule("bn1").eval()  # as a frozen part is
    net.get_submodule("conv1").weight.requires_grad_(False)
    image_CHW = torch.randn(1, 8, 8)
    before = {key: value.clone() for key, value in net.state_dict().items()}, image_CHW.clone()
    modes = [module.training for module in net.modules()]
    state = torch.get_rng_state()
    with torch.inference_mode():  # gradients are asked for whatever the caller has
        first = METHODS[name](net, image_CHW)
    assert torch.equal(first, METHODS[name](net, image_CHW))  # so dropout was off
    assert not first.requires_grad
    assert [module.training for module in net.modules()] == modes
    assert all(weight.grad is None for weight in net.parameters())
    assert [key for key, weight in net.named_parameters() if not weight.requires_grad] == ["conv1.weight"]
    assert not image_CHW.requires_grad
    assert torch.equal(image_CHW, before[1])
    assert all(torch.equal(value, before[0][key]) for key, value in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(hooks(net))


@pytest.mark.parametrize("name", [name for name in METHODS if name != "occlusion"])
@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda net, x: (net.conv1(x) > 0).float().mean((2, 3)), "none leads from its logits to the image"),
        (lambda net, x: torch.sign(net.conv1(x)).mean((2, 3)), "it has a step in it .SignBackward0., whose gradient is zero"),
    ],
    ids=["comparison", "sign"],
)
def test_a_network_without_gradients_is_refused_with_what_works(name: str, function, why: str):
    net = Own((1, 4, 4), function, conv1=conv(torch.ones(2, 1, 3, 3), padding=1))
    with pytest.raises(UnsupportedError, match=f"{name} needs gradients, which Own does not have: {why}. Take occlusion."):
        METHODS[name](net, torch.rand(1, 4, 4))
    assert occlusion(net, torch.rand(1, 4, 4)).shape == (4, 4)
    assert not any(hooks(net))


@pytest.mark.parametrize("name", ["deconvnet", "guided"])
@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda net, x: torch.relu(net.conv1(x)).mean((2, 3)), "Own calls one that is no nn.ReLU layer"),
        (lambda net, x: net.tanh1(net.conv1(x)).mean((2, 3)), "is defined for ReLU, and Own has tanh"),
        (lambda net, x: net.clipped(net.conv1(x)).mean((2, 3)), "and Own has a clipped ReLU"),
        (lambda net, x: shared_input(net, net.conv1(x)).mean((2, 3)), "in Own one shares its input with another layer"),
        (lambda net, x: (net.relu(net.conv1(x)) + net.relu(net.conv2(x))).mean((2, 3)), "Own uses one layer in several"),
    ],
    ids=["functional", "tanh", "relu6", "beside a shortcut", "shared by branches"],
)
def test_rules_about_relu_are_refused_where_they_cannot_be_kept(name: str, function, why: str):
    layers = {"conv1": conv(torch.ones(2, 1, 3, 3)), "conv2": conv(-torch.ones(2, 1, 3, 3))}
    net = Own((1, 4, 4), function, tanh1=nn.Tanh(), clipped=nn.ReLU6(), relu=nn.ReLU(), **layers)
    with pytest.raises(UnsupportedError, match=rf"{why}.*Take saliency, gradcam, integrated_gradients or occlusion\."):
        METHODS[name](net, torch.rand(1, 4, 4))


def shared_input(net: Own, maps_NCHW: Tensor) -> Tensor:
    return maps_NCHW + net.relu(maps_NCHW)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("target", "said"),
    [
        (2, "expected a class from 0 to 1; got 2"),
        (-1, "expected a class from 0 to 1; got -1"),
        (True, "expected a class from 0 to 1; got True"),
        (0.0, "expected a class from 0 to 1; got 0.0"),
        ("cat", "got 'cat'. A network alone has no class names"),
        ([0, 1], "expected one class, or one for each of 1 images; got 2"),
    ],
)
def test_a_wrong_class_is_refused(name: str, target: object, said: str):
    net = two_maps()
    with pytest.raises(SettingError, match=said):
        METHODS[name](net, torch.ones(1, 2, 2), target=target)
    assert not any(hooks(net))


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (torch.ones(2, 2), r"C x H x W or N x C x H x W of floats; got \(2, 2\) of float32"),
        (torch.ones(1, 2, 2, dtype=torch.uint8), r"got \(1, 2, 2\) of uint8. A model takes images"),
        ("one.png", "got str. For images, ask a model"),
    ],
)
def test_an_image_of_another_kind_is_refused(image: object, said: str):
    with pytest.raises(ShapeError, match=said):
        saliency(two_maps(), image)


def test_settings_that_do_not_fit_are_refused():
    net, image_CHW = two_maps(), torch.ones(1, 2, 2)
    with pytest.raises(SettingError, match="expects a window of 1 to 2 pixels and a stride of 1 to the window; got 3 and 2"):
        occlusion(net, image_CHW, window=3)
    with pytest.raises(SettingError, match="expects 1 step or more; got 0"):
        integrated_gradients(net, image_CHW, steps=0)
    with pytest.raises(ShapeError, match=r"expected a baseline that fits C x H x W = \(1, 2, 2\); got \(3,\)"):
        occlusion(net, image_CHW, baseline=torch.ones(3))
    baseline = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert not occlusion(net, baseline.unsqueeze(0), baseline=baseline).any()  # the image is its own baseline


class _Breaks(torch.autograd.Function):
    """Fails on the way back."""

    @staticmethod
    def forward(ctx, a):
        return a.clone()

    @staticmethod
    def backward(ctx, _r):
        raise RuntimeError("broken on the way back")


@pytest.mark.parametrize("name", [name for name in METHODS if name != "occlusion"])
def test_hooks_come_off_after_a_crash_on_the_way_back(name: str):
    layers = {
        "conv1": conv(torch.ones(2, 1, 3, 3)),
        "relu1": nn.ReLU(),
        "conv2": conv(torch.ones(2, 2, 1, 1)),
        "relu2": nn.ReLU(),
    }
    net = Own((1, 4, 4), lambda net, x: net.relu2(net.conv2(_Breaks.apply(net.relu1(net.conv1(x))))).mean((2, 3)), **layers)
    with pytest.raises(RuntimeError, match="broken on the way back"):
        METHODS[name](net.train(), torch.rand(1, 4, 4), **({"layer": "relu1"} if name == "gradcam" else {}))
    assert not any(hooks(net))
    assert all(module.training for module in net.modules())
