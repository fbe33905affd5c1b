"""The autograd graph of a forward pass: which layers all information passes through, and whether gradients reach the image.

The graph says what no list of layers can: through which layer all information flows, whether a ReLU was called that is
no layer, and whether the answer has a gradient at all.

Legend: N images, C channels, H x W pixels.
"""

from collections import Counter
from itertools import pairwise
from typing import Any, NamedTuple

from torch import Tensor, nn

from striate.base.errors import SettingError, UnsupportedError, nearest
from striate.interpret.attribution.query import evaluating_with_gradients
from striate.interpret.readout_points import watched

_POOLING = ("MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool", "MkldnnMaxPool", "MkldnnAvgPool", "Mean")
_STEPS = ("Sign", "Round", "Floor", "Ceil", "Trunc")
_RELU = "ReluBackward"
_ACTIVATIONS = {
    "Tanh": "tanh", "Sigmoid": "sigmoid", "LogSigmoid": "log-sigmoid", "Gelu": "GELU", "Silu": "SiLU", "Elu": "ELU",
    "LeakyRelu": "leaky ReLU", "Prelu": "PReLU", "Hardtanh": "a clipped ReLU", "Hardswish": "hard swish",
    "Hardsigmoid": "hard sigmoid", "Mish": "Mish", "Softplus": "softplus", "Clamp": "clamp", "Threshold": "threshold",
}  # fmt: skip

Node = Any  # torch.autograd.graph.Node


class Call(NamedTuple):
    """One call of a layer: its name, whether it is an nn.ReLU, what it put out."""

    name: str
    is_relu: bool
    shape: tuple[int, ...]
    node: Node


class Pass(NamedTuple):
    """A forward pass of one image."""

    calls: tuple[Call, ...]  # of every layer that put out a tensor, in the order in which they ended
    nodes: tuple[Node, ...]  # of the graph, all that lead to the image
    takers: Counter[Node]  # for each of them, how many take what it makes
    gates: dict[Node, int]  # nodes that all information passes through, with their place from the logits down


def follow(net: nn.Module, image_1CHW: Tensor, method: str) -> Pass:
    """Put one image through a network and read the graph; UnsupportedError where no gradient leads from logits to image."""
    calls: list[Call] = []

    def record(name: str, output: object) -> None:
        if isinstance(output, Tensor):
            calls.append(Call(name, isinstance(modules[name], nn.ReLU), tuple(output.shape), output.grad_fn))

    modules = dict(net.named_modules())
    with evaluating_with_gradients(net):
        image_1CHW = image_1CHW.detach().clone().requires_grad_()
        with watched(net, [name for name in modules if name], record):
            logits_1K = net(image_1CHW)
        inputs_first = _inputs_first(logits_1K.grad_fn)
    leading: dict[Node, list[Node]] = {}
    for node in inputs_first:
        below = [taken for taken, _ in node.next_functions if taken in leading]
        if below or getattr(node, "variable", None) is image_1CHW:
            leading[node] = below
    steps = [node.name() for node in leading if node.name().startswith(_STEPS)]
    if not leading or steps:
        why = (
            f"it has a step in it ({steps[0]}), whose gradient is zero" if steps else "none leads from its logits to the image"
        )
        raise UnsupportedError(f"{method} needs gradients, which {type(net).__name__} does not have: {why}. Take occlusion.")
    takers = Counter(taken for below in leading.values() for taken in below)
    return Pass(tuple(calls), tuple(leading), takers, _gates(leading, takers))


def _inputs_first(end: Node) -> list[Node]:
    """All nodes under `end`, each after those that it takes from; without recursion, since networks are deep."""
    order: dict[Node, None] = {}
    stack = [(end, False)] if end is not None else []
    while stack:
        node, done = stack.pop()
        if done:
            order.setdefault(node)
        elif node not in order:
            stack.append((node, True))
            stack.extend((taken, False) for taken, _ in node.next_functions if taken is not None and taken not in order)
    return list(order)


def _gates(leading: dict[Node, list[Node]], takers: Counter[Node]) -> dict[Node, int]:
    """Nodes that every way from the logits to the image passes: where no other edge is open when all above is done."""
    gates: dict[Node, int] = {}
    unfinished = 0
    for node in reversed(leading):  # from the logits down, each after all that take from it
        unfinished -= takers[node]
        if unfinished == 0:
            gates[node] = len(gates)
        unfinished += len(leading[node])
    return gates


def spatial_layer(net: nn.Module, image_1CHW: Tensor) -> str:
    """The layer that Grad-CAM looks at: the last before the head that puts out maps larger than 1 x 1 and is no pool.

    All information passes through it, so a branch of a block never is it; blocks and inception modules count as layers. In the
    networks of the catalogue it is the last convolution stage after its activation: relu5_3 of vgg16, conv5_3 of resnet50,
    inception5b of googlenet. Zeros will do as the image. UnsupportedError where there is no such layer.
    """
    return _last_maps(net, follow(net, image_1CHW, "gradcam"), tuple(image_1CHW.shape[2:]))


def maps_at(net: nn.Module, image_1CHW: Tensor, layer: str | None) -> str:
    """The named layer, if it has maps that the logits depend on (UnsupportedError); the one that is picked for None."""
    modules = [name for name, _ in net.named_modules() if name]
    if layer is not None and layer not in modules:
        raise SettingError(f"There is no layer {layer!r}; {nearest(layer, modules)}")
    forward = follow(net, image_1CHW, "gradcam")
    if layer is None:
        return _last_maps(net, forward, tuple(image_1CHW.shape[2:]))
    shapes = [call.shape for call in forward.calls if call.name == layer and call.node in forward.nodes]
    if not shapes:
        raise UnsupportedError(f"the logits do not depend on {layer}, so gradcam finds nothing there. Leave the layer out.")
    if len(shapes[-1]) != 4:
        with_maps = list(dict.fromkeys(call.name for call in forward.calls if len(call.shape) == 4))
        hint = f"Take one with maps: {', '.join(with_maps[-6:])}" if with_maps else "No layer has them; take occlusion"
        shape = " x ".join(map(str, ("N", *shapes[-1][1:])))
        raise UnsupportedError(f"gradcam expects a layer that puts out maps, N x C x H x W; {layer} puts out {shape}. {hint}.")
    return layer


def _last_maps(net: nn.Module, forward: Pass, image_hw: tuple[int, ...]) -> str:
    taps: tuple[str, ...] = getattr(net, "taps", ())
    fitting = [call for call in forward.calls if _is_spatial(call, forward, image_hw)]
    if not fitting:
        raise UnsupportedError(
            f"gradcam needs a layer with maps larger than 1 x 1 that all information passes through; {type(net).__name__} has "
            "none. Take saliency, integrated_gradients or occlusion."
        )
    last = min(forward.gates[call.node] for call in fitting)
    same = [call.name for call in fitting if forward.gates[call.node] == last]  # a block and its last layer put out one tensor
    return min(same, key=lambda name: (name not in taps, name.count(".")))


def _is_spatial(call: Call, forward: Pass, image_hw: tuple[int, ...]) -> bool:
    if len(call.shape) != 4 or call.node not in forward.gates or call.node.name().startswith(_POOLING):
        return False
    height, width = call.shape[2:]
    return height * width > 1 and height <= image_hw[0] and width <= image_hw[1]  # larger: channels that stand last


def check_relus(net: nn.Module, image_1CHW: Tensor, method: str) -> None:
    """Refuse a network for which a rule about ReLU says nothing, or where it cannot be kept: UnsupportedError, with what works.

    Other non-linearities beside ReLU pass back their own derivative; so do pools, whose maxima pass it to where they came
    from, which are the switches of Zeiler & Fergus. A network without any non-linearity is right: there is nothing to change.
    """
    forward, name = follow(net, image_1CHW, method), type(net).__name__
    takes = "Take saliency, gradcam, integrated_gradients or occlusion."
    all_relus = [node for node in forward.nodes if node.name().startswith(_RELU)]
    layers = [call for call in forward.calls if call.is_relu and call.node in forward.nodes]
    if len(all_relus) > len({call.node for call in layers}):
        raise UnsupportedError(
            f"{method} changes what ReLU passes back, and {name} calls one that is no nn.ReLU layer. {takes}"
        )
    kinds = {str(node.name()).partition("Backward")[0] for node in forward.nodes}
    others = sorted(_ACTIVATIONS[kind] for kind in kinds & _ACTIVATIONS.keys())
    if not all_relus and others:
        raise UnsupportedError(f"{method} is defined for ReLU, and {name} has {', '.join(others)} instead. {takes}")
    if any(forward.takers[node.next_functions[0][0]] > 1 for node in all_relus):
        raise UnsupportedError(
            f"{method} cannot tell apart what comes back through a ReLU from what comes back beside it, and in {name} one "
            f"shares its input with another layer. {takes}"
        )
    by_layer: dict[int, list[Node]] = {}
    modules = dict(net.named_modules())
    for call in layers:
        by_layer.setdefault(id(modules[call.name]), []).append(call.node)
    for nodes in by_layer.values():
        distinct = list(dict.fromkeys(nodes))
        if any(earlier not in _inputs_first(later) for earlier, later in pairwise(distinct)):
            raise UnsupportedError(f"{method} needs a ReLU for each branch; {name} uses one layer in several. {takes}")
