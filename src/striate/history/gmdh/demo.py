"""GMDH at work: a polynomial recovered, growth that ends by itself, overfitting when it does not, and the digits.

Legend: M rows, D columns, N classes.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from striate.base.errors import SettingError
from striate.base.events import Json
from striate.base.phrases import percent
from striate.base.settings import Data
from striate.batches import whitening
from striate.data.builtin_datasets import read
from striate.data.examples import Examples
from striate.data.split import Split, divide
from striate.history.demonstration import Demonstration
from striate.history.gmdh import plots
from striate.history.gmdh.model import GMDH, GMDHClassifier, Step
from striate.metrics.classification import confusion
from striate.metrics.intervals import wilson
from striate.nets.hooks import inputs, taps

Floats = NDArray[np.float64]

# What another implementation of the same algorithm gives for `cross_check_table`: the best criterion of each layer, the last of
# which is refused, and the prediction of the last row, by the number of elements that a layer keeps.
REFERENCE: dict[int, tuple[tuple[float, ...], float]] = {
    3: ((20.168699, 19.637813, 19.685698), -1.2522241277),
    4: ((20.168699, 19.637813, 19.685698), -1.2522241277),
    6: ((20.168699, 19.246238, 16.247236, 16.614861), -1.3383024648),
}
_BATCH = 128
_COMPONENTS = 20


class Table(NamedTuple):
    """Columns to predict from, and what is to be predicted."""

    X_MD: Floats
    y_M: Floats


class Features(NamedTuple):
    """What the networks get of all digits."""

    name: str
    values_ND: Floats


def columns(rows: int, count: int) -> Floats:
    """Columns that anyone can make again: sin(i (0.7 j + 0.3)) + 0.5 cos(0.011 i^2 j), i and j from 1."""
    i, j = np.arange(1.0, rows + 1)[:, None], np.arange(1.0, count + 1)
    return np.sin(i * (0.7 * j + 0.3)) + 0.5 * np.cos(0.011 * i**2 * j)


def _polynomial(X_MD: Floats) -> Floats:
    """Of the first five columns; it needs products of two pairs, so that no single element can be exact."""
    x1, x2, x3, x4, x5 = X_MD.T[:5]
    y_M: Floats = 1 + 2 * x1 - x2 * x3 + 0.5 * x4**2 + x1 * x5
    return y_M


def cross_check_table() -> Table:
    """80 rows of 5 columns, and the polynomial of them."""
    X_MD = columns(80, 5)
    return Table(X_MD, _polynomial(X_MD))


def recovery_table() -> Table:
    """40 rows of 4 columns; y is one element of the second and fourth, so that a network of one layer is exact."""
    X_MD = columns(40, 4)
    _, x2, _, x4 = X_MD.T
    return Table(X_MD, 3 - 2 * x2 + x4 + 0.5 * x2 * x4 - 1.5 * x4**2)


def noisy_table(seed: int, noise: float = 0.6, rows: int = 80, count: int = 8) -> Table:
    """The polynomial of `cross_check_table` of 8 uniform columns, of which it needs 5, with normal noise on y."""
    draw = np.random.default_rng(seed)
    X_MD = draw.uniform(-1, 1, (rows, count))
    return Table(X_MD, _polynomial(X_MD) + noise * draw.standard_normal(rows))


def demonstrate(
    out: Path, seed: int = 0, keep: int = 20, components: int | None = None, features: str | None = None,
    layer: str | None = None,
) -> Demonstration:  # fmt: skip
    """Run all four, and draw three images.

    Args:
        out: folder for the figures.
        seed: of the noise on the rows that show overfitting.
        keep: the most elements that a layer keeps, on the digits.
        components: PCA coordinates of the digits that the networks get; else 20.
        features: NET@WEIGHTS, as resnet20@cifar10, whose features they get in their place.
        layer: the layer that these are read from; else the input of its head. Maps are averaged over their places.

    """
    _check(seed, components, features, layer)
    files = [out / name for name in ("network.png", "overfit.png", "digits.png")]
    overfit, digits = _overfit(seed), _digits(keep, components or _COMPONENTS, features, layer)
    numbers: Json = {
        "recovery": _recover(), "cross_check": [_cross_check(number) for number in REFERENCE], "overfit": overfit,
        "digits": digits,
    }  # fmt: skip
    layers = GMDH(keep=6).fit(*cross_check_table()).layers_
    title = "Grown on the cross-check: what the best element of the last layer needs"
    plots.draw_network(title, [f"x{number}" for number in range(1, 6)], layers, files[0])
    plots.draw_overfit(overfit["without"], overfit["with"], files[1])
    title = f"Ten networks on {digits['features']}: accuracy {percent(digits['accuracy'])} on {digits['n']} test images"
    errors = [network["mean_squared_errors"] for network in digits["networks"]]
    plots.draw_digits(title, digits["classes"], errors, digits["confusion"], files[2])
    return Demonstration(numbers, _lines(numbers), files)


def _check(seed: int, components: int | None, model: str | None, layer: str | None) -> None:
    if seed < 0:
        raise SettingError(f"expected a seed of 0 or more; got {seed}.")
    if model is None and layer is not None:
        raise SettingError(f"--layer names a layer of a network; got {layer!r} and no network. Add --features NET@WEIGHTS.")
    if model is not None and components is not None:
        raise SettingError("PCA components and the features of a network do not go together; leave one of them out.")
    if model is not None and "@" not in model:
        raise SettingError(f"expected a network with its weights, as resnet20@cifar10; got {model!r}.")
    if components is not None and not 2 <= components <= 64:
        raise SettingError(f"expected 2 to 64 components of 8 x 8 pixels; got {components}.")


def _recover() -> Json:
    table = recovery_table()
    network = GMDH(limit=1e-9).fit(*table)
    worst = float(np.abs(network.predict(table.X_MD) - table.y_M).max())
    return {"formula": network.formula(), "layers": len(network.layers_), "largest_error": worst}


def _cross_check(keep: int) -> Json:
    table, (criteria, last) = cross_check_table(), REFERENCE[keep]
    network = GMDH(keep=keep).fit(*table)
    own = [step.criterion for step in network.history_]
    row = float(network.predict(table.X_MD)[-1])
    agrees = len(own) == len(criteria) and np.allclose(own, criteria, rtol=0, atol=5e-7) and abs(row - last) < 1e-9
    return {
        "keep": keep, "criteria": own, "accepted": len(network.layers_), "last_row": row,
        "reference": {"criteria": list(criteria), "last_row": last}, "agrees": bool(agrees),
    }  # fmt: skip


def _overfit(seed: int) -> Json:
    table = noisy_table(seed)
    with np.errstate(over="ignore", invalid="ignore"):  # a polynomial of degree 256 between its points
        without = GMDH(criterion="training_error", keep=12, limit=-math.inf).fit(*table)
    ended = GMDH(keep=12).fit(*table)
    return {"without": _errors(without.history_), "with": _errors(ended.history_), "layers": len(ended.layers_)}


def _errors(history: list[Step]) -> Json:
    """Mean squared errors layer by layer; None for what is no number any more."""
    return {
        "fitted": [step.error_A for step in history],
        "external": [step.error_B if math.isfinite(step.error_B) else None for step in history],
        "accepted": [step.accepted for step in history],
    }


def _digits(keep: int, components: int, model: str | None, layer: str | None) -> Json:
    digits, parts = _read_digits()
    name, values_ND = _pca(digits, parts, components) if model is None else _features(digits, model, layer)
    grow_M, labels_N = np.concatenate([parts.train_M, parts.val_M]), digits.labels_N
    network = GMDHClassifier(keep=keep, test_share=len(parts.val_M) / len(grow_M)).fit(values_ND[grow_M], labels_N[grow_M])
    predicted_M, true_M = network.predict(values_ND[parts.test_M]), labels_N[parts.test_M]
    score = wilson(int((predicted_M == true_M).sum()), len(true_M))
    networks = [
        {
            "class": int(label), "layers": len(grown.layers_), "degree": grown.degree,
            "elements": sum(len(layer.pairs_K2) for layer in grown.layers_),
            "mean_squared_errors": [step.error_B for step in grown.history_ if step.accepted],
        }
        for label, grown in zip(network.classes_, network.networks_, strict=True)
    ]  # fmt: skip
    return {
        "features": name, "columns": values_ND.shape[1], "accuracy": score.value, "low": score.low,
        "high": score.high, "n": score.n, "classes": [str(label) for label in network.classes_], "networks": networks,
        "confusion": confusion(predicted_M, true_M, len(network.classes_)).tolist(),
    }  # fmt: skip


def _pca(digits: Examples, parts: Split, components: int) -> Features:
    assert digits.pixels_NHWC is not None
    levels_NCHW = torch.from_numpy(digits.pixels_NHWC).permute(0, 3, 1, 2) / 255.0
    fitted, mean_CHW = whitening.fit(digits.pixels_NHWC, parts.train_M, "pca", components)
    return Features(f"{components} PCA coordinates", fitted.forward(levels_NCHW - mean_CHW).flatten(1).double().numpy())


def _features(digits: Examples, name: str, layer: str | None) -> Features:
    from striate.workflows import external_weights

    model = external_weights.load_external(name)
    assert digits.pixels_NHWC is not None
    layer_name, hooked = (model.net.head_name, inputs) if layer is None else (layer, taps)
    values: list[NDArray[np.float32]] = []
    for start in range(0, len(digits), _BATCH):
        with torch.inference_mode(), hooked(model.net, layer_name) as outputs:
            model.net(model.images([*digits.pixels_NHWC[start : start + _BATCH]]))
        maps = outputs[layer_name]
        values.append(maps.flatten(2).mean(2).numpy() if maps.dim() == 4 else maps.numpy())
    return Features(f"{layer or 'the last features'} of {name}", np.concatenate(values).astype(np.float64))


def _read_digits() -> tuple[Examples, Split]:
    """The digits that come along, divided as `striate train digits` divides them."""
    digits = read("digits", None)
    assert digits.pixels_NHWC is not None
    _, same_N = np.unique(digits.pixels_NHWC.reshape(len(digits), -1), axis=0, return_inverse=True)
    return digits, divide(digits, same_N.astype(np.uint64), Data(path="digits"))


def _lines(result: Json) -> list[str]:
    digits, rows = result["digits"], result["cross_check"]
    without, with_ = result["overfit"]["without"], result["overfit"]["with"]
    agreeing = ", ".join(f"{row['keep']} kept: {row['accepted']} layers" for row in rows if row["agrees"])
    others = ", ".join(str(row["keep"]) for row in rows if not row["agrees"])
    layers = [network["layers"] for network in digits["networks"]]
    last = without["external"][-1]
    largest = "no number" if last is None else f"{last:.3g}"
    accepted = [error for error, stays in zip(with_["external"], with_["accepted"], strict=True) if stays]
    return [
        f"recovered, with an error of at most {result['recovery']['largest_error']:.0e}:  {result['recovery']['formula']}",
        f"agrees with the reference implementation in every layer:  {agreeing or 'none'}"
        + (f"; NOT with {others} kept" if others else ""),
        f"noisy rows, elements chosen by the rows that weights are fitted to: their error falls from "
        f"{without['fitted'][0]:.3f} to {without['fitted'][-1]:.3f}, that of the other rows grows from "
        f"{without['external'][0]:.3f} to {largest}",
        f"noisy rows, elements chosen by the other rows: growth ends after {result['overfit']['layers']} layers, "
        f"where the error of these rows is {accepted[-1]:.3f}",
        f"digits, {digits['features']}: accuracy {percent(digits['accuracy'])}  (95 % interval {percent(digits['low'])} to "
        f"{percent(digits['high'])}, {digits['n']} images)",
        f"their networks have {min(layers)} to {max(layers)} layers; {layers.count(8)} of {len(layers)} are in the 8-layer "
        f"configuration, degree {2**8}",
    ]
