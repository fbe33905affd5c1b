"""Maps of the size of the image, with a verdict on each.

Legend: N images, C channels, H x W pixels.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from torch import Tensor, nn

from striate.base.errors import UnsupportedError
from striate.interpret import faithfulness
from striate.interpret.attribution.methods import METHODS, Model, heat_of, refuse_without_places, run_of
from striate.interpret.attribution.query import Question, Target, logits, question
from striate.interpret.faithfulness import Faithfulness


@dataclass(frozen=True)
class Explanation:
    """What a method says of some images, and how far that can be believed.

    Attributes:
        method: a name of `METHODS`.
        targets: the class that was asked about, of each image.
        at: the layer that Grad-CAM looked at, picked or given; None for the other methods.
        values: what the method found, with N; see `methods`.
        heat_NHW: one heat for each pixel, 0 to 1: the largest of an image is 1, zeros stay zeros.
        faithfulness: of each image; empty where it was not asked for.
        completeness_error: of integrated gradients, by how much the sum differs from f(image) - f(baseline), of each image;
            empty for the other methods.

    """

    method: str
    targets: tuple[int, ...]
    at: str | None
    values: Tensor
    heat_NHW: Tensor
    faithfulness: tuple[Faithfulness, ...] = ()
    completeness_error: tuple[float, ...] = ()


class Explanations(NamedTuple):
    """Several methods on the same images.

    Attributes:
        made: by method.
        refused: the reason why a method cannot be used on this network, by method.

    """

    made: dict[str, Explanation]
    refused: dict[str, str]


def heat(
    net: nn.Module, images_NCHW: Tensor, targets_N: Tensor, method: str = "gradcam", at: str | None = None, **options: Any
) -> Tensor:
    """Maps of many images at once: N x H x W at the images' size, 0 to 1, the largest of an image 1, zeros stay zeros.

    Args:
        net: the network.
        images_NCHW: as it takes them.
        targets_N: the class that is asked about, of each.
        method: a name of `METHODS`.
        at: the layer for Grad-CAM; None for the one that is picked.
        options: of the method.

    Raises:
        UnsupportedError: the method does not work on this network; names what does.
        SettingError: there is no such method, class or layer.
        ShapeError: the images have another shape.

    """
    asked = question(net, images_NCHW, targets_N)
    return _heat(asked, method, at, options)


def explain(
    model: Model,
    image: object,
    method: str = "gradcam",
    *,
    target: Target = None,
    at: str | None = None,
    check: bool = True,
    places: int = faithfulness.PLACES,
    shares: int = faithfulness.STEPS,
    copies: int = faithfulness.COPIES,
    seed: int = 0,
    **options: Any,
) -> Explanation:
    """A map with all that belongs to it.

    With `check` an image costs (shares + 1) (2 places + 7) passes, 495 as it is, and `copies` maps more.

    Args:
        model: a network, or a classifier such as `striate.load` gives.
        image: as `asking.question` takes it.
        method: a name of `METHODS`.
        target: class, of all images or of each; None for the one with the largest logit.
        at: the layer for Grad-CAM; None for the one that is picked.
        check: whether the map is put to the tests of `inside.faithfulness`.
        places: others that the map is compared with, 9 or more.
        shares: of the image that are removed and shown one after the other.
        copies: networks with fresh weights that it is compared with.
        seed: of what is drawn.
        options: of the method.

    Raises:
        UnsupportedError: the method does not work on this network; names what does.
        SettingError: there is no such method, class or layer.
        ShapeError: the image has another shape.

    """
    asked = question(model, image, target)
    run_of(method)
    refuse_without_places(asked.images_NCHW)
    plain = _explained(asked, method, at, options)
    if not check:
        return plain
    return _checked(asked, plain, options, steps=shares, places=places, copies=copies, seed=seed)


def explain_all(
    model: Model,
    image: object,
    methods: Iterable[str] = tuple(METHODS),
    *,
    target: Target = None,
    places: int = faithfulness.PLACES,
    shares: int = faithfulness.STEPS,
    copies: int = faithfulness.COPIES,
    seed: int = 0,
) -> Explanations:
    """The maps of several methods. Those that do not work on this network say why.

    Args:
        model: a network, or a classifier such as `striate.load` gives.
        image: as `asking.question` takes it.
        methods: names of `METHODS`.
        target: class, of all images or of each; None for the one with the largest logit.
        places: others that each map is compared with, 9 or more.
        shares: of the image that are removed and shown one after the other.
        copies: networks with fresh weights that each is compared with.
        seed: of what is drawn.

    Raises:
        SettingError: there is no such method or class.
        ShapeError: the image has another shape.

    """
    names = list(methods)
    for name in names:
        run_of(name)
    asked = question(model, image, target)
    refuse_without_places(asked.images_NCHW)
    made, refused = {}, {}
    for name in names:
        try:
            plain = _explained(asked, name, None, {})
            made[name] = _checked(asked, plain, {}, steps=shares, places=places, copies=copies, seed=seed)
        except UnsupportedError as error:
            refused[name] = str(error)
    return Explanations(made, refused)


def _with_layer(method: str, at: str | None, options: dict[str, Any]) -> dict[str, Any]:
    if at is None:
        return options
    if method != "gradcam":
        raise UnsupportedError(f"{method} looks at no layer; leave `at` out, or take gradcam.")
    return {**options, "at": at}


def _heat(asked: Question, method: str, at: str | None, options: dict[str, Any]) -> Tensor:
    run = run_of(method)
    refuse_without_places(asked.images_NCHW)
    raw = run(asked, **_with_layer(method, at, options))
    return heat_of(method, raw.values, (asked.images_NCHW.shape[2], asked.images_NCHW.shape[3]))


def _explained(asked: Question, method: str, at: str | None, options: dict[str, Any]) -> Explanation:
    raw = run_of(method)(asked, **_with_layer(method, at, options))
    return Explanation(
        method=method,
        targets=tuple(asked.targets_N.tolist()),
        at=raw.at,
        values=raw.values,
        heat_NHW=heat_of(method, raw.values, (asked.images_NCHW.shape[2], asked.images_NCHW.shape[3])),
        completeness_error=() if raw.error_N is None else tuple(raw.error_N.tolist()),
    )


def _checked(asked: Question, plain: Explanation, options: dict[str, Any], **tests: int) -> Explanation:
    def fresh(net: nn.Module) -> Tensor:
        return _heat(asked._replace(net=net), plain.method, plain.at, options)

    found = faithfulness.judge(asked.net, asked.images_NCHW, asked.targets_N, plain.heat_NHW, logits, fresh, **tests)
    return replace(plain, faithfulness=tuple(found))
