"""The six methods, each over captum.

What comes back is raw and signed, for one image without N: for `saliency`, `deconvnet`, `guided` and `integrated_gradients` one
number for each number of the image, C x H x W; for `gradcam` h x w of its layer; for `occlusion` H x W.

`heat_of` makes one heat for each pixel of it. A gradient says how fast the logit changes and its sign only in which direction,
so of saliency, deconvnet and guided the largest absolute value over the channels counts (Simonyan et al. 2014, section 3.1).
Integrated gradients and occlusion say how much of the logit a pixel gives or takes, so their channels are summed, and what is
evidence for the class counts; integrated gradients hold the factor (image - baseline) already, and no other method is
multiplied by the image. Grad-CAM is never negative, and is brought to the image's size by bilinear interpolation.

Legend: N images, C channels, H x W pixels, h x w positions of a layer.
"""

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.base.arguments import named_arguments
from striate.base.errors import SettingError, ShapeError, UnsupportedError, nearest
from striate.interpret.attribution.autograd_graph import check_relus, follow, maps_at
from striate.interpret.attribution.joined_layers import class_activation_maps, joined_layers
from striate.interpret.attribution.query import Classifier, Query, Target, at_once, evaluating_with_gradients, make_query
from striate.nets.images_at_once import MOST

STEPS = 32  # Gauss-Legendre points, of Sundararajan et al.'s "20 to 300" steps
Model = nn.Module | Classifier


class Raw(NamedTuple):
    """The raw result of a method."""

    values: Tensor  # N x C x H x W, N x h x w or N x H x W
    layer: str | None = None  # of Grad-CAM
    error_N: Tensor | None = None  # of integrated gradients: how far the sum is from f(image) - f(baseline)


@named_arguments()
def saliency(model: Model, image: object, *, target: Target = None) -> Tensor:
    """dy_c / dx: how fast the logit of the class rises with each number of the image (Simonyan et al. 2014, section 3).

    Args:
        model: a network, or a classifier such as `striate.load` gives.
        image: as `query.make_query` takes it.
        target: class, of all images or of each; None for the one with the largest logit.

    Returns:
        C x H x W for one image, else N x C x H x W; signed.

    Raises:
        UnsupportedError: the network has no gradients.
        SettingError: there is no such class.
        ShapeError: the image has another shape.

    """
    return _plain(run_saliency, make_query(model, image, target))


@named_arguments()
def deconvnet(model: Model, image: object, *, target: Target = None) -> Tensor:
    """The gradient, but each ReLU passes back max(0, R) whatever came in (Zeiler & Fergus 2014, section 2.1).

    Filters are transposed and max pools pass back to where the maximum was, as in any gradient. Arguments and result as of
    `saliency`.

    Raises:
        UnsupportedError: the network has other non-linearities than ReLU, or a ReLU that is no layer.

    """
    return _plain(run_deconvnet, make_query(model, image, target))


@named_arguments()
def guided(model: Model, image: object, *, target: Target = None) -> Tensor:
    """The gradient, but each ReLU passes back max(0, R) only where it was on (Springenberg et al. 2015, section 3.4).

    Arguments, result and errors as of `deconvnet`.
    """
    return _plain(run_guided, make_query(model, image, target))


@named_arguments()
def gradcam(model: Model, image: object, *, target: Target = None, layer: str | None = None) -> Tensor:
    """max(0, sum_k alpha_k A_k), alpha_k the mean of dy_c / dA_k over the positions (Selvaraju et al. 2017, equations 1 and 2).

    The maps A are those of `layer`, None for the one that `autograd_graph.spatial_layer` picks; of a classifier on the means of
    several joined layers those of all of them, as `joined_layers.class_activation_maps` adds them. Other arguments are those of
    `saliency`.

    Returns:
        h x w of the layer for one image, else N x h x w; never negative. `heat` brings it to the image's size.

    Raises:
        UnsupportedError: the network has no gradients, or no layer with maps; names what works.
        SettingError, ShapeError: there is no such class or layer; the image has another shape.

    """
    return _plain(run_gradcam, make_query(model, image, target), layer=layer)


@named_arguments()
def integrated_gradients(
    model: Model, image: object, *, target: Target = None, baseline: float | Tensor = 0.0, steps: int = STEPS
) -> Tensor:
    """(x - b) times the mean gradient on the straight line from b to x (Sundararajan et al. 2017, equation 1).

    Their sum is y_c(x) - y_c(b), up to an error of the sum that stands for the integral; `explain` says it. The baseline is the
    neutral image, preprocessed: 0 is the training mean where that was subtracted; `steps` are points on the line, at least 1.
    The other arguments, result and errors are those of `saliency`.
    """
    return _plain(run_integrated_gradients, make_query(model, image, target), baseline=baseline, steps=steps)


@named_arguments()
def occlusion(
    model: Model, image: object, *, target: Target = None, baseline: float | Tensor = 0.0, window: int | None = None,
    stride: int | None = None,
) -> Tensor:  # fmt: skip
    """By how much the logit falls under a gray square, the mean of the squares over a pixel (Zeiler & Fergus 2014, 4.2).

    It needs no gradient, so every network works. Model, image, target and their errors are those of `saliency`. The square is
    filled with the baseline, preprocessed: 0 is the training mean where that was subtracted. `window` is its side in pixels,
    None for an eighth of each side of the image, rounded up; `stride` is from one square to the next, None for half of that,
    rounded up: about 15 x 15 squares.

    Returns:
        H x W for one image, else N x H x W; signed: negative where the class gains.

    """
    return _plain(run_occlusion, make_query(model, image, target), baseline=baseline, window=window, stride=stride)


def _captum(name: str) -> Any:
    """A class of captum. Its progress bars, which are not used, want ipywidgets in a notebook and would warn there."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")
        return getattr(import_module("captum.attr"), name)


def run_saliency(query: Query) -> Raw:
    """`saliency` of a query."""
    Saliency = _captum("Saliency")

    follow(query.net, query.images_NCHW[:1], "saliency")
    return _by_parts(query, lambda part: Saliency(part.net).attribute(part.images_NCHW, part.targets_N, abs=False))


def run_deconvnet(query: Query) -> Raw:
    """`deconvnet` of a query."""
    Deconvolution = _captum("Deconvolution")

    check_relus(query.net, query.images_NCHW[:1], "deconvnet")
    return _by_parts(query, lambda part: Deconvolution(part.net).attribute(part.images_NCHW, part.targets_N))


def run_guided(query: Query) -> Raw:
    """`guided` of a query."""
    GuidedBackprop = _captum("GuidedBackprop")

    check_relus(query.net, query.images_NCHW[:1], "guided")
    return _by_parts(query, lambda part: GuidedBackprop(part.net).attribute(part.images_NCHW, part.targets_N))


def run_gradcam(query: Query, layer: str | None = None) -> Raw:
    """`gradcam` of a query."""
    if (joined := joined_layers(query.net)) is not None and layer in (None, joined):
        follow(query.net, query.images_NCHW[:1], "gradcam")
        return _by_parts(query, class_activation_maps)._replace(layer=joined)
    LayerGradCam = _captum("LayerGradCam")

    name = maps_at(query.net, query.images_NCHW[:1], layer)

    def maps(part: Query) -> Tensor:
        cam = LayerGradCam(part.net, part.net.get_submodule(name))
        map_N1hw: Tensor = cam.attribute(part.images_NCHW, part.targets_N, relu_attributions=True)
        return map_N1hw[:, 0]

    return _by_parts(query, maps)._replace(layer=name)


def run_integrated_gradients(query: Query, baseline: float | Tensor = 0.0, steps: int = STEPS) -> Raw:
    """`integrated_gradients` of a query."""
    IntegratedGradients = _captum("IntegratedGradients")

    if steps < 1:
        raise SettingError(f"integrated_gradients expects 1 step or more; got {steps}.")
    gray = _gray(baseline, query.images_NCHW)
    follow(query.net, query.images_NCHW[:1], "integrated_gradients")
    errors: list[Tensor] = []

    def sums(part: Query) -> Tensor:
        attribution_NCHW, error_N = IntegratedGradients(part.net).attribute(
            part.images_NCHW, gray, part.targets_N, n_steps=steps, return_convergence_delta=True,
            internal_batch_size=at_once(part.net, part.images_NCHW, steps, gradient=True),
        )  # fmt: skip
        errors.append(error_N.detach().abs())
        values: Tensor = attribution_NCHW
        return values.to(part.images_NCHW.dtype)

    return _by_parts(query, sums)._replace(error_N=torch.cat(errors))


def run_occlusion(query: Query, baseline: float | Tensor = 0.0, window: int | None = None, stride: int | None = None) -> Raw:
    """`occlusion` of a query."""
    Occlusion = _captum("Occlusion")

    channels, *sides = query.images_NCHW.shape[1:]
    windows = tuple(-(-side // 8) if window is None else window for side in sides)
    strides = tuple(-(-size // 2) if stride is None else stride for size in windows)
    if not all(1 <= size <= side and 1 <= step <= size for size, side, step in zip(windows, sides, strides, strict=True)):
        raise SettingError(
            f"occlusion expects a window of 1 to {min(sides)} pixels and a stride of 1 to the window; got {windows[0]} and "
            f"{strides[0]}."
        )
    gray = _gray(baseline, query.images_NCHW)

    def drops(part: Query) -> Tensor:
        batch_size = max(1, at_once(part.net, part.images_NCHW, MOST) // len(part.images_NCHW))
        drop_NCHW: Tensor = Occlusion(part.net).attribute(
            part.images_NCHW, (channels, *windows), strides=(channels, *strides), baselines=gray, target=part.targets_N,
            perturbations_per_eval=batch_size,
        )  # fmt: skip
        return drop_NCHW[:, 0].to(part.images_NCHW.dtype)  # the square hides all channels, so they are alike

    return _by_parts(query, drops)


RUNS: dict[str, Callable[..., Raw]] = {
    "saliency": run_saliency, "deconvnet": run_deconvnet, "guided": run_guided, "gradcam": run_gradcam,
    "integrated_gradients": run_integrated_gradients, "occlusion": run_occlusion,
}  # fmt: skip
METHODS: dict[str, Callable[..., Tensor]] = {
    "saliency": saliency, "deconvnet": deconvnet, "guided": guided, "gradcam": gradcam,
    "integrated_gradients": integrated_gradients, "occlusion": occlusion,
}  # fmt: skip


def heat_of(method: str, values: Tensor, size: tuple[int, int]) -> Tensor:
    """One heat for each pixel of what a method gave, 0 to 1: the largest of an image is 1, zeros stay zeros. N x H x W."""
    if method in ("saliency", "deconvnet", "guided"):
        heat_NHW = values.abs().amax(dim=1)
    else:
        heat_NHW = (values.sum(dim=1) if method == "integrated_gradients" else values).clamp(min=0)
    if heat_NHW.shape[1:] != size:
        heat_NHW = functional.interpolate(heat_NHW.unsqueeze(1), size, mode="bilinear", align_corners=False).squeeze(1)
    most_N11 = heat_NHW.amax(dim=(1, 2), keepdim=True)
    return torch.where(most_N11 > 0, heat_NHW / most_N11.clamp(min=torch.finfo(heat_NHW.dtype).tiny), 0.0)


def _plain(run: Callable[..., Raw], query: Query, **options: object) -> Tensor:
    values = run(query, **options).values
    return values[0] if query.single else values


def _by_parts(query: Query, find: Callable[[Query], Tensor]) -> Raw:
    """So many images at once as memory allows, all in evaluation mode; the images get no gradient of their own."""
    batch_size = at_once(query.net, query.images_NCHW, gradient=True)
    parts = []
    with evaluating_with_gradients(query.net):
        pairs = zip(torch.split(query.images_NCHW, batch_size), torch.split(query.targets_N, batch_size), strict=True)
        for images_NCHW, targets_N in pairs:
            part = query._replace(images_NCHW=images_NCHW.detach().clone().requires_grad_(), targets_N=targets_N)
            parts.append(find(part).detach())
    return Raw(torch.cat(parts))


def _gray(baseline: float | Tensor, images_NCHW: Tensor) -> Tensor:
    gray = torch.as_tensor(baseline, dtype=images_NCHW.dtype, device=images_NCHW.device)
    try:
        return gray.expand(images_NCHW.shape[1:]).unsqueeze(0)
    except RuntimeError as error:
        chw = tuple(images_NCHW.shape[1:])
        raise ShapeError(f"expected a baseline that fits C x H x W = {chw}; got {tuple(gray.shape)}.") from error


def run_of(method: str) -> Callable[..., Raw]:
    """The method of this name; SettingError with the nearest names."""
    if method not in RUNS:
        raise SettingError(f"There is no method {method!r}; {nearest(method, RUNS)}")
    return RUNS[method]


def refuse_without_places(images_NCHW: Tensor) -> None:
    """Refuse numbers that lie at no pixels, as those of a PCA: UnsupportedError where an image is 1 x 1."""
    if images_NCHW.shape[2] * images_NCHW.shape[3] == 1:
        raise UnsupportedError(
            f"a map over an image needs numbers that lie at its pixels; this network takes {images_NCHW.shape[1]} numbers "
            "without places. Train with another preprocess.scale than pca."
        )
