"""Attribution maps at the size of the image, each judged by a test of its faithfulness.

Legend: N images, C channels, H x W pixels.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from torch import Tensor, nn

from striate.base.arguments import named_arguments
from striate.base.errors import UnsupportedError
from striate.base.events import Watch, progress, quiet
from striate.interpret import faithfulness
from striate.interpret.attribution.methods import METHODS, Model, heat_of, refuse_without_places, run_of
from striate.interpret.attribution.query import Query, Target, make_query
from striate.interpret.faithfulness import DEFAULT_TEST, Faithfulness, FaithfulnessTest


@dataclass(frozen=True)
class Explanation:
    """The attribution maps of one method for some images, and the test of their faithfulness."""

    method: str  # a name of `METHODS`
    targets: tuple[int, ...]  # the target class of each image
    layer: str | None  # the layer of Grad-CAM, picked or given; None for the other methods
    values: Tensor  # the raw maps, with N; see `methods`
    heat_NHW: Tensor  # one heat for each pixel, 0 to 1: the largest of an image is 1, zeros stay zeros
    faithfulness: tuple[Faithfulness, ...] = ()  # of each image; empty where it was not tested
    # of integrated gradients, by how much the sum differs from f(image) - f(baseline), of each image; empty for the other
    # methods
    completeness_error: tuple[float, ...] = ()


class Explanations(NamedTuple):
    """Several methods on the same images."""

    explanations: dict[str, Explanation]  # by method
    refused: dict[str, str]  # the reason why a method cannot be used on this network, by method


def heat(
    net: nn.Module, images_NCHW: Tensor, targets_N: Tensor, method: str = "gradcam", layer: str | None = None, **options: Any
) -> Tensor:
    """Maps of many images at once: N x H x W at the images' size, 0 to 1, the largest of an image 1, zeros stay zeros.

    `targets_N` are the target classes; method, layer, options and errors are those of `explain`.
    """
    return _explained(make_query(net, images_NCHW, targets_N), method, layer, options).heat_NHW


def explain(
    model: Model, image: object, method: str = "gradcam", *, target: Target = None, layer: str | None = None,
    test: FaithfulnessTest | None = DEFAULT_TEST, watch: Watch = quiet, **options: Any,
) -> Explanation:  # fmt: skip
    """The attribution map of one method, with the test of its faithfulness.

    Args:
        model: a network, or a classifier such as `striate.load` gives.
        image: as `query.make_query` takes it.
        method: a name of `METHODS`.
        target: class, of all images or of each; None for the predicted class.
        layer: the layer for Grad-CAM; None for the one that is picked.
        test: how thoroughly, by default in 495 forward passes an image and 3 maps more; None for no test.
        watch: called with progress.
        options: of the method.

    Raises:
        UnsupportedError: the method does not work on this network; names what does.
        SettingError: there is no such method, class or layer.
        ShapeError: the image has another shape.

    """
    query = make_query(model, image, target)
    explanation = _explained(query, method, layer, options)
    return explanation if test is None else _tested(query, explanation, options, test, watch)


@named_arguments()
def explain_all(
    model: Model, image: object, methods: Iterable[str] = tuple(METHODS), *, target: Target = None,
    test: FaithfulnessTest = DEFAULT_TEST, watch: Watch = quiet,
) -> Explanations:  # fmt: skip
    """The attribution maps of several methods, each tested. Those that do not work on this network say why.

    Arguments and errors are those of `explain`.
    """
    names = list(methods)
    for name in names:
        run_of(name)
    query = make_query(model, image, target)
    refuse_without_places(query.images_NCHW)
    explanations, refused = {}, {}
    for name in names:
        try:
            explanations[name] = _tested(query, _explained(query, name, None, {}), {}, test, watch)
        except UnsupportedError as error:
            refused[name] = str(error)
    return Explanations(explanations, refused)


def _with_layer(method: str, layer: str | None, options: dict[str, Any]) -> dict[str, Any]:
    if layer is None:
        return options
    if method != "gradcam":
        raise UnsupportedError(f"{method} looks at no layer; leave `layer` out, or take gradcam.")
    return {**options, "layer": layer}


def _explained(query: Query, method: str, layer: str | None, options: dict[str, Any]) -> Explanation:
    run = run_of(method)
    refuse_without_places(query.images_NCHW)
    raw = run(query, **_with_layer(method, layer, options))
    heat_NHW = heat_of(method, raw.values, (query.images_NCHW.shape[2], query.images_NCHW.shape[3]))
    error = () if raw.error_N is None else tuple(raw.error_N.tolist())
    return Explanation(method, tuple(query.targets_N.tolist()), raw.layer, raw.values, heat_NHW, completeness_error=error)


def _tested(
    query: Query, explanation: Explanation, options: dict[str, Any], test: FaithfulnessTest, watch: Watch
) -> Explanation:
    def heat_of_copy(net: nn.Module) -> Tensor:
        return _explained(query._replace(net=net), explanation.method, explanation.layer, options).heat_NHW

    maps = (query.images_NCHW, query.targets_N, explanation.heat_NHW)
    report, count, done = progress(watch, "explain"), len(query.targets_N) * (1 + test.shifts + test.orders), 0

    def reported(net: nn.Module, images_NCHW: Tensor) -> Tensor:
        nonlocal done
        probabilities_NK = query.probabilities(net, images_NCHW)
        done += 1
        report(done, count)
        return probabilities_NK

    results = faithfulness.judge(query.net, *maps, reported, heat_of_copy, test)
    return replace(explanation, faithfulness=tuple(results))
